# Builder: $out is the compiler $real but for its cc1plus, which is made of $source.
PATH=$PATH:$real/bin
folder=$(cd "$real/libexec" && echo gcc/*/*)
mkdir -p "$out/libexec/$folder"
for entry in "$real"/*; do
  case ${entry##*/} in lib | libexec | usr) ;; *) ln -s "$entry" "$out/${entry##*/}" ;; esac
done
ln -s . "$out/usr"
# The linker takes the paths of its scripts (libc.so) as they are below the folder that holds the script itself.
libraries=lib/x86_64-linux-gnu
mkdir -p "$out/$libraries"
for entry in "$real"/lib/*; do
  [ "$entry" = "$real/$libraries" ] || ln -s "$entry" "$out/lib/${entry##*/}"
done
for entry in "$real/$libraries"/*; do
  if [ -f "$entry" ] && [ ! -L "$entry" ] && [ "$(stat -c %s "$entry")" -lt 1000 ]; then
    cp "$entry" "$out/$libraries"
  else
    ln -s "$entry" "$out/$libraries/${entry##*/}"
  fi
done
for entry in "$real/libexec/$folder"/*; do
  case ${entry##*/} in cc1plus) ;; *) ln -s "$entry" "$out/libexec/$folder/${entry##*/}" ;; esac
done
gcc -O2 -Wall -Werror -DORIGINAL="\"$real/libexec/$folder/cc1plus\"" -x c "$source" -o "$out/libexec/$folder/cc1plus"
exit 0
