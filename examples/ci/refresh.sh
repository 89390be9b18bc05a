#!/bin/sh
# The nightly job that keeps an image fresh while builds go on. A failed upgrade changes nothing and fails the job.
#   refresh.sh IMAGE
set -eu
image=$1
chrootctl update "$image" --bump patch -m "upgrade of $(date -I)" -- \
  sh -ec 'apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get -y -qq full-upgrade; apt-get clean'

# A smoke test; back to the version before if it fails.
chrootctl run "$image" --network none -- sh -c 'dpkg --audit && apt-get check' || {
  chrootctl rollback "$image"
  exit 1
}

# Untagged versions of more than a month go, the newest five stay.
chrootctl prune "$image" --keep 5 --older-than 30d
