#!/usr/bin/env bash
# Gives every target of fuzz/ random bytes for a while, led by coverage:
#   fuzz.sh [SECONDS]     for each target; 60 unless told otherwise
# The stable compiler has what libFuzzer needs, so neither cargo-fuzz nor a nightly is. Ends with an error when a target
# fails; the bytes that it failed with are printed, and kept in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

SECONDS_EACH=${1:-60}
HOST=$(rustc -vV | sed -n 's/^host: //p')
TARGET=${CARGO_TARGET_DIR:-../target}/fuzz

# What cargo-fuzz passes too: a counter on every edge, and checks that a release leaves out.
export RUSTFLAGS="--cfg fuzzing -C link-arg=-fuse-ld=mold -C codegen-units=1 -C debug-assertions \
-C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
-C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares"
# Not --locked: the lock file follows the manifests of the workspace, which change more often than this runs.
cargo build --release --target "$HOST" --target-dir "$TARGET"

for source in fuzz_targets/*.rs; do
    name=$(basename "$source" .rs)
    mkdir -p "$TARGET/corpus/$name" "artifacts/$name"
    echo "== $name"
    "$TARGET/$HOST/release/$name" "$TARGET/corpus/$name" -max_total_time="$SECONDS_EACH" -print_final_stats=1 \
        -artifact_prefix="artifacts/$name/" -max_len=4096 2>&1 | tail -n 20
done
