# The ways into this repository. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help setup build images demo demo-down test lint fmt doc bench soak fuzz proto-lock

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-12s %s\n", $$1, $$2 }'

setup: ## install what is missing, start a container engine if none answers
	@deploy/setup.sh

build: setup ## build all programs
	cargo build --locked --workspace

images: setup ## build the test application and import it as berth-app:1 and berth-app:2
	@deploy/images.sh

demo: build images ## three controllers, three agents, a service, and two things that go wrong
	@deploy/demo.sh up

demo-down: ## take every trace of the demo away
	@deploy/demo.sh down
	@deploy/images.sh remove

test: build images ## formatting, lints and all tests
	@tests/run.sh

lint: setup ## formatting and lints, as `make test` checks them
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

fmt: ## format the source
	cargo fmt --all

doc: setup ## build the API documentation, with broken links as errors
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps --document-private-items

bench: images ## measure; prints figures, asserts nothing
	cargo build --locked --workspace --release
	cargo bench --locked --workspace
	@$(or $(CARGO_TARGET_DIR),target)/release/berth-bench

soak: build images ## churn for SOAK_MINUTES (10) and watch memory and disk
	@$(or $(CARGO_TARGET_DIR),target)/debug/berth-soak $(or $(SOAK_MINUTES),10)

fuzz: setup ## give what reads foreign bytes random ones, FUZZ_SECONDS (60) for each target
	@deploy/fuzz.sh $(or $(FUZZ_SECONDS),60)

proto-lock: setup ## write the numbers of new fields into tests/tidy/proto.lock
	BERTH_UPDATE_PROTO_LOCK=1 cargo test --locked --workspace --test tidy -- no_number_of_the_wire
