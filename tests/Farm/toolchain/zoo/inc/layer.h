#define UPPER 1
