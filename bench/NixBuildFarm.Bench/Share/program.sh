# Builder: the program of $units, a line of seconds for each unit. The sources hold $text, and the first $edited read otherwise.
mkdir -p source objects
echo '#pragma once' > source/all.h
echo 'struct part { int value; int add(int other) const { return value + other; } };' >> source/all.h
number=0 objects=
while read -r seconds; do
  {
    echo "// $seconds"
    echo "// $text"
    echo '#include "all.h"'
    if [ $number -lt "${edited:-0}" ]; then echo "int edited_$number = $number;"; fi
    echo "int unit_$number(int value) { return part { $number }.add(value); }"
  } > source/unit_$number.cc
  objects+=" objects/unit_$number.o"
  number=$((number + 1))
done < "$units"
echo 'int main() { return 0; }' > source/main.cc
{
  echo "program: objects/main.o$objects"
  printf '\tg++ -o $@ $^\n'
  echo 'objects/%.o: source/%.cc'
  printf '\tg++ -O1 -Isource -c $< -o $@\n'
} > Makefile
make -j"$NIX_BUILD_CORES" SHELL="$SHELL" > /dev/null
mkdir "$out"
cp program "$out"
exit 0
