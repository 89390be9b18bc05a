#!/bin/sh
# A CI job for a Debian source package: builds it in a throw-away clone, with the sources read-only and no network while
# it builds. Any number of these may run at once, also while refresh.sh makes a new version of the image.
#   build.sh IMAGE SOURCE-DIRECTORY OUTPUT-DIRECTORY
set -eu
image=$1 source=$(realpath "$2") output=$(realpath "$3")

# The build dependencies make a version of their own, kept under a tag that is their checksum: the next build of the same
# sources starts from there.
deps=$(sha256sum "$source/debian/control" | cut -c1-16)
if ! chrootctl inspect "$image-deps:$deps" >/dev/null 2>&1; then
  session=$(chrootctl session begin "$image" -v "$source:/src:ro")
  trap 'chrootctl session rm --force "$session"' EXIT
  chrootctl exec "$session" -- sh -c 'apt-get update -qq && apt-get build-dep -y -qq /src'
  chrootctl commit "$session" "$image-deps:$deps" -m "build dependencies of $(basename "$source")"
  trap - EXIT
  chrootctl session end "$session"
fi

chrootctl run "$image-deps:$deps" --network none --timeout 1h \
  -v "$source:/src:ro" -v "$output:/out" -- \
  sh -c 'cp -a /src /build && cd /build && dpkg-buildpackage -us -uc -b && cp /*.deb /out'
