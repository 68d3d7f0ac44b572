#!/usr/bin/env bash
# Fetches a program of the distribution into a folder of the build and prints its path:
#   fetch.sh PACKAGE PROGRAM
# The package is not installed: installed, docker-registry would be a service that starts with the machine, and
# busybox-static would replace the machine's own busybox. Quick when it is there.
set -euo pipefail
cd "$(dirname "$0")/.."

PACKAGE=$1
PROGRAM=$2
FOLDER=${CARGO_TARGET_DIR:-$PWD/target}/fetched/$PACKAGE

# Leaves the package in the current folder.
download() { apt-get download -qq "$PACKAGE" >&2; }

update() {
    if [ "$(id -u)" = 0 ]; then apt-get update -qq >&2; else sudo apt-get update -qq >&2; fi
}

mkdir -p "$(dirname "$FOLDER")"
# Several test binaries may ask at once; one fetches, the others wait for it.
exec 9>"$FOLDER.lock"
flock 9
if ! [ -d "$FOLDER" ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    (cd "$scratch" && { download || { update && download; }; })
    dpkg --extract "$scratch/$PACKAGE"_*.deb "$scratch/extracted"
    mv "$scratch/extracted" "$FOLDER"
fi
# Where it is in the package differs between distributions.
find "$FOLDER" -type f -name "$PROGRAM" -path '*bin/*' | grep .
