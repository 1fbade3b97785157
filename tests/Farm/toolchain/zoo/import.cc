import shapes;
int corners_of_all() { return corners(); }
