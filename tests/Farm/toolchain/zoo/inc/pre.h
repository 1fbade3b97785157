#ifdef __cplusplus
#include <utility>
#endif
#define PRE 1
