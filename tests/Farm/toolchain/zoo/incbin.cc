asm(".section .rodata\nblob: .incbin \"blob.bin\"\n");
int incbin;
