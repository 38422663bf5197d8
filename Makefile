# The targets a user needs; `make` lists them. What a target installs it names first.

CARGO ?= cargo
# Every suite but the privileged one.
UNPRIVILEGED := $(patsubst tests/%.rs,--test %,$(wildcard tests/*.rs))
LVSMITH := target/release/lvsmith

.PHONY: help build demo test lint bench fuzz dist setup

help:
	@echo 'make build   builds target/release/lvsmith'
	@echo 'make demo    builds, installs what is missing, proves playbooks/lvs-dr in a lab'
	@echo 'make test    builds, installs what is missing, runs every test on a real IPVS kernel'
	@echo 'make lint    checks formatting, runs clippy, builds the documentation'
	@echo 'make bench   measures, beside a peer or a floor of the same run'
	@echo 'make fuzz    runs each fuzz target for FUZZ_SECONDS=60'
	@echo 'make dist    builds a static binary into target/dist'

build:
	$(CARGO) build --release --locked

setup:
	@scripts/setup

demo: setup build
	$(LVSMITH) lab test playbooks/lvs-dr

# Tests that need no privilege first; then the privileged ones, all inside one boot.
test:
	@scripts/setup ansible-playbook:ansible newuidmap:uidmap
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	  $(CARGO) nextest run --locked --cargo-profile ci -E 'not binary(netns)'; \
	else \
	  $(CARGO) test --locked --profile ci --lib --bins $(UNPRIVILEGED); \
	fi
	$(CARGO) test --locked --profile ci --doc
	$(CARGO) test --locked --profile ci --test netns

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --quiet

bench: setup build
	$(CARGO) bench --locked

fuzz:
	@scripts/fuzz

dist:
	scripts/dist
