#!/bin/sh
# The README's tour, in the store that CHROOTCTL_ROOT names (default: /var/lib/chrootctl). Run it as root.
set -eu
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
set -x # Each command is shown before what it prints.

# An image, and a command in a clone that is gone afterwards.
chrootctl bootstrap "$suite" tour
chrootctl run tour -- sh -c '. /etc/os-release; echo "$PRETTY_NAME"; touch /gone-afterwards'

# A change, as a new version with a semver tag.
chrootctl update tour --bump minor -m 'with hello' -- sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends hello >/dev/null'
chrootctl run tour -- hello
chrootctl images tour

# Back, and forth again.
chrootctl rollback tour
chrootctl rollback tour
chrootctl run 'tour:^0.1' -- hello
chrootctl history tour

# By hand, in a session.
session=$(chrootctl session begin tour)
chrootctl exec "$session" -- sh -c 'echo hi > /etc/motd'
chrootctl diff "$session"
chrootctl commit "$session" -m 'says hi'
chrootctl session end "$session"

# All of it goes.
chrootctl rm --force tour
