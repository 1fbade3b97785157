int called(int value) { return value + 1; }
