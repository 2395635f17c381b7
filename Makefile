# `make` lists what there is. A machine with Rust by rustup, Debian and python3 is enough: each goal sets up what it needs.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup wasm-target programs run test crash lint bench bench-stores throughput intake reload durability soak stall hostile fuzz

AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo)
FUZZ_SECONDS ?= 60
SOAK_RECORDS ?= 1000000
STALL_SECONDS ?= 600
SOAK_SECONDS ?= 600
CRASHES ?= 200
POWER_CUTS ?= 50
CARGO_FUZZ := 0.13.1

help: ## List the goals
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: wasm-target programs .venv/installed ## Install what tests need: the WebAssembly target, programs, and .venv with the peers

run: wasm-target ## Build, and run the demo: a service with example calls, drawn in the terminal
	cargo run --bin callspan -- demo

# The program first, as `run` builds it: end-to-end tests start it, and would build it out of sight.
test: setup ## Run every test
	cargo build --bin callspan
	cargo test --workspace
	python3 tests/golden/check.py

# The short forms of these are among all tests. A seed that is printed can be given again as CALLSPAN_SEED.
crash: setup ## Kill the service CRASHES (200) times, cut its power POWER_CUTS (50) times, and look for what was acknowledged
	cargo build --workspace --bin callspan
	CALLSPAN_CRASHES=$(CRASHES) CALLSPAN_POWER_CUTS=$(POWER_CUTS) cargo test --workspace --test end_to_end -- --nocapture crashes:: power_cuts::

lint: wasm-target ## Check formatting, lints and documentation
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path tests/guests/Cargo.toml
	cargo fmt --all --check --manifest-path tests/stores/Cargo.toml
	cargo fmt --all --check --manifest-path plugin/fuzz/Cargo.toml
	cargo clippy --workspace --all-targets -- --deny warnings
	cargo clippy --manifest-path tests/guests/Cargo.toml --target-dir target/guests -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps

bench: setup ## Measure the mapping, natively and as a component, and the exporter against others
	cargo build --release --workspace --example yardstick
	cargo bench --workspace --bench costs

bench-stores: ## Compare embedded stores for a durable queue; as root, it fills a small disk too
	cargo run --release --manifest-path tests/stores/Cargo.toml

# Two builds: cargo leaves the program out when it is asked for an example with it.
throughput: wasm-target ## Measure pushes a second against a bare server; needs wrk, and installs it
	command -v wrk >/dev/null || $(AS_ROOT) apt-get install --yes --no-install-recommends wrk
	cargo build --release --workspace --bin callspan
	cargo build --release --workspace --example yardstick
	python3 tests/throughput.py target/release/callspan target/release/examples/yardstick

intake: wasm-target ## Measure what TLS, passwords and strangers cost honest senders; needs wrk, and installs it
	command -v wrk >/dev/null || $(AS_ROOT) apt-get install --yes --no-install-recommends wrk
	cargo build --release --workspace --bin callspan
	cargo build --release --workspace --example yardstick
	ulimit -n 20000 && python3 tests/intake.py target/release/callspan target/release/examples/yardstick

reload: wasm-target ## Measure what senders feel of plugins that are replaced under full load; needs wrk, and installs it
	command -v wrk >/dev/null || $(AS_ROOT) apt-get install --yes --no-install-recommends wrk
	cargo build --release --workspace --bin callspan
	cargo build --release --workspace --example yardstick
	python3 tests/reload.py target/release/callspan target/release/examples/yardstick

durability: wasm-target ## Measure the wait for the disk and a backlog of a million records; needs wrk, and installs it
	command -v wrk >/dev/null || $(AS_ROOT) apt-get install --yes --no-install-recommends wrk
	cargo build --release --workspace --bin callspan
	cargo build --release --workspace --example yardstick
	python3 tests/durability.py target/release/callspan target/release/examples/yardstick

soak: wasm-target ## Send SOAK_RECORDS (a million) through `callspan transform` and watch its memory
	cargo build --release --bin callspan
	python3 tests/soak.py target/release/callspan --records $(SOAK_RECORDS)

stall: wasm-target ## Stop a backend for STALL_SECONDS (600) under a steady load, and watch the memory of the service
	cargo build --release --workspace --bin callspan
	cargo build --release --workspace --example yardstick
	python3 tests/stall.py target/release/callspan target/release/examples/yardstick --seconds $(STALL_SECONDS)

# The short form is among all tests.
hostile: setup ## Let clients misbehave, and push for SOAK_SECONDS (600) as fast as the machine takes it
	cargo build --workspace --bin callspan
	CALLSPAN_SOAK_SECONDS=$(SOAK_SECONDS) cargo test --workspace --test end_to_end -- --nocapture hostile::

fuzz: ## Fuzz the mapping for FUZZ_SECONDS (60); needs a C++ compiler
	command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz@$(CARGO_FUZZ)
	mkdir -p plugin/fuzz/corpus/transform
	cd plugin && RUSTC_BOOTSTRAP=1 cargo fuzz run transform fuzz/corpus/transform ../tests/golden/payloads -- -max_total_time=$(FUZZ_SECONDS) -max_len=65536

wasm-target:
	@.ci/wasm-target

programs:
	@.ci/programs

.venv/installed: tests/requirements.txt
	.ci/python
	@touch $@
