#!/usr/bin/env bash
# Builds the test application and makes it the images berth-app:1 and berth-app:2 of the local engine.
#   images.sh          build and import what is not there or out of date
#   images.sh build    only the static file; prints where it is
#   images.sh shell    make berth-shell:1, which has a shell and its tools beside the application: what definitions run in
#                      tests whose own images are in no registry here
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

digest() { cat "$APP" deploy/images.sh | sha256sum | cut -d' ' -f1; }

# Containers of other people call these; all that matters is that they run.
stand_ins() {
    printf '#!/bin/sh\nfor url; do :; done\nexec busybox wget -q -O /dev/null "$url"\n' >"$1/curl"
    # The check of a definition, whose options busybox does not know.
    printf '#!/bin/sh\nfor url; do :; done\nexec busybox wget -q -O /dev/null "$url"\n' >"$1/wget"
    printf '#!/bin/sh\nexec /berth-app\n' >"$1/bundle"
    printf '#!/bin/sh\nexec sh "$@"\n' >"$1/bash"
    chmod 755 "$1/curl" "$1/wget" "$1/bundle" "$1/bash"
}

shell() {
    local root busybox applet
    busybox=$(deploy/fetch.sh busybox-static busybox)
    root=$(mktemp -d)
    # shellcheck disable=SC2064 # of the folder that it is now
    trap "rm -rf '$root'" EXIT
    mkdir -p "$root/bin" "$root/tmp" "$root/etc"
    cp "$busybox" "$root/bin/busybox"
    for applet in $("$busybox" --list | grep -vxE 'busybox|wget'); do ln -s busybox "$root/bin/$applet"; done
    stand_ins "$root/bin"
    cp "$APP" "$root/berth-app"
    ln -s bin/true "$root/healthcheck"
    tar -C "$root" --owner 0 --group 0 -c . |
        docker import --change 'CMD ["/berth-app"]' --change 'ENV PATH=/bin' \
            --change "LABEL berth.app=$(digest)" - berth-shell:1 >/dev/null
}

imported() { docker image inspect --format '{{index .Config.Labels "berth.app"}}' "$1" 2>/dev/null || true; }

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
        [ "$(imported "berth-app:$revision")" = "$(digest)" ] || import $revision
    done
    ;;
build) build; echo "$APP" ;;
shell)
    build
    [ "$(imported berth-shell:1)" = "$(digest)" ] || shell
    ;;
remove) docker image rm --force berth-app:1 berth-app:2 berth-shell:1 >/dev/null 2>&1 || true ;;
*) sed -n '2,7p' "$0"; exit 2 ;;
esac
