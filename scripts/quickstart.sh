#!/bin/sh
# The main job on a real Debian root, from nothing to a rollback, in a store of its own that is gone afterwards.
#   npm run quickstart            a store in a temporary directory
#   npm run quickstart -- --keep  in the default store, and it stays
set -eu
cd "$(dirname "$0")/.."
chrootctl=$PWD/bin/chrootctl

if [ "$(id -u)" != 0 ]; then
  exec sudo -- "$0" "$@"
fi

if [ "${1-}" = --keep ]; then
  store=${CHROOTCTL_ROOT:-/var/lib/chrootctl}
else
  store=$(mktemp -d "${TMPDIR:-/var/tmp}/chrootctl-quickstart.XXXXXX")
  trap 'rm -rf --one-file-system "$store"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
fi
export CHROOTCTL_ROOT="$store"

# shellcheck disable=SC1091
suite=$(. /etc/os-release && printf %s "${VERSION_CODENAME:-stable}")

show() {
  printf '\n$ chrootctl %s\n' "$*"
  "$chrootctl" "$@"
}

show bootstrap "$suite" debian
show run debian -- sh -c '. /etc/os-release; echo "$PRETTY_NAME"; touch /gone-afterwards'
show update debian --bump minor -m 'with hello' -- sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends hello >/dev/null'
show run debian -- hello
show images debian
show history debian
show rollback debian
show run debian -- sh -c 'command -v hello || echo "no hello in this version"'
show rollback debian
show run 'debian:^0.1' -- hello
show gc
show doctor
