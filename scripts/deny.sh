#!/usr/bin/env bash
# Audits dependencies: licences, sources, bans, advisories. Installs cargo-deny if it is missing.
# Advisories need a database from the network; without one the rest is still checked.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib/tools.sh
needs_tool cargo-deny 0.20.2

cargo deny --locked check bans licenses sources
if timeout 60 cargo deny fetch db >/dev/null 2>&1; then
  cargo deny --locked check advisories
else
  echo "deny: the advisory database cannot be reached; advisories are NOT checked"
fi
