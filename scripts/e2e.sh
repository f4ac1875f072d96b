#!/usr/bin/env bash
# Runs the black-box tests with the Python environment of scripts/install.sh.
# Arguments go to pytest; SAGA_TRACKER_BIN says which binary to test.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${SAGA_TRACKER_CACHE:-$HOME/.cache/saga-tracker}/venv
[[ -x $venv/bin/python ]] || "$root/scripts/install.sh" venv
"$root/scripts/install.sh" s3 clouds monitoring page
"$root/scripts/kafka.sh" fetch
"$root/scripts/registry.sh" fetch
cd "$root/tests/e2e"
exec "$venv/bin/python" -B -m pytest "$@"
