#!/usr/bin/env bash
# Fetches the distribution's image registry into a folder of the build and prints the path of the program. It is not
# installed: installed, it would be a service that starts with the machine. Quick when it is there.
set -euo pipefail
cd "$(dirname "$0")/.."

FOLDER=${CARGO_TARGET_DIR:-$PWD/target}/registry
PROGRAM=$FOLDER/usr/bin/docker-registry

if installed=$(command -v docker-registry); then
    echo "$installed"
    exit
fi

# Leaves the package in the current folder.
download() { apt-get download -qq docker-registry >&2; }

update() {
    if [ "$(id -u)" = 0 ]; then apt-get update -qq >&2; else sudo apt-get update -qq >&2; fi
}

mkdir -p "$(dirname "$FOLDER")"
# Several test binaries may ask at once; one fetches, the others wait for it.
exec 9>"$FOLDER.lock"
flock 9
if ! [ -x "$PROGRAM" ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    (cd "$scratch" && { download || { update && download; }; })
    dpkg --extract "$scratch"/docker-registry_*.deb "$scratch/extracted"
    rm -rf "$FOLDER"
    mv "$scratch/extracted" "$FOLDER"
fi
echo "$PROGRAM"
