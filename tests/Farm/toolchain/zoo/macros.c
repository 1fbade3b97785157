#define JOIN(a, b) a##b
#define TWICE(x) JOIN(x, x)
#define EACH(...) int TWICE(v)[] = { __VA_ARGS__ };
EACH(1, 2, __COUNTER__, __COUNTER__)
const char *when = __DATE__;
??=define TRIGRAPH 1
int continued\
_name = 1;
