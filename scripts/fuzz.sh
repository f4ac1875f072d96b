#!/usr/bin/env bash
# Fuzzes each target for FUZZ_SECONDS (60). Needs a nightly toolchain; installs cargo-fuzz if it is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib/tools.sh
needs_tool cargo-fuzz 0.13.2

for target in decode schema keys records; do
  CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/fuzz \
    cargo +nightly fuzz run "$target" -- -max_total_time="${FUZZ_SECONDS:-60}"
done
