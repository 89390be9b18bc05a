#!/bin/sh
# Makes what a guest boots from, out of what modules.sh left in $ZFS and the program $NODE. Leaves in $OUT: vmlinuz,
# initrd.gz and root.img, an ext4 file system.
# usage: OUT=DIRECTORY ZFS=DIRECTORY NODE=FILE root.sh SUITE MMDEBSTRAP-OPTION... <SOURCES
set -eu
suite=$1
shift
cd "$(dirname "$0")"
root=$OUT/root initrd=$OUT/initrd

# shellcheck disable=SC2016 # mmdebstrap expands $1 in hooks: the root
mmdebstrap --mode=root --variant=apt --format=directory "$@" \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --include="$(paste -sd, packages.list)" \
  --customize-hook='mkdir "$1/debs" && cp "$ZFS"/debs/*.deb "$1/debs/"' \
  --customize-hook='chroot "$1" sh -c "apt-get install -qq /debs/*.deb >/dev/null" && rm -r "$1/debs"' \
  --customize-hook='cp -a "$ZFS/lib/modules" "$1/lib/"' \
  --customize-hook='install -m 755 "$NODE" "$1/usr/bin/node"' \
  --customize-hook='install -m 755 guest-init "$1/sbin/"' \
  "$suite" "$root" -

# The initrd has what it takes to reach the root: all modules but those of ZFS, which are larger than the rest.
mkdir -p "$initrd/bin" "$initrd/dev" "$initrd/lib" "$initrd/proc" "$initrd/root"
cp "$root/bin/busybox" "$initrd/bin/"
install -m 755 initrd-init "$initrd/init"
cp -a "$ZFS/lib/modules" "$initrd/lib/"
rm -r "$initrd"/lib/modules/*/extra
(cd "$initrd" && find . | "$root/bin/busybox" cpio -o -H newc | gzip -1) >"$OUT/initrd.gz"
cp "$ZFS/vmlinuz" "$OUT/"

# Room for what the tests write there; the file has holes.
mke2fs -q -t ext4 -O ^has_journal -m 0 -L root -d "$root" "$OUT/root.img" 2G
rm -r "$root" "$initrd"
# Whole on the disk before the caller gives it its name.
sync "$OUT"/*
