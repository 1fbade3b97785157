# Builder: $out is the compiler $real but for its cc1plus, which is made of $source.
PATH=$PATH:$real/bin
folder=$(cd "$real/libexec" && echo gcc/*/*)
mkdir -p "$out/libexec/$folder"
for entry in "$real"/*; do
  case ${entry##*/} in libexec | usr) ;; *) ln -s "$entry" "$out/${entry##*/}" ;; esac
done
ln -s . "$out/usr"
for entry in "$real/libexec/$folder"/*; do
  case ${entry##*/} in cc1plus) ;; *) ln -s "$entry" "$out/libexec/$folder/${entry##*/}" ;; esac
done
gcc -O2 -Wall -Werror -DORIGINAL="\"$real/libexec/$folder/cc1plus\"" -x c "$source" -o "$out/libexec/$folder/cc1plus"
exit 0
