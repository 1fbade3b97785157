# Builder: a C++ program of $units units, each with templates of its own over headers that all share, and a link.
mkdir -p source/include objects
for ((header = 0; header < 20; header++)); do
  {
    echo "#pragma once"
    echo "#include <vector>"
    echo "template <int N> struct part_$header {"
    echo "  std::vector<int> values;"
    echo "  int add(int value) { values.push_back(value + N); return values.front(); }"
    echo "};"
  } > "source/include/part_$header.h"
done
objects=
for ((unit = 0; unit < units; unit++)); do
  a=$((unit % 20)) b=$((unit * 7 % 20))
  {
    echo "#include \"part_$a.h\""
    echo "#include \"part_$b.h\""
    echo "int unit_$unit(int value) { part_$a<$unit> first; part_$b<$((unit + 1))> second;"
    echo "  return first.add(value) + second.add(value); }"
  } > "source/unit_$unit.cc"
  objects+=" objects/unit_$unit.o"
done
{
  for ((unit = 0; unit < units; unit++)); do echo "int unit_$unit(int);"; done
  echo "int main() { int sum = 0;"
  for ((unit = 0; unit < units; unit++)); do echo "sum += unit_$unit($unit);"; done
  echo "return sum == 0; }"
} > source/main.cc
{
  echo "program: objects/main.o$objects"
  printf '\tg++ -o $@ $^\n'
  echo "objects/%.o: source/%.cc"
  printf '\tg++ ${FLAGS} -Isource/include -MMD -c $< -o $@\n'
} > Makefile
make -j"$NIX_BUILD_CORES" FLAGS="${flags:--O1 -g}" SHELL="$SHELL"
./program
mkdir "$out"
cp -r program objects "$out"
exit 0
