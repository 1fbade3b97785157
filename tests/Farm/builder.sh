#!/usr/bin/env bash
# builder.sh NAME SIZE SLOTS SANDBOX NIX STORE: process 1 of a builder. `farm add` starts it in namespaces of its own;
# descriptor 3 leads back to it. Ending this process ends the builder.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/root.sh"
name=$1 size=$2 slots=$3 sandbox=$4 nix=$5 store=$6
state=$FARM/hosts/$name

# /proc is still the coordinator's: the number by which the coordinator knows this process.
read -r pid _ < /proc/self/stat
echo "$pid" >&3

hostname "$name"
mkdir "$state/mnt"
make_root "$FARM/roots/$nix" "$state/mnt" "$size"
root=$state/mnt/root
if [ -n "$store" ]; then            # what is written goes to the memory that is already mounted there
  (cd "$root/nix" && mkdir upper work && mount -t overlay overlay -o "lowerdir=$store,upperdir=upper,workdir=work" "$root/nix")
fi

# Shared, so that hosts that come later are known everywhere.
touch "$root"/etc/{hosts,ssh/ssh_known_hosts}
mount --bind "$FARM/etc/hosts" "$root/etc/hosts"
mount --bind "$FARM/etc/ssh_known_hosts" "$root/etc/ssh/ssh_known_hosts"
cp "$state"/ssh_host_ed25519_key{,.pub} "$root/etc/ssh/"
mapfile -t nix_conf < "$state/nix.conf"
{
  cat <<'CONF'
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
UseDNS no
PrintMotd no
PidFile /run/sshd.pid
Subsystem sftp internal-sftp
CONF
  cat "$state/sshd_config"
} > "$root/etc/ssh/sshd_config"
cp "$FARM/authorized_keys" "$root/etc/ssh/authorized_keys"
enter_root "$root"

export PATH=$FARM_PATH HOME=/root LANG=C.UTF-8
write_nix_conf "$slots" "$sandbox" "root nix" "${nix_conf[@]}"
add_user nix 5001
add_user guest 5002
mkdir /run/sshd
nix-store --init
start_nix_daemon
start_sshd
echo ready >&3
exec 3>&-

# Process 1 has to reap, whatever happens to its child.
while :; do sleep infinity & wait; done
