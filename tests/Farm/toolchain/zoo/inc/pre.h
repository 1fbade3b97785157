#ifdef __cplusplus
#include <vector>
#endif
#define PRE 1
