#!/usr/bin/env bash
# Takes the README's pictures anew, of the demo of SAGA_TRACKER_BIN (the release binary unless said otherwise).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binary=${SAGA_TRACKER_BIN:-${CARGO_TARGET_DIR:-$root/target}/release/saga-tracker}
venv=${SAGA_TRACKER_CACHE:-$HOME/.cache/saga-tracker}/venv
[[ -x $binary ]] || { echo "pictures: $binary is not there; make build makes it" >&2; exit 1; }
"$root/scripts/install.sh" page
[[ -x $venv/bin/python ]] || "$root/scripts/install.sh" venv
exec "$venv/bin/python" -B "$root/scripts/pictures.py" "$binary"
