#!/usr/bin/env bash
# The types in the comments of the page's modules. `scripts/install.sh page` brings the checker.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tsc=${SAGA_TRACKER_CACHE:-$HOME/.cache/saga-tracker}/typescript/node_modules/typescript/bin/tsc
[[ -f $tsc ]] || { echo "types: no $tsc; run scripts/install.sh page" >&2; exit 1; }
node "$tsc" -p src/server/page/tsconfig.json
echo "types: nothing found in src/server/page/assets"
