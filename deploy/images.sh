#!/usr/bin/env bash
# Builds the test application and makes it the images berth-app:1 and berth-app:2 of the local engine.
#   images.sh          build and import what is not there or out of date
#   images.sh build    only the static file; prints where it is
#   images.sh remove   take the images away
set -euo pipefail
cd "$(dirname "$0")/.."

# Static linking changes the flags of every dependency: a target directory of its own keeps the workspace's build warm.
TARGET=${CARGO_TARGET_DIR:-target}/app
APP=$TARGET/release/berth-app

build() {
    cargo rustc --quiet --locked --package berth-app --release --target-dir "$TARGET" -- \
        -C target-feature=+crt-static -C strip=symbols
}

digest() { sha256sum "$APP" | cut -d' ' -f1; }

imported() { docker image inspect --format '{{index .Config.Labels "berth.app"}}' "berth-app:$1" 2>/dev/null || true; }

# An image of one file needs no build and no registry.
import() {
    local revision=$1
    tar -C "$TARGET/release" --owner 0 --group 0 --mode 755 -c berth-app |
        docker import --change 'ENTRYPOINT ["/berth-app"]' --change "ENV REVISION=$revision" \
            --change 'EXPOSE 8080' --change "LABEL berth.app=$(digest)" - "berth-app:$revision" >/dev/null
}

case ${1:-all} in
all)
    build
    for revision in 1 2; do
        [ "$(imported $revision)" = "$(digest)" ] || import $revision
    done
    ;;
build) build; echo "$APP" ;;
remove) docker image rm --force berth-app:1 berth-app:2 >/dev/null 2>&1 || true ;;
*) sed -n '2,5p' "$0"; exit 2 ;;
esac
