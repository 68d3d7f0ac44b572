#!/usr/bin/env bash
# Builds AWS's session-manager-plugin from the Go module proxy into a folder of the build, and prints that folder, which can
# stand in PATH. Needs Go, which nothing else here does. Quick when it is there.
set -euo pipefail
cd "$(dirname "$0")/.."

WANTED=tests/e2e/plugin
PACKAGE=github.com/aws/session-manager-plugin/src/sessionmanagerplugin-main
FOLDER=${CARGO_TARGET_DIR:-$PWD/target}/session-manager-plugin

mkdir -p "$(dirname "$FOLDER")"
# Several test binaries may ask at once; one builds, the others wait for it.
exec 9>"$FOLDER.lock"
flock 9
if ! cmp -s "$WANTED/go.mod" "$FOLDER/go.mod"; then
    command -v go >/dev/null || { echo "session-manager-plugin.sh: go is not installed" >&2; exit 1; }
    scratch=$(mktemp -d)
    trap 'chmod -R u+w "$scratch" && rm -rf "$scratch"' EXIT
    cp "$WANTED/go.mod" "$WANTED/go.sum" "$scratch/"
    mkdir -p "$FOLDER"
    (cd "$scratch" && GOPATH=$scratch/go GOFLAGS=-mod=mod go build -o "$FOLDER/session-manager-plugin" "$PACKAGE") >&2
    # Last: what is half built is built again.
    cp "$WANTED/go.mod" "$FOLDER/go.mod"
fi
echo "$FOLDER"
