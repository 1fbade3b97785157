#line 77 "other/elsewhere.c"
int line(void) { int unused; return __LINE__; }
const char *file = __FILE__;
