#if __has_include("tested-only.h")
int there = 1;
#else
int there = 0;
#endif
#if __has_include(<nowhere.h>)
int nowhere = 1;
#endif
