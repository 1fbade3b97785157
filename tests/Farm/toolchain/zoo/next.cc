#include "layer.h"
int layers = LAYERS;
