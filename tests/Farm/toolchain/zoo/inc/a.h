#ifndef A_H
#define A_H
#include "b.h"
#define LARGER(a, b) ((a) > (b) ? (a) : (b))
template <class T> struct box { T value; T get() const { return value; } };
inline int unused_parameter(int unused) { return 7; }
#endif
