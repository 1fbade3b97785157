# Builder: $gcc, $wrapper → $out/bin, the names by which builds call the compiler.
set -e
PATH=/usr/bin:/bin
mkdir -p "$out/bin"
for name in gcc g++; do
  sed -e "s,@gcc@,$gcc,g" -e "s,@name@,$name,g" "$wrapper" > "$out/bin/$name"
  chmod +x "$out/bin/$name"
done
ln -s gcc "$out/bin/cc"
ln -s g++ "$out/bin/c++"
for name in ld ar as ranlib nm strip objcopy objdump readelf; do ln -s "$gcc/bin/$name" "$out/bin/$name"; done
