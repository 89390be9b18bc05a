#!/bin/sh
# The main job on a real Debian root: the tour of the README, in a store of its own that is gone afterwards.
set -eu
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
  exec sudo -- "$0" "$@"
fi

store=$(mktemp -d "${TMPDIR:-/var/tmp}/chrootctl-quickstart.XXXXXX")
clean_up() {
  # An interrupted tour may leave its session, which is mounted.
  chrootctl ps 2>/dev/null | sed '1d; s/ .*//' | xargs -r chrootctl session rm --force >/dev/null
  # Snapshots of btrfs are read-only to rm too.
  chrootctl gc >/dev/null || :
  chrootctl images 2>/dev/null | sed '1d; s/ .*//' | sort -u | xargs -r chrootctl rm --force >/dev/null || :
  # One file system: were something still mounted below, it must not be deleted through.
  rm -rf --one-file-system "$store"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export CHROOTCTL_ROOT="$store" PATH="$PWD/bin:$PATH"

sh examples/tour.sh

echo
chrootctl gc
printf 'chrootctl doctor: '
chrootctl doctor
