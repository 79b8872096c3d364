#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# guest.sh [-m MEMORY] [--] COMMAND [ARGUMENT...]
#
# Runs a command as root in a user-mode-linux guest whose cgroup v2 has the cpu, io, memory and pids
# controllers, for what a hybrid host cannot show. The guest sees this machine's own files and writes
# through to them, so stores and scratch belong in /tmp/guest, a tmpfs of its own ($SCOW_TEST_TMP). One CPU, no network but
# loopback; about two seconds to boot. Needs Debian's user-mode-linux and kmod.
#
# Exit status: the command's, or 125 where the guest did not come up (77 where there is no user-mode-linux).
set -eu

memory=1024M
uml=${UML:-/usr/bin/linux.uml}
while [ $# -gt 0 ]; do
	case $1 in
	-m) memory=$2; shift 2 ;;
	--) shift; break ;;
	*) break ;;
	esac
done
[ $# -gt 0 ] || { echo "usage: guest.sh [-m MEMORY] [--] COMMAND [ARGUMENT...]" >&2; exit 125; }
[ -x "$uml" ] || { echo "guest.sh: no user-mode-linux here ($uml)" >&2; exit 77; }

scratch=$(mktemp -d "${TMPDIR:-/tmp}/scow-guest.XXXXXX")
trap 'rm -rf "$scratch"' EXIT INT TERM

# A word that survives being read by the guest's shell.
quote() {
	printf "'%s' " "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"
}

{
	cat <<'INIT'
#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for fs in "tmpfs /run" "tmpfs /dev/shm" "devpts /dev/pts"; do
	set -- $fs
	mkdir -p "$2" 2>/dev/null
	mount -t "$1" "$1" "$2" 2>/dev/null
done
mount --make-rshared /
mkdir -p /tmp/guest
mount -t tmpfs guest /tmp/guest
export SCOW_TEST_TMP=/tmp/guest SCOW_TEST_GUEST=1

# modprobe looks for /lib/modules/VERSION, and Debian has them elsewhere.
mount -t tmpfs modules /mnt
mkdir -p /mnt/lib/modules
ln -s "/usr/lib/uml/modules/$(uname -r)" /mnt/lib/modules/
for module in overlay loop veth bridge tun fuse nf_tables nft_chain_nat nft_masq; do
	modprobe -q -d /mnt "$module"
done
umount /mnt
ip link set lo up 2>/dev/null
echo "+cpu +io +memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
INIT
	printf 'cd %s\n' "$(quote "$PWD")"
	for word in "$@"; do quote "$word"; done
	printf '</dev/null\necho $? >%s/status\nsync\necho o >/proc/sysrq-trigger\nsleep 10\n' "$(quote "$scratch" | tr -d ' ')"
} >"$scratch/init"
chmod 755 "$scratch/init"

# The console carries the command's output, and the kernel's last words too: those are dropped here.
noise='^(Core dump limits|Checking|Adding|reboot:|SELinux:|mmapper|Failed to initialize ubd|sysrq:|random:)'
"$uml" rootfstype=hostfs rw "mem=$memory" "init=$scratch/init" con=null con0=null,fd:1 quiet </dev/null 2>/dev/null |
	grep -vaE "$noise" || true

[ -s "$scratch/status" ] || { echo "guest.sh: the guest did not come up" >&2; exit 125; }
exit "$(cat "$scratch/status")"
