#!/bin/bash
# quickstart.sh [--hub]: from a fresh clone to a container that runs, on Debian 12, as root or as a plain user.
# Installs by apt what is missing (asks for root only then), builds into build/, makes a base image, and serves it from
# a registry of its own on the loopback address. With --hub: pulls `ubuntu` from Docker Hub instead.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build
hub=
[[ ${1:-} == --hub ]] && hub=1
[[ -z ${1:-} || -n $hub ]] || { echo "usage: quickstart.sh [--hub]" >&2; exit 2; }

step() { printf '\n==> %s\n' "$*"; }

# ---- what is needed, as "how to see that it is there=the package that has it" ----
missing=()
need() { "${@:2}" >/dev/null 2>&1 || missing+=("$1"); }
need gcc command -v cc
need libc6-dev test -e /usr/include/stdio.h
need meson command -v meson
need ninja-build command -v ninja
need pkg-config command -v pkg-config
for pair in libcjson=libcjson-dev sqlite3=libsqlite3-dev libcurl=libcurl4-openssl-dev libarchive=libarchive-dev libcrypto=libssl-dev \
	libseccomp=libseccomp-dev zlib=zlib1g-dev libzstd=libzstd-dev libisal=libisal-dev; do
	need "${pair#*=}" pkg-config --exists "${pair%=*}"
done
# Without it a plain user's containers have one user id: enough for what follows, not for every image.
if [[ $(id -u) != 0 ]] && command -v sudo >/dev/null; then
	need uidmap command -v newuidmap
fi
# A plain user's way to the network.
[[ $(id -u) == 0 ]] || need passt command -v pasta
if [[ -z $hub ]]; then
	need busybox-static command -v busybox
	need skopeo command -v skopeo
	need docker-registry command -v docker-registry
fi
if ((${#missing[@]})); then
	step "installing ${missing[*]}"
	as_root=
	if [[ $(id -u) != 0 ]]; then
		command -v sudo >/dev/null || { echo "as root: apt-get install ${missing[*]}" >&2; exit 1; }
		as_root=sudo
	fi
	$as_root apt-get -qq update
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
	# The package also starts a registry for everybody, on port 5000: only ours below is wanted.
	if [[ " ${missing[*]} " == *" docker-registry "* && -d /run/systemd/system ]]; then
		$as_root systemctl --quiet disable --now docker-registry || true
	fi
fi

step "building into build/"
[[ -e $build/build.ninja ]] || meson setup "$build" "$top" -Dtests=false >/dev/null
ninja -C "$build" >/dev/null || ninja -C "$build"
scow=$build/examples/scow/scow
$scow --version

if [[ -n $hub ]]; then
	step "scow pull ubuntu"
	$scow pull ubuntu
	step "scow run --rm ubuntu head -2 /etc/os-release"
	$scow run --rm ubuntu head -2 /etc/os-release
	printf '\nNow try:  build/examples/scow/scow run --rm -it ubuntu bash\n'
	exit 0
fi

step "making a base image and serving it on the loopback address"
work=$(mktemp -d "${TMPDIR:-/tmp}/scow-quickstart.XXXXXX")
cleanup() {
	"$top/tests/support/registry.sh" stop "$work/registry"
	rm -rf "$work"
}
trap cleanup EXIT
"$top/tests/support/make-base-image.sh" "$work/image"
registry=$("$top/tests/support/registry.sh" start "$work/registry")
"$top/tests/support/registry.sh" push "$registry" "$work/image" busybox:latest
echo "$registry/busybox:latest"

step "scow pull $registry/busybox"
$scow pull "$registry/busybox"
$scow tag "$registry/busybox" busybox
$scow rmi "$registry/busybox" >/dev/null

step "scow run --rm busybox echo 'hello from a container'"
$scow run --rm busybox echo 'hello from a container'

step "scow run --rm --read-only --tmpfs /tmp --hostname box busybox sh -c 'hostname; id; ps'"
$scow run --rm --read-only --tmpfs /tmp --hostname box busybox sh -c 'hostname; id; ps'

step "scow images"
$scow images

# The bridge that the containers were on stays for the next one; here there is none.
step "scow network prune -f"
$scow network prune -f
printf '\nNow try:  build/examples/scow/scow run --rm -it busybox\n'
