#include "a.h"
#include <cassert>
#include <cerrno>
#include <cstdio>
#include <utility>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
static void quiet() { int unused; }
#pragma GCC diagnostic pop
#pragma push_macro("LARGER")
#undef LARGER
#define LARGER(a, b) (a)
static int pushed(int a, int b) { (void)b; return LARGER(a, b); }
#pragma pop_macro("LARGER")
enum { FIRST = __COUNTER__, SECOND = __COUNTER__ };
namespace { struct hidden { int value = FIRST; } only_here; }
static const char *raw = R"x(
#define NOT_A_MACRO /* nor a comment
)x";
int of_line(int a) { return LARGER(a, __LINE__) + unused_parameter(a); }
int main(int argc, char **argv)
{
    int shadowed = 1;
    {
        int shadowed = 2;
        (void)shadowed;
    }
    std::pair<char, box<int>> boxed;
    boxed.second.value = argc;
    quiet();
    unsigned all = -1;
    if (argc < all)
        std::printf("%s %s %d %s %s\n", __FILE__, __BASE_FILE__, __INCLUDE_LEVEL__, raw, __func__);
    assert(argc > 0 && LARGER(argc, 2));
    return boxed.second.get() + pushed(1, 2) + of_line(3) + only_here.value == 0;
}
