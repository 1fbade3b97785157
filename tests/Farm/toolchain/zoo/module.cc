export module shapes;
export int corners() { return 4; }
