#include "a.h"
#include "sub/../inc/a.h"
#include "inc/../inc/b.h"
int names() { box<int> one{ 1 }; return one.get() + B_H_WAS_HERE; }
