#!/usr/bin/env bash
# farm: controls the hosts of the farm that with-farm.sh made. Run as root in the coordinator.
#
#   farm add NAME [OPTION…]          a new builder, in a second; it is in /etc/nix/machines afterwards
#       --slots N                    its max-jobs, here and in the list (default 1)
#       --speed X                    speed factor in the list (default 1)
#       --systems A,B                systems in the list (default x86_64-linux)
#       --features A,B               supported features in the list
#       --mandatory A,B              mandatory features in the list
#       --user NAME                  login in the list: root (default), nix (trusted too) or guest (untrusted)
#       --key FILE                   key file in the list (default: none, so ~/.ssh/id_ed25519 of who asks)
#       --scheme ssh|ssh-ng          protocol in the list (default ssh-ng)
#       --unlisted                   not in the list
#       --size SIZE                  size of its store (default 2g)
#       --closure FILE               what is in its store from the beginning: what `nix-store --export` wrote
#       --conf LINE                  a further line of its nix.conf; may be repeated
#       --sshd LINE                  a further line of its sshd_config; may be repeated
#       --sandbox                    builds run in Nix's sandbox
#       --nix VERSION                its Nix, one of those that with-farm.sh was told of (default: the next of those in turn)
#       --address N                  its address is 10.77.0.N (default: the next that is free)
#       --host-key FILE              its host key (default: a new one)
#   farm remove NAME                 ends it at once, as if its plug was pulled
#   farm list                        name, address and process 1 of each
#   farm exec NAME COMMAND…          runs a command on it as root; NAME may be coordinator
#   farm as USER COMMAND…            runs a command on the coordinator as root, alice (trusted) or mallory (not)
#   farm machine NAME                its line of the machines list
#
# Faults, and what undoes each:
#   sshd-stop NAME        refuses new connections            sshd-start NAME
#   sshd-kill NAME        every connection breaks too        sshd-start NAME
#   link-down NAME        cable pulled: no route to host     link-up NAME
#   blackhole NAME        packets vanish, nothing closes     unblackhole NAME
#   freeze NAME           every process stopped              thaw NAME
#   daemon-kill NAME      every nix-daemon process killed    daemon-start NAME
#   fill NAME             its store has 256 KiB left         unfill NAME
#   change-host-key NAME  another machine answers            restore-host-key NAME
set -euo pipefail
here=$(readlink -f "${BASH_SOURCE[0]}") here=${here%/*}
. "$here/root.sh"

die() { echo "farm: $*" >&2; exit 1; }
usage() { sed -n '2,/^set/{/^#/!d;s/^# \{0,1\}//p}' "$here/farm.sh"; }
[ -d "$FARM/hosts" ] || die "no farm here, or not root: run it as root inside tests/Farm/with-farm.sh -- COMMAND"

# Tests call this a thousand times, so what all calls do starts few processes.
hosts=$FARM/hosts
init() { echo "$(< "$hosts/$1/pid")"; }
port() { echo "v$(< "$hosts/$1/number")"; }
address() { echo "10.77.0.$(< "$hosts/$1/number")"; }
mac() { printf '02:00:0a:4d:00:%02x\n' "$(< "$hosts/$1/number")"; }
need() { [ -e "$hosts/${1:?which host?}/pid" ] || die "no host named $1 (there are: $(cd "$hosts" && echo *))"; }
need_builder() { need "$1" && [ "$1" != coordinator ] || die "not on the coordinator: the command itself runs there"; }

locked() {                          # one at a time: several tests may call at once
  exec 9> "$FARM/lock"
  flock 9
}

# store_of FILE: the folder of a store that holds a closure, made once in a farm. Hosts have it below their own stores, so that
# none of them has to unpack, hash and register what all have.
store_of() {
  local store
  store=$FARM/stores/$(stat --format '%i-%Y' "$1")
  locked
  if [ ! -d "$store" ]; then
    rm -rf "$store.new"
    NIX_REMOTE="local?root=$store.new" nix-store --import < "$1" > /dev/null
    mv "$store.new" "$store"
  fi
  flock -u 9
  echo "$store/nix"
}

execute() {
  local pid
  read -r pid < "$hosts/$1/pid"
  shift
  exec nsenter --target "$pid" --mount --net --pid --uts --ipc --root --wd -- \
    env -i HOME=/root USER=root PATH="$FARM_PATH" LANG=C.UTF-8 TERM="${TERM:-dumb}" "$@"
}
on() { (execute "$@"); }

# kill_all NAME COMMAND: every process of the host's own process namespace that runs COMMAND…
kill_all() {
  local process name again=true host
  host=$(init "$1")
  while [ "$again" = true ]; do     # until none is left: they fork
    again=false
    for process in /proc/[0-9]*; do
      [ "$process/ns/pid" -ef "/proc/$host/ns/pid" ] && read -r name 2> /dev/null < "$process/comm" || continue
      [[ $name == "$2"* ]] || continue
      if kill -KILL "${process#/proc/}" 2> /dev/null; then again=true; fi     # it may have ended by itself
    done
  done
}

# rewrite FILE COMMAND…: replaces the contents in place, since the file is mounted in every host.
rewrite() {
  local file=$1 text
  shift
  text=$("$@" < "$file" || true)
  printf '%s' "${text:+$text$'\n'}" > "$file"
}

add() {
  local name=${1:?farm add NAME} slots=1 speed=1 systems=x86_64-linux features=- mandatory=- user=root key=- scheme=ssh-ng
  local size=2g closure='' sandbox=false listed=true wanted='' host_key='' nix='' versions conf=() sshd=()
  shift
  [[ $name =~ ^[a-z][a-z0-9-]{0,40}$ ]] || die "not a host name: $name"
  while [ $# -gt 0 ]; do
    case $1 in
      --unlisted) listed=false && shift && continue ;;
      --sandbox) sandbox=true && shift && continue ;;
    esac
    [ $# -ge 2 ] || die "$1 needs a value, or is unknown"
    case $1 in
      --slots) slots=$2 ;;
      --speed) speed=$2 ;;
      --systems) systems=$2 ;;
      --features) features=$2 ;;
      --mandatory) mandatory=$2 ;;
      --user) user=$2 ;;
      --key) key=$2 ;;
      --scheme) scheme=$2 ;;
      --size) size=$2 ;;
      --closure) closure=$(store_of "$2") ;;
      --conf) conf+=("$2") ;;
      --sshd) sshd+=("$2") ;;
      --address) wanted=$2 ;;
      --host-key) host_key=$2 ;;
      --nix) nix=$2 ;;
      *) die "unknown option $1" ;;
    esac
    shift 2
  done

  read -ra versions < "$FARM/versions"
  [ -z "$nix" ] || [ -d "$FARM/roots/$nix" ] || die "no host of this farm has Nix $nix (there are: ${versions[*]})"

  local state number=${wanted:-11} pid word
  state=$hosts/$name
  locked
  [ ! -e "$state" ] || die "there is a host named $name already"
  while grep -qsx "$number" "$hosts"/*/number; do number=$((number + 1)); done
  [ "$number" -le 254 ] || die "no address is left"
  [ -z "$wanted" ] || [ "$number" = "$wanted" ] || die "10.77.0.$wanted is taken"
  mkdir "$state"
  echo "$number" > "$state/number"
  flock -u 9
  nix=${nix:-${versions[(number - 11) % ${#versions[@]}]}}

  printf '%s\n' "${conf[@]}" > "$state/nix.conf"
  printf '%s\n' "${sshd[@]}" > "$state/sshd_config"
  if [ -n "$host_key" ]; then
    install -m 600 "$host_key" "$state/ssh_host_ed25519_key"
    ssh-keygen -y -f "$state/ssh_host_ed25519_key" > "$state/ssh_host_ed25519_key.pub"
  else
    ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$state/ssh_host_ed25519_key"
  fi
  # The builder says its process id, later `ready`; when it ends before that, the pipe ends.
  exec 8< <(exec setsid unshare --mount --net --pid --fork --uts --ipc --propagation private \
    bash "$here/builder.sh" "$name" "$size" "$slots" "$sandbox" "$nix" "$closure" 3>&1 > "$state/log" 2>&1 < /dev/null 9>&-)
  read -r pid <&8 && echo "$pid" > "$state/pid" || broken "$name"
  ip link add "v$number" type veth peer name eth0 address "$(mac "$name")" netns "$pid"
  ip link set "v$number" master br0 up
  nsenter --target "$pid" --net ip link set lo up
  nsenter --target "$pid" --net ip addr add "$(address "$name")/24" dev eth0
  nsenter --target "$pid" --net ip link set eth0 up
  read -r word <&8 && [ "$word" = ready ] || broken "$name"
  exec 8<&-

  locked
  echo "$(address "$name") $name" >> "$FARM/etc/hosts"
  echo "$name,$(address "$name") $(cut -d' ' -f1,2 "$state/ssh_host_ed25519_key.pub")" >> "$FARM/etc/ssh_known_hosts"
  local public
  public=$(base64 -w0 < "$state/ssh_host_ed25519_key.pub")
  echo "$scheme://$user@$name $systems $key $slots $speed $features $mandatory $public" > "$state/machine"
  [ "$listed" = false ] || cat "$state/machine" >> /etc/nix/machines
}

broken() {
  cat "$hosts/$1/log" >&2
  remove "$1"
  die "$1 did not come up"
}

remove() {
  local state
  state=$hosts/$1
  if [ -e "$state/pid" ]; then
    kill -KILL "$(init "$1")" 2> /dev/null || true
    while [ -e "/proc/$(init "$1")/ns/pid" ]; do sleep 0.02; done
  fi
  ip link delete "$(port "$1")" 2> /dev/null || true    # the kernel may have been faster
  locked
  rewrite "$FARM/etc/hosts" grep -v " $1\$"
  rewrite "$FARM/etc/ssh_known_hosts" grep -v "^$1,"
  rewrite /etc/nix/machines grep -v "@$1 "
  rm -r "$state"
}

list() {
  local host
  for host in "$hosts"/*/number; do
    [ -e "$host" ] || continue
    host=$(basename "${host%/number}")
    printf '%s\t%s\t%s\n' "$host" "$(address "$host")" "$(init "$host")"
  done
}

as() {
  local user=${1:?farm as USER COMMAND…} home
  shift
  home=$(getent passwd "$user" | cut -d: -f6)
  [ -n "$home" ] || die "no user named $user"
  cd "$home"
  exec setpriv --reuid "$user" --regid "$user" --init-groups env -i HOME="$home" USER="$user" LOGNAME="$user" SHELL=/bin/bash \
    PATH="$FARM_PATH" LANG=C.UTF-8 TERM="${TERM:-dumb}" DOTNET_CLI_HOME="$home" DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 \
    POWERSHELL_TELEMETRY_OPTOUT=1 "$@"
}

# The neighbour entries are pinned, otherwise the missing ARP answer would tell.
blackhole() {
  ip neigh replace "$(address "$1")" lladdr "$(mac "$1")" dev br0 nud permanent
  nsenter --target "$(init "$1")" --net ip neigh replace 10.77.0.1 lladdr 02:00:0a:4d:00:01 dev eth0 nud permanent
  ip link set "$(port "$1")" nomaster
}
unblackhole() {
  ip link set "$(port "$1")" master br0
  ip neigh delete "$(address "$1")" dev br0
  nsenter --target "$(init "$1")" --net ip neigh delete 10.77.0.1 dev eth0
}

# start NAME FUNCTION: one of root.sh's functions that start a service, on that host.
start() { on "$1" bash -c '. /dev/stdin && "$1"' - "$2" < "$here/root.sh"; }

sshd_stop() {
  local listener
  listener=$(on "$1" cat /run/sshd.pid)
  on "$1" bash -c 'kill "$1" && while kill -0 "$1" 2> /dev/null; do sleep 0.02; done' - "$listener"
}
install_host_key() {
  on "$1" bash -c 'umask 077 && cat > /etc/ssh/ssh_host_ed25519_key' < "$2"
  sshd_stop "$1"
  start "$1" start_sshd
}

# What is left is for Nix's database, without which nothing can even be asked. What runs may take space meanwhile.
fill() {
  on "$1" bash -c '
    for ((tries = 0; tries < 20; tries++)); do
      free=$(($(df --output=avail --block-size=1 /nix | tail -n 1) - 256 * 1024))
      [ "$free" -gt 0 ] || exit 0
      ! fallocate --length "$free" /nix/fill || exit 0
    done
    exit 1'
}

# As after a minute of silence: otherwise it takes longer to notice that nobody answers.
link_down() {
  ip link set "$(port "$1")" down
  ip neigh flush dev br0 to "$(address "$1")"
}

# Back when the other side answers again, or refuses: neighbours and bridge take a moment.
link_up() {
  local tries
  ip link set "$(port "$1")" up
  for ((tries = 0; tries < 100; tries++)); do
    ip neigh flush dev br0 to "$(address "$1")"
    ! { : < "/dev/tcp/$(address "$1")/22"; } 2>&1 | grep -q 'No route' || { sleep 0.05; continue; }
    return
  done
}

command=${1:-help}
[ $# -eq 0 ] || shift
case $command in
  add) add "$@" ;;
  list) list ;;
  as) as "$@" ;;
  help | --help | -h) usage ;;
  *)
    need "$@"
    case $command in
      exec) execute "$@" ;;
      machine) cat "$hosts/$1/machine" ;;
      daemon-kill) kill_all "$1" nix-daemon ;;
      daemon-start) start "$1" start_nix_daemon ;;
      fill) fill "$1" ;;
      unfill) on "$1" rm -f /nix/fill ;;
      *)
        need_builder "$@"
        case $command in
          remove) remove "$1" ;;
          sshd-stop) sshd_stop "$1" ;;
          sshd-start) start "$1" start_sshd ;;
          sshd-kill) kill_all "$1" sshd ;;
          link-down) link_down "$1" ;;
          link-up) link_up "$1" ;;
          blackhole) blackhole "$1" ;;
          unblackhole) unblackhole "$1" ;;
          freeze) on "$1" bash -c 'kill -STOP -1' ;;    # all but process 1, and this one
          thaw) on "$1" bash -c 'kill -CONT -1' ;;
          change-host-key)
            ssh-keygen -q -t ed25519 -N '' -f "$hosts/$1/other_key" <<< y > /dev/null
            install_host_key "$1" "$hosts/$1/other_key"
            ;;
          restore-host-key) install_host_key "$1" "$hosts/$1/ssh_host_ed25519_key" ;;
          *) die "unknown command $command (farm help)" ;;
        esac
        ;;
    esac
    ;;
esac
