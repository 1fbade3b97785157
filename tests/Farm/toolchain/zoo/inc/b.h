#define B_H_WAS_HERE 1
