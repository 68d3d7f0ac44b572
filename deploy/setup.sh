#!/usr/bin/env bash
# Installs what a build and the tests need beside Rust, and starts a container engine if none answers.
# Safe to repeat, and quick when nothing is missing. Needs root, or sudo, only when something is missing.
set -euo pipefail

DOCKER_LOG=/var/log/berth-dockerd.log
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() { printf '%s\n' "setup: $*" >&2; }
die() { say "$*"; exit 1; }

# Runs as root: directly, or through sudo.
root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else die "'$*' needs root: run 'make setup' as root, or install sudo"
    fi
}

# `command package`: the package that brings a command.
tools() {
    cat <<'TOOLS'
cc gcc
mold mold
git git
curl curl
ip iproute2
tc iproute2
iptables iptables
nft nftables
nsenter util-linux
setpriv util-linux
ps procps
docker docker.io
dockerd docker.io
python3 python3
flock util-linux
mkfs.btrfs btrfs-progs
TOOLS
}

# Since Debian 13 the client is a package of its own.
package_for() {
    if [ "$1" = docker ] && apt-cache show docker-cli >/dev/null 2>&1; then echo docker-cli; else echo "$2"; fi
}

missing_packages() {
    tools | while read -r command package; do
        command -v "$command" >/dev/null || package_for "$command" "$package"
    done | sort -u
    # Debian's Python comes without what makes a venv.
    python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
    # The test image is one static file, so it is linked against the C library's archive.
    [ -n "$(cc -print-file-name=libc.a 2>/dev/null | grep / || true)" ] || echo libc6-dev
}

install_packages() {
    local missing
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null ||
        die "missing: $(echo $missing). There is no apt here: install them by other means and run 'make setup' again"
    say "installing $(echo $missing)"
    root apt-get update -qq || say "apt-get update failed; trying with the lists there are"
    # Names may have become known only now.
    missing=$(missing_packages)
    root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
        die "apt could not install: $(echo $missing)"
    missing=$(missing_packages)
    [ -z "$missing" ] || die "still missing after the installation: $(echo $missing)"
}

check_rust() {
    command -v cargo >/dev/null || die "there is no cargo: install Rust from https://rustup.rs and run 'make setup' again"
}

engine_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# On cgroup v2, processes in the root of a container's cgroup namespace keep it from handing controllers down.
prepare_cgroups() {
    local root=/sys/fs/cgroup pid
    [ -f $root/cgroup.controllers ] && [ -f $root/cgroup.type ] || return 0
    root sh -c '
        cd /sys/fs/cgroup && mkdir -p init
        for pid in $(cat cgroup.procs); do echo "$pid" >init/cgroup.procs 2>/dev/null || :; done
        for controller in $(cat cgroup.controllers); do
            echo "+$controller" >cgroup.subtree_control 2>/dev/null || :
        done'
}

start_engine() {
    if [ -d /run/systemd/system ]; then
        say "starting docker.service"
        root systemctl enable --now docker
    else
        say "starting dockerd, its log is $DOCKER_LOG"
        prepare_cgroups
        # A session of its own and no terminal: it outlives this script and make.
        root setsid --fork sh -c "exec dockerd --log-level warn >>$DOCKER_LOG 2>&1 </dev/null"
    fi
}

wait_for_engine() {
    local tries
    for tries in $(seq 300); do
        if root docker version >/dev/null 2>&1; then return 0; fi
        sleep 0.2
    done
    root tail -n 20 "$DOCKER_LOG" >&2 || true
    die "no container engine answered within a minute"
}

ensure_engine() {
    if engine_answers; then return 0; fi
    # An engine of somebody else's (DOCKER_HOST) is theirs to start.
    [ -z "${DOCKER_HOST:-}" ] || die "nothing answers at DOCKER_HOST=$DOCKER_HOST"
    root docker version >/dev/null 2>&1 || start_engine
    wait_for_engine
    engine_answers || die "the engine runs, but $(id -un) may not use it: join the group 'docker' \
(sudo usermod -aG docker $(id -un), then log in again) or work as root"
}

check_rust
install_packages
ensure_engine
"$(dirname "$0")/fetch.sh" docker-registry docker-registry >/dev/null ||
    say "the image registry could not be fetched: the tests that need it will be skipped"
"$(dirname "$0")/fetch.sh" busybox-static busybox >/dev/null ||
    say "busybox could not be fetched: the tests that need it will be skipped"
"$(dirname "$0")/session-manager-plugin.sh" >/dev/null ||
    say "AWS's session-manager-plugin could not be built, which needs Go: the test that needs it will be skipped"
"$(dirname "$0")/aws-clients.sh" >/dev/null || say "the AWS clients could not be installed: the tests that need them will be skipped"
