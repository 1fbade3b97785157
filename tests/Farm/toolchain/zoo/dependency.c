#pragma GCC dependency "inc/pre.h" is newer
int dependency;
