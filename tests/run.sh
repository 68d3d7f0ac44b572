#!/usr/bin/env bash
# Everything that has to hold, in the order in which it fails fastest, and one line at the end:
#   N passed, N failed, N skipped
# `tests/run.sh NAME…` passes on to `cargo test`, to run a part.
set -uo pipefail
cd "$(dirname "$0")/.."

OUTPUT=$(mktemp)
BERTH_SKIP_LIST=$(mktemp)
export BERTH_SKIP_LIST
trap 'rm -f "$OUTPUT" "$BERTH_SKIP_LIST"' EXIT
status=0

step() {
    printf '\n== %s\n' "$*"
    "$@" || { status=1; failed_steps=$((failed_steps + 1)); }
}

# Adds up one column of cargo's "test result: ok. 3 passed; 0 failed; 1 ignored; …" lines.
sum() { awk -v word="$1" '/^test result:/ { for (i = 2; i <= NF; i++) if ($i ~ "^" word) n += $(i - 1) } END { print n + 0 }' "$OUTPUT"; }

failed_steps=0
if [ $# = 0 ]; then
    step cargo fmt --all --check
    step cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
fi
printf '\n== cargo test\n'
# A machine that nobody looks at gives up on what hangs; at a terminal, ^C has to reach the tests.
deadline=()
[ -z "${CI:-}" ] || deadline=(timeout --kill-after=30 2400)
"${deadline[@]}" cargo test --locked --workspace --no-fail-fast "$@" 2>&1 | tee "$OUTPUT"
[ "${PIPESTATUS[0]}" = 0 ] || status=1

skipped=$(($(wc -l <"$BERTH_SKIP_LIST") + $(sum ignored)))
# A test that skips itself ends well, so cargo counts it as passed.
passed=$(($(sum passed) - $(wc -l <"$BERTH_SKIP_LIST")))
failed=$(($(sum failed) + failed_steps))
# What did not compile did not run.
[ "$status" = 0 ] || [ "$failed" -gt 0 ] || failed=1

echo
sort -u "$BERTH_SKIP_LIST"
echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
