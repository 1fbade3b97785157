const char *raw = R"x(
# 1 "not a marker"
# 1 "inc/pre.h"
)x";
