#!/usr/bin/env bash
# Measures the tracker beside Kafka's own client, RocksDB and PostgreSQL, and its page in a browser, all on this
# machine, and writes the tables of benches/RESULTS.md.
#
#   scripts/bench.sh          what a million events show, about ten minutes
#   scripts/bench.sh large    what only ten million show; takes disk and time
#   scripts/bench.sh projections   what each projection costs that can be switched off; minutes
#   scripts/bench.sh freshness   from Kafka's acknowledgement to the API, and an idle process; seven minutes
#   scripts/bench.sh page [OPTION...]   what each view costs and weighs, 200 who watch, a hand that drags over 20,000
#                                       events in Chromium; a quarter of an hour. --help lists the options
#
# SAGA_BENCH_EVENTS             records in the topic (1000000; the smaller topic has a tenth)
# SAGA_BENCH_ROUNDS             how often each measurement is made (3)
# SAGA_BENCH_SAGAS_PER_SECOND   sagas that begin each second of the generated traffic (2000)
# SAGA_BENCH_SEED               another seed, other traffic (7)
# SAGA_BENCH_LARGE_SAGAS, SAGA_BENCH_LARGE_EVENTS   for large (10000000 each)
# SAGA_BENCH_DIR                where stores and servers' data go; a subdirectory is made and removed
# SAGA_TRACKER_BIN              for page: a program to measure instead of the release build of this tree
#
# PostgreSQL is the Debian package with its default settings, in a cluster of its own; without it
# those rows are left out. Nothing listens beyond loopback.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
size=${1:-small}
say() { printf 'bench: %s\n' "$*" >&2; }

# The page is measured from without, by what the black-box tests use.
measure_page() {
  local venv=${SAGA_TRACKER_CACHE:-$HOME/.cache/saga-tracker}/venv
  if [[ -z ${SAGA_TRACKER_BIN:-} ]]; then
    cargo build --release --locked --bin saga-tracker
    export SAGA_TRACKER_BIN=${CARGO_TARGET_DIR:-$root/target}/release/saga-tracker
  fi
  scripts/install.sh test page venv
  scripts/kafka.sh fetch
  scripts/registry.sh fetch
  exec env TMPDIR="${SAGA_BENCH_DIR:-${TMPDIR:-/tmp}}" "$venv/bin/python" -B benches/page.py "$@"
}

cd "$root"
[[ $size != page ]] || measure_page "${@:2}"
cargo build --release --locked --bin saga-tracker
program=$(cargo bench --locked --bench end_to_end --no-run --message-format=json |
  sed -n 's/.*"name":"end_to_end".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
[[ -x $program ]] || { say "the bench program was not built"; exit 1; }

dir=$(mktemp -d "${SAGA_BENCH_DIR:-${TMPDIR:-/tmp}}/saga-tracker-bench.XXXXXX")
postgres=

finish() {
  [[ -z $postgres ]] || as_owner "$postgres/pg_ctl" -D "$dir/postgres" -m fast -w stop >/dev/null || true
  scripts/kafka.sh stop --dir "$dir/kafka" || true
  rm -rf "$dir"
}
trap finish EXIT

# PostgreSQL refuses to run as root; then its Debian user does.
as_owner() {
  if [[ $(id -u) -eq 0 ]]; then
    (cd / && runuser -u postgres -- "$@")
  else
    "$@"
  fi
}

start_postgres() {
  local found
  found=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
  if [[ -z $found ]]; then
    say "PostgreSQL is missing (scripts/install.sh bench); its rows are left out"
    return
  fi
  mkdir "$dir/postgres"
  if [[ $(id -u) -eq 0 ]]; then
    chmod 755 "$dir"
    chown postgres "$dir/postgres"
  fi
  as_owner "$found/initdb" -D "$dir/postgres" -U bench -A trust >/dev/null
  # A socket in the cluster's own directory, and no port.
  as_owner "$found/pg_ctl" -D "$dir/postgres" -w -l "$dir/postgres/log" \
    -o "-c listen_addresses='' -c unix_socket_directories='$dir/postgres'" start >/dev/null
  postgres=$found
  export PGHOST=$dir/postgres PGUSER=bench PGDATABASE=postgres
}

unset PGHOST
[[ $size != small ]] || start_postgres
SAGA_BENCH_BOOTSTRAP=$(scripts/kafka.sh start --dir "$dir/kafka")
export SAGA_BENCH_BOOTSTRAP SAGA_BENCH_DIR=$dir SAGA_BENCH_TRACKER=${CARGO_TARGET_DIR:-$root/target}/release/saga-tracker
"$program" "$size"
