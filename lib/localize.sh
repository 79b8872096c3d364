#!/bin/sh
# localize.sh MAP INPUT.a OUTPUT.a: one object of all that is in the archive, with only the names of the version script visible: what links
# the static library sees no more of it than what links the shared one.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed -n 's/^[[:space:]]*\(scow_[a-z0-9_]*\);.*/\1/p' "$1" >"$work/names"
${LD:-ld} -r --whole-archive "$2" -o "$work/libscow.o"
${OBJCOPY:-objcopy} --keep-global-symbols="$work/names" "$work/libscow.o"
rm -f "$3"
${AR:-ar} rcsD "$3" "$work/libscow.o"
