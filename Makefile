# What people and CI run; `make help` lists it. Needs Rust; everything else that is missing is
# installed by scripts/install.sh, which says what it does.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

export SAGA_TRACKER_CACHE ?= $(HOME)/.cache/saga-tracker
export CARGO_TARGET_DIR ?= $(CURDIR)/target

# RocksDB takes a quarter of an hour to compile; a compiler cache makes that once per machine.
# Looked up when a recipe runs, because the first recipe may have installed it.
COMPILERS = if [[ -z "$${CC:-}$${CXX:-}" ]] && command -v ccache >/dev/null; then export CC="ccache gcc" CXX="ccache g++"; fi

.PHONY: help build demo test soak fuzz lint deny bench bench-large bench-page needs-build

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

needs-build:
	@scripts/install.sh build

build: needs-build ## Build the release binary: target/release/saga-tracker
	@$(COMPILERS)
	cargo build --locked --release

demo: build ## Serve on an embedded broker with a live workload; ARGS="--rate 50" and the like
	@exec "$(CARGO_TARGET_DIR)/release/saga-tracker" demo $(ARGS)

test: needs-build ## Run every test: unit, property, command line, real Kafka, and a browser
	@scripts/install.sh test s3 clouds monitoring page venv
	$(COMPILERS)
	exec scripts/test.sh

# Many seeds from FIRST on, or one whose schedule is printed.
SEEDS ?= 20000
FIRST ?= 0
SEED ?=
soak: needs-build ## Simulate: SEEDS=100000 seeds, or SEED=4711 alone, with its schedule
	@$(COMPILERS)
	export SEEDS=$(SEEDS) FIRST=$(FIRST)
	if [[ -n "$(SEED)" ]]; then export SEED=$(SEED); fi
	cargo test --locked --features saga-tracker/failpoints --lib simulator::promises -- --nocapture

fuzz: ## Fuzz each target for FUZZ_SECONDS (60); needs a nightly toolchain
	@exec scripts/fuzz.sh

lint: needs-build ## Format, clippy, docs, dependency audit; warnings fail
	@$(COMPILERS)
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --features saga-tracker/failpoints -- -D warnings
	cargo clippy --locked --bench end_to_end --features saga-tracker/failpoints -- -D warnings
	CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)/fuzz" cargo clippy --locked --manifest-path fuzz/Cargo.toml --lib --bins -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --locked --workspace --no-deps
	exec scripts/deny.sh

deny: ## Audit dependencies: licences, sources, bans, advisories
	@exec scripts/deny.sh

bench: needs-build ## Measure: the parts, the whole beside Kafka, RocksDB and PostgreSQL, and the page
	@scripts/install.sh test bench page venv
	$(COMPILERS)
	cargo bench --locked --workspace
	scripts/bench.sh
	scripts/bench.sh page

bench-large: needs-build ## Measure what needs 10 million sagas; takes disk and time
	@scripts/install.sh test bench venv
	$(COMPILERS)
	scripts/bench.sh large

bench-page: needs-build ## Measure the page: each view, live streams, a browser; ARGS="--sagas 1000000" and the like
	@$(COMPILERS)
	exec scripts/bench.sh page $(ARGS)
