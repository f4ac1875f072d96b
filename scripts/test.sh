#!/usr/bin/env bash
# Every test: unit, property, command line, the page's modules, real Kafka and a real browser, and a short fuzzing.
# `make test` installs what they need and runs this. All suites run even if one fails; their whole output stays in
# target/reports.
#
# E2E_WORKERS    how many black-box tests run at a time, each with servers of its own (3: they wait more
#                than they compute)
# FUZZ_SECONDS   how long each fuzz target runs (15)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
reports=$CARGO_TARGET_DIR/reports
mkdir -p "$reports"
failed=()

# One build with fail points serves all tests.
cargo test --locked --workspace --features saga-tracker/failpoints --no-fail-fast 2>&1 |
  tee "$reports/cargo.log" || failed+=(cargo)
node --test tests/page/*.test.mjs 2>&1 | tee "$reports/page.log" || failed+=(page)
scripts/types.sh 2>&1 | tee "$reports/types.log" || failed+=(types)
scripts/eslint.sh 2>&1 | tee "$reports/eslint.log" || failed+=(eslint)
SAGA_TRACKER_BIN=$CARGO_TARGET_DIR/debug/saga-tracker SAGA_TRACKER_REQUIRE_FAILPOINTS=1 \
  scripts/e2e.sh -n "${E2E_WORKERS:-3}" --dist loadfile 2>&1 | tee "$reports/e2e.log" || failed+=(e2e)
if cargo +nightly --version >/dev/null 2>&1; then
  FUZZ_SECONDS=${FUZZ_SECONDS:-15} scripts/fuzz.sh 2>&1 | tee "$reports/fuzz.log" || failed+=(fuzz)
else
  echo "fuzz: no nightly toolchain here; cargo test ran the same bodies"
fi

echo
awk '/^test result:/ {passed += $4; failed += $6; ignored += $8}
  END {printf "cargo test   %d passed, %d failed, %d ignored\n", passed, failed, ignored}' "$reports/cargo.log"
awk '/^(# |ℹ )(pass|fail) / {sums[$2] = $3}
  END {printf "modules      %d passed, %d failed\n", sums["pass"], sums["fail"]}' "$reports/page.log"
awk '/ in [0-9.]+s/ && /passed|failed|error/ {last = $0}
  END {gsub(/=+ ?/, "", last); print "real Kafka   " (last ? last : "did not run")}' "$reports/e2e.log"
if ((${#failed[@]})); then
  # A test program that was killed has no line of its own for the test that it ran.
  grep -hE '^(test .* \.\.\. FAILED|(FAILED|ERROR) |.*process didn.t exit successfully.*signal)' "$reports/cargo.log" "$reports/e2e.log" | cut -c -400 || true
  echo "FAILED: ${failed[*]}; whole output in $reports"
  exit 1
fi
