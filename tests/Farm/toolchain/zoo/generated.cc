#include "generated-later.h"
int g;
