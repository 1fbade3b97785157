#warning first
#error second
