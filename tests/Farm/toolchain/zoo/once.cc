#include "same.h"
#include "same-too.h"
int once = __LINE__;
