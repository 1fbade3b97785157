#include <stdio.h>
int called(int);
int main(void)
{
    int unused, values[64];
    for (int i = 0; i < 64; i++)
        values[i] = called(i) * 3;
    printf("%d %d\n", values[3], __LINE__);
    return "text" == 0;
}
