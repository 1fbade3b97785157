#include "b.h"
.globl start
start: ret
