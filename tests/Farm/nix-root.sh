#!/usr/bin/env bash
# nix-root.sh VERSION…: makes a root with another Nix than this machine's, for hosts of a farm (with-farm.sh --nix VERSION), in
# out/nix/VERSION, out of the packages of another release of Debian. Does nothing when it is there already. Needs root and
# mmdebstrap.
#
#   2.26   Debian trixie's
#   2.34   Debian forky's; when Debian has a later one there, it is told, and hosts have that
set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd -P)
repository=$(cd "$here/../.." && pwd -P)
out=$repository/out/nix

die() { echo "nix-root: $*" >&2; exit 1; }

options=(--quiet --variant=minbase --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*'
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' --aptopt='APT::Sandbox::User "root"'
  --aptopt='Acquire::Retries "3"' --aptopt='Acquire::http::Timeout "60"'
  # What the farm and the tests use beside a minimal Debian; the .NET runtime needs libicu, of whatever number.
  --include=nix-bin,openssh-server,openssh-client,iproute2,busybox-static,procps,util-linux-extra,git --include='?name(^libicu[0-9]+$)')

# Debian's archive, as this machine's apt has it: no host is named here.
archive() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 'Component: main' | head -n 1
}

make() {
  local version=$1 suite more=() mirror attempt
  case $version in
    2.26) suite=trixie ;;
    # Its Release file can be past its date of expiry when nobody publishes a new one; signatures are checked all the same.
    2.34) suite=forky more=(--aptopt='Acquire::Check-Valid-Until "false"') ;;
    *) die "no Debian with Nix $version is known here (there are: 2.26 2.34)" ;;
  esac
  local recipe
  recipe=$(sha256sum "$here/nix-root.sh")
  [ "$(cat "$out/$version.recipe" 2> /dev/null)" != "$recipe" ] || return 0
  command -v mmdebstrap > /dev/null || die "not installed: mmdebstrap (./build.sh setup installs it)"
  mirror=$(archive)
  [ -n "$mirror" ] || die "apt knows no archive of Debian here; after apt-get update it may"

  rm -rf "$out/$version" "$out/$version.recipe"
  for attempt in 1 2 3; do
    if mmdebstrap "${options[@]}" "${more[@]}" "$suite" "$out/$version.making" \
      "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$out/$version.log" 2>&1; then
      break
    fi
    rm -rf "$out/$version.making"
    [ "$attempt" -lt 3 ] || { tail -n 20 "$out/$version.log" >&2; die "Debian $suite cannot be unpacked; all of it: $out/$version.log"; }
    sleep 5
  done
  local has
  has=$(dpkg-query --admindir "$out/$version.making/var/lib/dpkg" --show --showformat '${Version}' nix-bin)
  [[ $has == "$version".* ]] || echo "nix-root: Debian $suite has Nix $has by now, not $version: the hosts of $version have that" >&2
  mv "$out/$version.making" "$out/$version"
  echo "$recipe" > "$out/$version.recipe"
}

[ $# -gt 0 ] || die "which version?"
mkdir -p "$out"
for version in "$@"; do
  exec 9> "$out/${version//\//}.lock"    # one at a time: several farms may want it
  flock 9
  make "$version"
  exec 9>&-
done
