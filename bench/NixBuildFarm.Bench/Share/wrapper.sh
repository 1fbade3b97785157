# Builder: $out is the wrapper $real, made to call $compiler in the place of $former.
mkdir -p "$out/bin"
folder=$(cd "$compiler/libexec" && echo gcc/*/*)
for entry in "$real"/bin/*; do
  name=${entry##*/}
  case $name in
    gcc | g++)
      sed -e "s,$former,$compiler,g" -e "s,^flags=(,flags=(-B$compiler/libexec/$folder/ ," "$entry" > "$out/bin/$name"
      chmod +x "$out/bin/$name" ;;
    cc | c++) ;;
    *) ln -s "$compiler/bin/$name" "$out/bin/$name" ;;
  esac
done
ln -s gcc "$out/bin/cc"
ln -s g++ "$out/bin/c++"
exit 0
