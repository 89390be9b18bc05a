#!/bin/sh
# Makes this checkout ready: Debian packages that chrootctl and its tests use, the npm packages (with a Node of the
# version that the project wants) and a build. Safe to repeat; does only what is missing.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -- "$@"; fi }

# Package, and a program (or file) that shows it is there.
missing=
while read -r package witness; do
  case $witness in
  /*) [ -e "$witness" ] || missing="$missing $package" ;;
  *) PATH=$PATH:/usr/sbin:/sbin command -v "$witness" >/dev/null 2>&1 || missing="$missing $package" ;;
  esac
done <<EOF
bubblewrap bwrap
mmdebstrap mmdebstrap
util-linux setpriv
mount mount
attr getfattr
acl setfacl
zstd zstd
xz-utils xz
tar tar
e2fsprogs mkfs.ext4
xfsprogs mkfs.xfs
btrfs-progs btrfs
procps ps
strace strace
gcc gcc
musl-tools musl-gcc
systemd-container systemd-nspawn
tmux tmux
busybox-static busybox
autopkgtest autopkgtest
sbuild sbuild
uidmap newuidmap
qemu-system-x86 qemu-system-x86_64
ca-certificates /etc/ssl/certs/ca-certificates.crt
EOF
if [ -n "$missing" ]; then
  command -v apt-get >/dev/null 2>&1 || {
    say "these packages are missing and there is no apt-get to install them:$missing"
    exit 1
  }
  say "installing$missing"
  as_root apt-get update -qq
  # shellcheck disable=SC2086 # a list of words
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
fi

# npm packages, when package-lock.json is not what was installed last.
stamp=node_modules/.installed
if ! cmp -s package-lock.json "$stamp" || [ ! -x node_modules/node/bin/node ]; then
  command -v npm >/dev/null 2>&1 || {
    say 'npm is missing: apt-get install npm'
    exit 1
  }
  say 'installing the npm packages'
  # Only what must run at installation does: the package that brings Node, and esbuild.
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  npm rebuild --ignore-scripts=false --loglevel=error node esbuild >&2
  cp package-lock.json "$stamp"
fi

PATH=$PWD/node_modules/node/bin:$PATH
node scripts/build.js
