# Builder: $rootfs, unpacked packages → $out, one store path whose programs find their libraries in it, with the compilers
# proper in libexec, as in nixpkgs.
set -e
PATH=/usr/bin:/bin
libraries=lib/x86_64-linux-gnu
loader=$rootfs/$libraries/ld-linux-x86-64.so.2
patchelf() { "$loader" --library-path "$rootfs/usr/$libraries:$rootfs/$libraries" "$rootfs/usr/bin/patchelf" "$@"; }

mkdir "$out"
cp -a "$rootfs/usr/." "$out/"
chmod -R u+w "$out"
cp -a "$rootfs/lib/." "$out/lib/"
chmod -R u+w "$out"
cp -a "$rootfs/bin/." "$out/bin/"
chmod -R u+w "$out"
mkdir "$out/lib64"
ln -s ../$libraries/ld-linux-x86-64.so.2 "$out/lib64/ld-linux-x86-64.so.2"
ln -s . "$out/usr"                              # where --sysroot looks
find "$out" -type l | while read -r link; do
  target=$(readlink "$link")
  case $target in /lib/*) ln -sfn "$out$target" "$link" ;; esac
done

folder=gcc/x86_64-linux-gnu/12
mkdir -p "$out/libexec/$folder"
for program in cc1 cc1plus collect2 lto1 lto-wrapper g++-mapper-server liblto_plugin.so; do
  mv "$out/lib/$folder/$program" "$out/libexec/$folder/$program"
  ln -s "../../../../libexec/$folder/$program" "$out/lib/$folder/$program"
done
for program in "$out"/bin/* "$out/libexec/$folder"/*; do
  [ -f "$program" ] && [ ! -L "$program" ] && patchelf --print-interpreter "$program" > /dev/null 2>&1 || continue
  patchelf --set-interpreter "$out/lib64/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$out/$libraries" "$program"
done
ln -sf bash "$out/bin/sh"
[ -e "$out/bin/awk" ] || ln -s gawk "$out/bin/awk"
