# What people and CI run; `make help` lists it. Needs Rust; everything else that is missing is
# installed by scripts/install.sh, which says what it does.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

export SAGA_TRACKER_CACHE ?= $(HOME)/.cache/saga-tracker
export CARGO_TARGET_DIR ?= $(CURDIR)/target

TOOLS := $(SAGA_TRACKER_CACHE)/tools
REPORTS := $(CARGO_TARGET_DIR)/reports

# RocksDB takes a quarter of an hour to compile; a compiler cache makes that once per machine.
# Looked up when a recipe runs, because the first recipe may have installed it.
COMPILERS = if [[ -z "$${CC:-}$${CXX:-}" ]] && command -v ccache >/dev/null; then export CC="ccache gcc" CXX="ccache g++"; fi

.PHONY: help build demo test fuzz lint deny bench bench-large needs-build

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

needs-build:
	@scripts/install.sh build

build: needs-build ## Build the release binary: target/release/saga-tracker
	@$(COMPILERS)
	cargo build --locked --release

demo: build ## Serve on an embedded broker with a live workload; ARGS="--rate 50" and the like
	@exec "$(CARGO_TARGET_DIR)/release/saga-tracker" demo $(ARGS)

# Black-box tests wait more than they compute: two at a time, each worker with servers of its own.
E2E_WORKERS ?= 2

# One build with fail points serves all tests. All suites run even if one fails. Fuzzing is short here.
test: needs-build ## Run every test: unit, property, command line, and real Kafka
	@scripts/install.sh test s3 clouds venv
	$(COMPILERS)
	mkdir -p "$(REPORTS)"
	failed=()
	cargo test --locked --workspace --features saga-tracker/failpoints --no-fail-fast 2>&1 \
		| tee "$(REPORTS)/cargo.log" || failed+=(cargo)
	SAGA_TRACKER_BIN="$(CARGO_TARGET_DIR)/debug/saga-tracker" SAGA_TRACKER_REQUIRE_FAILPOINTS=1 \
		scripts/e2e.sh -n $(E2E_WORKERS) --dist loadfile 2>&1 | tee "$(REPORTS)/e2e.log" || failed+=(e2e)
	if cargo +nightly --version >/dev/null 2>&1; then
		$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=15 2>&1 | tee "$(REPORTS)/fuzz.log" || failed+=(fuzz)
	else
		echo "fuzz: no nightly toolchain here; cargo test ran the same bodies"
	fi
	echo
	awk '/^test result:/ {passed += $$4; failed += $$6; ignored += $$8} \
		END {printf "cargo test   %d passed, %d failed, %d ignored\n", passed, failed, ignored}' "$(REPORTS)/cargo.log"
	awk '/ in [0-9.]+s/ && /passed|failed|error/ {last = $$0} \
		END {gsub(/=+ ?/, "", last); print "real Kafka   " (last ? last : "did not run")}' "$(REPORTS)/e2e.log"
	if (($${#failed[@]})); then
		grep -hE '^(test .* \.\.\. FAILED|(FAILED|ERROR) )' "$(REPORTS)/cargo.log" "$(REPORTS)/e2e.log" | cut -c -400 || true
		echo "FAILED: $${failed[*]}; whole output in $(REPORTS)"
		exit 1
	fi

FUZZ_SECONDS ?= 60
fuzz: ## Fuzz each target for FUZZ_SECONDS (60); needs a nightly toolchain
	@export PATH="$(TOOLS)/bin:$$PATH"
	if ! command -v cargo-fuzz >/dev/null; then
		echo "fuzz: installing cargo-fuzz into $(TOOLS)"
		CARGO_TARGET_DIR="$(TOOLS)/target" cargo install --quiet --locked --root "$(TOOLS)" cargo-fuzz@0.13.2
		rm -rf "$(TOOLS)/target"
	fi
	for target in decode schema keys records; do
		CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)/fuzz" cargo +nightly fuzz run "$$target" -- -max_total_time=$(FUZZ_SECONDS)
	done

lint: needs-build ## Format, clippy, docs, dependency audit; warnings fail
	@$(COMPILERS)
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --features saga-tracker/failpoints -- -D warnings
	cargo clippy --locked --bench end_to_end --features saga-tracker/failpoints -- -D warnings
	CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)/fuzz" cargo clippy --locked --manifest-path fuzz/Cargo.toml --lib --bins -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --locked --workspace --no-deps
	$(MAKE) --no-print-directory deny

# Advisories need a database from the network; without one the rest is still checked.
deny: ## Audit dependencies: licences, sources, bans, advisories
	@export PATH="$(TOOLS)/bin:$$PATH"
	if ! command -v cargo-deny >/dev/null; then
		echo "deny: installing cargo-deny into $(TOOLS)"
		CARGO_TARGET_DIR="$(TOOLS)/target" cargo install --quiet --locked --root "$(TOOLS)" cargo-deny@0.20.2
		rm -rf "$(TOOLS)/target"
	fi
	cargo deny --locked check bans licenses sources
	if timeout 60 cargo deny fetch db >/dev/null 2>&1; then
		cargo deny --locked check advisories
	else
		echo "deny: the advisory database cannot be reached; advisories are NOT checked"
	fi

bench: needs-build ## Measure: the parts, then the whole beside Kafka, RocksDB and PostgreSQL
	@scripts/install.sh test bench venv
	$(COMPILERS)
	cargo bench --locked --workspace
	scripts/bench.sh

bench-large: needs-build ## Measure what needs 10 million sagas; takes disk and time
	@scripts/install.sh test bench venv
	$(COMPILERS)
	scripts/bench.sh large
