#!/bin/sh
# Compiles OpenZFS for Debian's cloud kernel, in a Debian root that is gone afterwards: the host needs no compiler and
# keeps its packages. Leaves in $OUT: vmlinuz; modules, a tree with what the guest needs of the kernel's own modules and
# the new ones; debs, the programs that belong to them.
# usage: OUT=DIRECTORY modules.sh SUITE MMDEBSTRAP-OPTION... <SOURCES
set -eu
suite=$1
shift
cd "$(dirname "$0")"

# shellcheck disable=SC2016 # mmdebstrap expands $1 in hooks: the root
mmdebstrap --mode=root --variant=apt --format=null "$@" \
  --setup-hook='cp openzfs.pref "$1/etc/apt/preferences.d/"' \
  --include=linux-headers-cloud-amd64,gcc,libc6-dev,make,file,kmod \
  --customize-hook='cp compile.sh modules.list "$1/" && chroot "$1" sh /compile.sh' \
  --customize-hook='cp -a "$1/made/." "$OUT/"' \
  "$suite" - -
