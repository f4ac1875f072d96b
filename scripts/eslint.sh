#!/usr/bin/env bash
# What ESLint finds in the page's modules and their tests. `scripts/install.sh page` brings it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
packages=${SAGA_TRACKER_CACHE:-$HOME/.cache/saga-tracker}/eslint/node_modules
eslint=$packages/eslint/bin/eslint.js
[[ -f $eslint ]] || { echo "eslint: no $eslint; run scripts/install.sh page" >&2; exit 1; }
NODE_PATH=$packages node "$eslint" --config src/server/page/eslint.config.cjs --max-warnings 0 \
  src/server/page/assets tests/page
echo "eslint: nothing found in src/server/page/assets and tests/page"
