# Sourced by with-farm.sh and builder.sh: what every host of the farm is made of.

readonly FARM=/run/farm                                          # state of the farm, in the coordinator
readonly FARM_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# make_root LOWER BASE SIZE: BASE/root becomes a root of its own: LOWER below, everything that is
# written in memory, /nix of SIZE. Nothing of the developer's homes or of the machine's own keys shows.
make_root() {
  local lower=$1 base=$2 size=$3 root=$2/root
  mount -t tmpfs -o mode=755 farm "$base"
  mkdir "$base"/{lower,upper,work,root}
  mount --bind -o ro "$lower" "$base/lower"
  # Relative: a path in a mount option may hold neither comma nor colon.
  (cd "$base" && mount -t overlay overlay -o "lowerdir=lower,upperdir=upper,workdir=work" root)

  mkdir -p "$root"/{nix,proc,sys,dev,run,tmp,home,root}
  mount -t tmpfs -o "mode=755,size=$size" nix "$root/nix"
  mount -t tmpfs -o mode=755 run "$root/run"
  mount -t tmpfs -o mode=1777 tmp "$root/tmp"
  mount -t tmpfs -o mode=755 home "$root/home"
  mount -t tmpfs -o mode=700 root "$root/root"
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs -o mode=1777 shm "$root/dev/shm"

  rm -rf "$root"/etc/nix "$root"/etc/ssh/{ssh_host_*,sshd_config*,ssh_known_hosts}
  mkdir -p "$root/etc/nix"
}

# enter_root ROOT: from here on, ROOT is all there is.
enter_root() {
  cd "$1"
  pivot_root . .
  umount -l .
  cd /
}

# write_nix_conf SLOTS SANDBOX TRUSTED [LINE…]
write_nix_conf() {
  local slots=$1 sandbox=$2 trusted=$3
  shift 3
  cat > /etc/nix/nix.conf <<CONF
build-users-group =
experimental-features = nix-command flakes
max-jobs = $slots
sandbox = $sandbox
sandbox-fallback = false
sandbox-paths = /bin/sh=/bin/busybox /bin/busybox
substituters =
trusted-users = $trusted
CONF
  printf '%s\n' "$@" >> /etc/nix/nix.conf
}

# until_it_is SO COMMAND…: waits for a service that was started, a minute at most.
until_it_is() {
  local what=$1 tries
  shift
  for ((tries = 0; tries < 600; tries++)); do
    if "$@" > /dev/null 2>&1; then return; fi
    sleep 0.1
  done
  echo "$(hostname): not $what after a minute; see the logs in /run" >&2
  return 1
}

# start_nix_daemon: as the machine's service manager would; it answers when this returns.
start_nix_daemon() {
  (cd / && exec setsid nix-daemon < /dev/null >> /run/nix-daemon.log 2>&1) &
  disown                            # its end is no news to this shell
  until_it_is "served by nix-daemon" test -S /nix/var/nix/daemon-socket/socket
  until_it_is "served by nix-daemon" nix store ping --store daemon
}

# start_sshd: it listens when this returns. Its process id tells, which it writes then.
start_sshd() {
  rm -f /run/sshd.pid
  /usr/sbin/sshd -E /run/sshd.log
  until_it_is "served by sshd" test -s /run/sshd.pid
}

# add_user NAME ID: no password, so that only a key opens it; '*' because sshd refuses locked accounts. Written, since useradd
# starts half a dozen processes, and every host has users of its own.
add_user() {
  echo "$1:x:$2:$2::/home/$1:/bin/bash" >> /etc/passwd
  echo "$1:x:$2:" >> /etc/group
  echo "$1:*:::::::" >> /etc/shadow
  install --directory --mode 700 --owner "$2" --group "$2" "/home/$1"
}
