#!/usr/bin/env bash
# Installs the AWS CLI and boto3, in the versions that the tests were written against, into a folder of the build, and
# prints that folder. Quick when they are there.
set -euo pipefail
cd "$(dirname "$0")/.."

WANTED=tests/api/clients/requirements.txt
FOLDER=${CARGO_TARGET_DIR:-$PWD/target}/aws-clients

mkdir -p "$(dirname "$FOLDER")"
# Several test binaries may ask at once; one installs, the others wait for it.
exec 9>"$FOLDER.lock"
flock 9
if ! cmp -s "$WANTED" "$FOLDER/requirements.txt"; then
    rm -rf "$FOLDER"
    python3 -m venv "$FOLDER" >&2
    "$FOLDER/bin/pip" install --quiet --disable-pip-version-check --requirement "$WANTED" >&2
    # Last: what is half installed is installed again.
    cp "$WANTED" "$FOLDER/requirements.txt"
fi
echo "$FOLDER"
