#!/bin/sh
# The part of modules.sh that runs inside the root.
set -eu
kernel=$(ls /lib/modules)
mkdir /made /made/debs /work
cd /work

apt-get download -qq "linux-image-$kernel" zfs-dkms
for deb in *.deb; do dpkg -x "$deb" .; done
[ -d lib ] || ln -s usr/lib lib
modules=lib/modules/$kernel

# Without debugging information: nobody debugs these modules, and it would take half of the time.
(
  cd usr/src/zfs-*
  ./configure --quiet --with-config=kernel \
    --with-linux="/$modules/source" --with-linux-obj="/$modules/build"
  make -s -j"$(nproc)" KCFLAGS=-g0
)
mkdir "$modules/extra"
find usr/src/zfs-* -name '*.ko' -exec cp {} "$modules/extra/" \;
depmod -b . "$kernel"

# What modprobe loads for the modules of the list, which may be built into the kernel as well.
while read -r module; do
  modprobe -d /work -S "$kernel" --show-depends "$module"
done </modules.list | sed -n 's,^insmod /work/\([^ ]*\).*,\1,p' | sort -u | xargs cp --parents -t /made
cp "$modules"/modules.builtin "$modules"/modules.builtin.modinfo "$modules"/modules.order "/made/$modules/"
depmod -b /made "$kernel"
cp "boot/vmlinuz-$kernel" /made/vmlinuz

# The programs of the same version; what else they need the guest gets from its own sources.
apt-get install -qq --download-only zfsutils-linux >/dev/null
for deb in /var/cache/apt/archives/*.deb; do
  case $(dpkg-deb -f "$deb" Source) in zfs-linux*) cp "$deb" /made/debs/ ;; esac
done
