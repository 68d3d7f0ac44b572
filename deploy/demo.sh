#!/usr/bin/env bash
# The demo: three controllers and three agents on this machine, a service of six tasks in three zones, then a killed
# container and a killed leader.
#   demo.sh up      start it all afresh, show what it can do, leave it running
#   demo.sh down    take every trace away: processes, containers, .demo/
# BERTH_DEMO_DIR and BERTH_DEMO_PORT put it elsewhere than .demo/ and the ports 17401 to 17403.
set -euo pipefail
cd "$(dirname "$0")/.."

DEMO=$(realpath --canonicalize-missing "${BERTH_DEMO_DIR:-.demo}")
BIN=$(realpath --canonicalize-missing "${BERTH_BIN_DIR:-${CARGO_TARGET_DIR:-target}/debug}")
# Away from 7400, so that the demo runs beside a cluster that is meant.
PORT=${BERTH_DEMO_PORT:-17401}
CONTROLLERS=127.0.0.1:$PORT,127.0.0.1:$((PORT + 1)),127.0.0.1:$((PORT + 2))
TASKS=6
PATIENCE=120
export BERTH_HOME=$DEMO/identity
export PATH=$BIN:$PATH

# --- how it looks ---

if [ -t 1 ]; then BOLD=$(printf '\033[1m') PLAIN=$(printf '\033[0m'); else BOLD='' PLAIN=''; fi
title() { printf '\n%s== %s%s\n' "$BOLD" "$*" "$PLAIN"; }
say() { printf '   %s\n' "$*"; }
show() { printf '%s$ %s%s\n' "$BOLD" "$*" "$PLAIN"; "$@"; }
die() { printf 'demo: %s\n' "$*" >&2; exit 1; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }
since() { local ms=$(($(now_ms) - $1)); printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100)); }

# Repeats a command until it succeeds.
await() {
    local what=$1 end=$(($(date +%s) + PATIENCE))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$end" ] || { tail -n 5 "$DEMO"/*/log >&2; die "waited in vain: $what"; }
        sleep 0.1
    done
}

# --- processes ---

# start NAME PROGRAM FLAG…: in a session of its own, so that it outlives this script and its terminal.
start() {
    local name=$1
    shift
    mkdir -p "$DEMO/$name"
    rm -f "$DEMO/$name/ready.json"
    setsid "$@" --data-dir "$DEMO/$name/data" --ready-file "$DEMO/$name/ready.json" --ops-listen 127.0.0.1:0 \
        </dev/null >>"$DEMO/$name/log" 2>&1 &
    echo $! >"$DEMO/$name/pid"
    # Or the shell would tell of it when the demo kills it.
    disown
}

is_ready() { [ -s "$DEMO/$1/ready.json" ] || { is_running "$1" || exit_early "$1"; false; }; }
is_running() { kill -0 "$(cat "$DEMO/$1/pid")" 2>/dev/null; }
exit_early() { tail -n 20 "$DEMO/$1/log" >&2; die "$1 ended early; its log is $DEMO/$1/log"; }

address() { echo "$CONTROLLERS" | cut -d, -f"$1"; }

start_controller() {
    local number=$1 how=--bootstrap
    [ "$number" = 1 ] || how=--join=$(address 1)
    start "controller-$number" berth-controller --identity "$BERTH_HOME/controller.json" --aws-listen 127.0.0.1:0 \
        --listen "$(address "$number")" --advertise "$(address "$number")" "$how"
    await "controller-$number serves" is_ready "controller-$number"
}

start_agent() {
    start "agent-$1" berth-agent --identity "$BERTH_HOME/agent.json" --controllers "$CONTROLLERS" --zone "$1" \
        --cpu-units 2048 --memory-mib 1024 --image-pull-behavior prefer-cached
    await "agent-$1 serves" is_ready "agent-$1"
}

# --- questions ---

instances() { berth instance list --output name; }
all_registered() { [ "$(instances | wc -l)" = 3 ]; }
tasks() { berth ps --service web --output name; }
containers() {
    local instance
    while read -r instance; do
        docker ps --quiet --filter "label=berth.container-instance=$instance"
    done <"$DEMO/instances" | sort
}
is_gone() { local list; list=$(tasks) && ! echo "$list" | grep -q "$1"; }

# The address of the leader: the one object of the list that says so.
leader() {
    berth controller list --output json | tr -d '\n' | tr '}' '\n' | grep '"leader": *true' |
        sed 's/.*"address": *"\([^"]*\)".*/\1/'
}
another_leads() { local new; new=$(leader) && [ -n "$new" ] && [ "$new" != "$1" ]; }

first_port() { berth ps --service web --output json | grep -o '"hostPort": *[1-9][0-9]*' | head -n 1 | grep -o '[0-9]*$'; }

# --- the story ---

bring_up() {
    title "Three controllers and three agents, one in each zone"
    berth init --quiet --dir "$BERTH_HOME" --endpoint "$CONTROLLERS" >/dev/null
    local began number zone
    began=$(now_ms)
    for number in 1 2 3; do start_controller "$number"; done
    for zone in a b c; do start_agent "$zone"; done
    await "three agents are registered" all_registered
    instances >"$DEMO/instances"
    say "up in $(since "$began")"
    show berth controller list
    show berth instance list
}

deploy_service() {
    title "A service of $TASKS tasks, spread over the zones"
    local began
    show berth task-definition register --file deploy/demo/web.json
    began=$(now_ms)
    show berth service create web --task-definition web --desired-count "$TASKS" --placement-strategy spread=zone
    show berth service wait web
    say "$TASKS tasks running after $(since "$began")"
    show berth ps
    show curl --silent --show-error --max-time 5 "http://127.0.0.1:$(first_port)/"
}

lose_container() {
    title "A container is killed behind Berth's back"
    local container task began
    container=$(docker ps --quiet --filter "label=berth.container-instance=$(head -n 1 "$DEMO/instances")" | head -n 1)
    task=$(docker inspect --format '{{index .Config.Labels "berth.task"}}' "$container")
    began=$(now_ms)
    show docker kill "$container"
    await "the killed task is no longer counted" is_gone "$task"
    berth service wait web >/dev/null
    say "$TASKS tasks running again after $(since "$began")"
    show berth ps
}

lose_leader() {
    title "The leading controller is killed"
    local old number began before
    old=$(leader)
    before=$(containers)
    for number in 1 2 3; do [ "$(address "$number")" != "$old" ] || break; done
    began=$(now_ms)
    show kill -9 "$(cat "$DEMO/controller-$number/pid")"
    await "another controller leads" another_leads "$old"
    say "$(leader) leads after $(since "$began")"
    show berth service wait web
    [ "$(containers)" = "$before" ] || die "containers were touched"
    say "the same $TASKS containers run as before"
    began=$(now_ms)
    show berth service scale web $((TASKS + 3)) --wait
    say "$((TASKS + 3)) tasks running after $(since "$began")"
    say "and the killed controller comes back:"
    start_controller "$number"
    await "all controllers can be reached" all_reachable
    show berth controller list
    show berth ps
}

all_reachable() {
    [ "$(berth controller list --output json | grep -c '"reachable": *true')" = 3 ]
}

farewell() {
    title "It is still running. Try"
    say "export BERTH_HOME=$BERTH_HOME PATH=$BIN:\$PATH"
    say "berth service scale web 12 --wait"
    say "berth logs -f service/web"
    say "berth events"
    say "make demo-down      when you have seen enough"
}

# --- the end ---

stop_processes() {
    local file pid
    for file in "$DEMO"/agent-*/pid "$DEMO"/controller-*/pid; do
        [ -f "$file" ] || continue
        pid=$(cat "$file")
        # The number may be somebody else's by now.
        case $(readlink "/proc/$pid/exe" 2>/dev/null || true) in */berth-*) kill -9 "$pid" || true ;; esac
    done
}

remove_containers() {
    local instance containers
    [ -f "$DEMO/instances" ] || return 0
    while read -r instance; do
        containers=$(docker ps --all --quiet --filter "label=berth.container-instance=$instance")
        # shellcheck disable=SC2086  # ids, one word each
        [ -z "$containers" ] || docker rm --force --volumes $containers >/dev/null
        rm -rf "/run/berth/$instance" "/dev/shm/berth/$instance"
    done <"$DEMO/instances"
}

down() {
    stop_processes
    remove_containers
    # Says no where another agent of this host still needs it.
    "$BIN/berth-agent" --remove-task-network 2>/dev/null || true
    rm -rf "$DEMO"
}

case ${1:-} in
up)
    down
    mkdir -p "$DEMO"
    bring_up
    deploy_service
    lose_container
    lose_leader
    farewell
    ;;
down) down ;;
*) sed -n '2,6p' "$0"; exit 2 ;;
esac
