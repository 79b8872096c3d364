#!/bin/bash
# run.sh [--quick] [--only SUITE,...] [--fuzz SECONDS] [--fault-full] [--soak] [--bench]: everything that can be tested here.
# Installs by apt what is missing, builds (plain, ASan+UBSan, TSan, libFuzzer) under build/, runs all suites,
# and ends with one line: N passed, N failed, N skipped. Needs root for what needs root; as a plain user it skips that.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
packages=(gcc libc6-dev meson ninja-build pkg-config python3 git libcjson-dev libsqlite3-dev libcurl4-openssl-dev libarchive-dev libssl-dev
	libseccomp-dev zlib1g-dev libzstd-dev libisal-dev liblzma-dev libbz2-dev libcmocka-dev clang libclang-rt-14-dev g++ clang-tidy cppcheck
	busybox-static skopeo umoci docker-registry uidmap libcap2-bin attr zstd user-mode-linux xfsprogs kmod iproute2 nftables iperf3 passt procps ca-certificates podman runc fish groff-base)
missing=()
for package in "${packages[@]}"; do
	[[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || missing+=("$package")
done
if ((${#missing[@]})); then
	echo "==> installing ${missing[*]}"
	if [[ $(id -u) != 0 ]]; then
		echo "as root: apt-get install ${missing[*]}" >&2
		exit 1
	fi
	apt-get -qq update
	DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
fi
exec python3 -B "$top/tests/run.py" "$@"
