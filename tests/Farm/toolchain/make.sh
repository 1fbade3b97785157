#!/usr/bin/env bash
# make.sh: makes a gcc toolchain in the layout of nixpkgs out of Debian's packages, with real programs to build, in
# out/toolchain. Does nothing when it is there already. Needs root, since it makes the store paths in a farm.
#
#   out/toolchain/closure          what `nix-store --import` takes
#   out/toolchain/gcc              store path of the compiler: libexec/gcc/x86_64-linux-gnu/12/cc1, and bash, make, coreutils
#   out/toolchain/gcc-wrapper      store path of the wrapper: bin/gcc, bin/g++
#   out/toolchain/sources/         lua.tar.gz and redis.tar.gz, from Debian's source packages
set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd -P)
repository=$(cd "$here/../../.." && pwd -P)
out=$repository/out/toolchain

if [ "${1:-}" = --inside ]; then                # the second half, on the coordinator of a farm
  export NIX_REMOTE=daemon
  cd "$out/making"
  rootfs=$(nix-store --add rootfs)
  for part in gcc wrapper; do
    nix-build --no-out-link --option sandbox false "$here/toolchain.nix" --argstr rootfs "$rootfs" -A "$part" > "$part" 2> log \
      || { cat log >&2; exit 1; }
  done
  mv wrapper gcc-wrapper
  # shellcheck disable=SC2046
  nix-store --export $(nix-store --query --requisites $(cat gcc gcc-wrapper)) > closure
  exit
fi

recipe=$(cat "$here"/{make.sh,packages.txt,toolchain.nix,gcc.sh,wrapper.sh,wrapper} | sha256sum)
[ "$(cat "$out/recipe" 2> /dev/null)" != "$recipe" ] || exit 0
rm -rf "$out"
mkdir -p "$out"/making/{packages,rootfs,apt/lists/partial,apt/sources,sources}

# apt's own list of sources, once more for the sources of packages; nothing of the machine's apt changes.
find /etc/apt -name '*.sources' -o -name '*.list' | while read -r list; do
  sed -e 's/^Types:.*/Types: deb-src/' -e 's/^deb /deb-src /' "$list" > "$out/making/apt/sources/${list##*/}"
done
apt=(apt-get --quiet=2 -o APT::Sandbox::User=root)
(cd "$out/making/packages" && xargs "${apt[@]}" download < "$here/packages.txt")
apt+=(-o "Dir::State::Lists=$out/making/apt/lists" -o "Dir::Cache=$out/making/apt" -o Dir::Etc::SourceList=/dev/null
  -o "Dir::Etc::SourceParts=$out/making/apt/sources")
"${apt[@]}" update
(cd "$out/making/apt" && "${apt[@]}" source --download-only lua5.4 redis)
mv "$out"/making/apt/lua*.orig.tar.gz "$out/making/sources/lua.tar.gz"
mv "$out"/making/apt/redis*.orig.tar.gz "$out/making/sources/redis.tar.gz"

for package in "$out"/making/packages/*.deb; do dpkg-deb --extract "$package" "$out/making/rootfs"; done
(cd "$out/making/rootfs" && rm -rf etc var usr/share/{doc,man,info,locale,bug,lintian,zoneinfo,i18n} usr/lib/x86_64-linux-gnu/gconv)
"$here/../with-farm.sh" --builders '' --size 6g -- bash "$here/make.sh" --inside
mv "$out"/making/{closure,gcc,gcc-wrapper,sources} "$out"
rm -rf "$out/making"
echo "$recipe" > "$out/recipe"
