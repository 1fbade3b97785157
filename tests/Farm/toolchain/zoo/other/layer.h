#include_next "layer.h"
#define LAYERS (UPPER + 1)
