#!/usr/bin/env bash
# with-farm.sh [OPTION…] -- COMMAND [ARGUMENT…]
#
# Brings a build farm up on this machine, runs COMMAND inside its coordinator, takes everything down,
# and exits as COMMAND did. Needs root, and Debian's nix-bin, openssh-server, openssh-client and iproute2.
#
#   --builders LIST   builders and their slots (default aquamarine=3,ruby=2,kana=2; '' for none)
#   --slots N         builds at a time on the coordinator itself (default 2)
#   --size SIZE       size of each store, in memory (default 2g)
#   --sandbox         builds run in Nix's sandbox (needs busybox-static)
#   --nix LIST        Nix of the coordinator and, in turn, of the builders: `own`, this machine's (the default), 2.26 or 2.34. One
#                     is for all hosts; 2.34,own,2.26 is a coordinator of 2.34 with builders of this machine's and of 2.26.
#                     Those of other versions have a root of their own: nix-root.sh makes it, once; where it cannot, the exit
#                     code is 77, and COMMAND has not run
#
# Everything lives in one set of namespaces whose process 1 runs COMMAND: when that process ends, or this
# script does, however it ends, the kernel removes every process, mount and network of the farm. Several
# farms can run at once. No route leads out of a farm. COMMAND gets a clean environment, the repository at
# its own path, the module at /opt/NixBuildFarm, and on its PATH: farm (controls the hosts), dotnet, pwsh (with
# Pester), and engine-host (PowerShell's engine with the Core commands only).
set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd -P)
repository=$(cd "$here/../.." && pwd -P)

usage() { sed -n '2,/^set/{/^#/!d;s/^# \{0,1\}//p}' "$here/with-farm.sh"; }
die() { echo "with-farm: $*" >&2; exit 1; }

builders=aquamarine=3,ruby=2,kana=2 slots=2 size=2g sandbox=false nix=own inside=false
while [ $# -gt 0 ]; do
  case $1 in
    --builders) builders=${2?--builders needs a list} && shift 2 ;;
    --slots) slots=${2:?--slots needs a number} && shift 2 ;;
    --size) size=${2:?--size needs a size} && shift 2 ;;
    --sandbox) sandbox=true && shift ;;
    --nix) nix=${2:?--nix needs a list} && shift 2 ;;
    --inside) inside=true && shift ;;               # ours: the second half, in the namespaces
    --help | -h) usage && exit 0 ;;
    --) shift && break ;;
    *) die "unknown option $1 (the command goes behind --)" ;;
  esac
done
[ $# -gt 0 ] || { usage >&2; exit 2; }
IFS=, read -ra versions <<< "$nix"
[ "${#versions[@]}" -gt 0 ] || die "--nix needs a list"
[ "${#versions[@]}" -gt 1 ] || versions+=("${versions[0]}")

check_machine() {
  [ "$(id -u)" = 0 ] || die "must be run as root: it makes namespaces and mounts"
  local missing='' program
  for program in nix-daemon:nix-bin /usr/sbin/sshd:openssh-server ssh:openssh-client ip:iproute2; do
    command -v "${program%:*}" > /dev/null || missing+=" ${program#*:}"
  done
  [ "$sandbox" = false ] || [ -x /bin/busybox ] || missing+=" busybox-static"
  [ -z "$missing" ] || die "not installed:$missing (./build.sh setup installs them)"
}

if [ "$inside" = false ]; then
  check_machine
  mkdir -p "$repository/out/farm"
  for version in "${versions[@]}"; do
    [ "$version" = own ] || "$here/nix-root.sh" "$version" || exit 77
  done
  # Two links, since unshare holds back the signals it gets: this shell dies of any, and then the kernel
  # kills unshare, and with it process 1 of the farm. No exec here for that reason.
  options=(--builders "$builders" --slots "$slots" --size "$size" --nix "$nix")
  [ "$sandbox" = false ] || options+=(--sandbox)
  setpriv --pdeathsig KILL \
    unshare --mount --pid --fork --net --uts --ipc --propagation private --kill-child \
    bash "$here/with-farm.sh" --inside "${options[@]}" -- "$@"
  exit
fi

# Process 1 of the farm, in its namespaces. ----------------------------------------------------------------
. "$here/root.sh"
trap : INT                        # Ctrl-C is for COMMAND; this shell goes on and takes the farm down
hostname coordinator
mount -t proc proc /proc

# The coordinator's root, with the repository at its own path (an own mount, so that results get out).
base=$repository/out/farm
dotnet=$(readlink -f "$(command -v dotnet || true)")
lower() { if [ "$1" = own ]; then echo /; else echo "$repository/out/nix/$1"; fi; }
make_root "$(lower "${versions[0]}")" "$base" "$size"
root=$base/root
mkdir -p "$root$FARM"/{etc,roots,hosts/coordinator} "$root$repository"
chmod 700 "$root$FARM"
for version in "${versions[@]}"; do
  [ ! -e "$root$FARM/roots/$version" ] || continue
  mkdir "$root$FARM/roots/$version"
  mount --bind -o ro "$(lower "$version")" "$root$FARM/roots/$version"
done
echo "${versions[@]:1}" > "$root$FARM/versions"     # those of the builders
mount --bind "$repository" "$root$repository"
for folder in out/NixBuildFarm out/EngineHost out/pwsh; do
  [ -d "$repository/$folder" ] || continue
  mkdir -p "$root/opt/${folder##*/}"
  mount --bind -o ro "$repository/$folder" "$root/opt/${folder##*/}"
done
if [ -n "$dotnet" ]; then         # it may lie in a home
  mkdir -p "$root/opt/dotnet"
  mount --bind -o ro "${dotnet%/*}" "$root/opt/dotnet"
  ln -sf /opt/dotnet/dotnet "$root/usr/local/bin/dotnet"
  rm -rf "$root/etc/dotnet"       # where pwsh looks for it
  mkdir "$root/etc/dotnet"
  echo /opt/dotnet > "$root/etc/dotnet/install_location"
fi
ln -sf "$here/farm.sh" "$root/usr/local/bin/farm"
[ ! -d "$root/opt/pwsh" ] || ln -sf /opt/pwsh/pwsh "$root/usr/local/bin/pwsh"
printf '%s\n' '#!/bin/sh' 'exec dotnet /opt/EngineHost/NixBuildFarm.EngineHost.dll "$@"' > "$root/usr/local/bin/engine-host"
chmod +x "$root/usr/local/bin/engine-host"
enter_root "$root"
export PATH=$FARM_PATH HOME=/root LANG=C.UTF-8
echo 1 > "$FARM/hosts/coordinator/pid"

# The network: a bridge, the coordinator's own interface at the same time. Fixed, or it would take over
# the address of one of its ports.
ip link set lo up
ip link add br0 address 02:00:0a:4d:00:01 type bridge
ip addr add 10.77.0.1/24 dev br0
ip link set br0 up

# Names and keys. Nobody's key is secret here: all of this is gone with the farm.
printf '%s\n' '127.0.0.1 localhost' '10.77.0.1 coordinator' > "$FARM/etc/hosts"
: > "$FARM/etc/ssh_known_hosts"
touch /etc/hosts /etc/ssh/ssh_known_hosts
mount --bind "$FARM/etc/hosts" /etc/hosts
mount --bind "$FARM/etc/ssh_known_hosts" /etc/ssh/ssh_known_hosts
add_user alice 5003
add_user mallory 5004
for user in root alice mallory; do
  home=$(getent passwd "$user" | cut -d: -f6)
  ssh_folder=$home/.ssh
  mkdir -m 700 "$ssh_folder"
  ssh-keygen -q -t ed25519 -N '' -C "$user@coordinator" -f "$ssh_folder/id_ed25519"
  cat "$ssh_folder/id_ed25519.pub" >> "$FARM/authorized_keys"
  chown -R "$user:" "$ssh_folder"
  # All hosts of all farms are this one machine, which tests keep busy: no builder is to heed its load.
  (umask 077; mkdir -p "$home/.config/nixbuildfarm"
    echo '{ "version": 1, "farm": { "maxLoad": 1000 } }' > "$home/.config/nixbuildfarm/policy.json")
  chown -R "$user:" "$home/.config"
done
ssh-keygen -q -t ed25519 -N '' -C builder-key -f /etc/nix/builder-key
cat /etc/nix/builder-key.pub >> "$FARM/authorized_keys"

write_nix_conf "$slots" "$sandbox" "root alice"
: > /etc/nix/machines
nix-store --init
start_nix_daemon

if [ "$sandbox" = true ]; then sandboxed=(--sandbox); else sandboxed=(); fi
IFS=, read -ra list <<< "$builders"
for builder in "${list[@]}"; do
  farm add "${builder%=*}" --slots "${builder#*=}" --size "$size" "${sandboxed[@]}"
done

cd "$repository"
code=0
env -i HOME=/root USER=root LOGNAME=root SHELL=/bin/bash PATH="$PATH" LANG=C.UTF-8 TERM="${TERM:-dumb}" \
  DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 POWERSHELL_TELEMETRY_OPTOUT=1 NIXBUILDFARM_REPOSITORY="$repository" "$@" || code=$?
exit "$code"
