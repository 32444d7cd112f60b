# `make run` starts the gateway, `make test` runs every test. Both work on a fresh machine that has
# the Rust toolchain, Node and a package manager.

WORK := .work
VENV := $(WORK)/venv
SHARED ?= ../shared
BIN := target/debug
PREFIX ?= $(HOME)/.local

.DEFAULT_GOAL := help
.PHONY: help run test test-rust test-data test-tours clients conformance mcp-servers lint fmt release install bench ci clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start the gateway on http://127.0.0.1:3000, open to this machine
	cargo run --profile quick --package ai-mcp-gateway -- serve --open

test: test-rust test-data test-tours ## Run every test

test-rust: ## Unit, property, integration and fault tests
	tests/need.sh postgres redis
	cargo test --workspace --no-fail-fast

test-data: ## Every provider recording through the dialects and the ledger
	@if [ -d $(SHARED)/recordings ]; then \
	  cargo run --quiet --package xtask -- recordings $(SHARED)/recordings && \
	  cargo run --quiet --package xtask -- prices --recordings $(SHARED)/recordings --rules $(SHARED)/catalog/prices.json; \
	else echo "skipped: $(SHARED)/recordings is not there"; fi

test-tours: $(VENV)/ready tests/tours/node_modules/.package-lock.json ## The official SDKs against the gateway
	cargo build --package ai-mcp-gateway --package gw-simulator --bins
	$(VENV)/bin/python tests/tours/run.py --gateway $(BIN)/ai-mcp-gateway --simulator $(BIN)/gw-simulator

clients: $(WORK)/clients/ready ## Real coding agents against the gateway; heavy, see tests/clients
	cargo build --package ai-mcp-gateway --package gw-simulator --bins
	python3 tests/clients/run.py --gateway $(BIN)/ai-mcp-gateway --simulator $(BIN)/gw-simulator \
	  --node $(WORK)/clients --python $(WORK)/clients/venv/bin

tests/mcp/node_modules/.package-lock.json: tests/mcp/package.json
	npm install --prefix tests/mcp --no-audit --no-fund --no-package-lock
	touch $@

conformance: tests/mcp/node_modules/.package-lock.json ## The official MCP suite through the gateway
	cargo build --package ai-mcp-gateway
	python3 tests/mcp/conformance.py --gateway $(BIN)/ai-mcp-gateway

mcp-servers: $(WORK)/mcp-servers/ready ## Twenty real MCP servers behind the gateway at once; heavy
	cargo build --package ai-mcp-gateway
	python3 tests/mcp/servers/run.py --gateway $(BIN)/ai-mcp-gateway \
	  --node $(WORK)/mcp-servers --python $(WORK)/mcp-servers/venv/bin

$(WORK)/mcp-servers/ready: tests/mcp/servers/package.json tests/mcp/servers/requirements.txt
	tests/need.sh node python
	mkdir -p $(WORK)/mcp-servers
	cp tests/mcp/servers/package.json $(WORK)/mcp-servers/
	cd $(WORK)/mcp-servers && PUPPETEER_SKIP_DOWNLOAD=1 npm install --silent --no-fund --no-audit --ignore-scripts
	python3 -m venv $(WORK)/mcp-servers/venv
	$(WORK)/mcp-servers/venv/bin/pip install --quiet --disable-pip-version-check --requirement tests/mcp/servers/requirements.txt
	touch $@

lint: ## Format, clippy, import rules
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo run --quiet --package xtask -- tidy
	cargo run --quiet --package xtask -- docs --check

fmt: ## Format the code
	cargo fmt --all

release: ## Build the binary that ships, target/release/ai-mcp-gateway
	cargo build --release --package ai-mcp-gateway

install: release ## Install it into $(PREFIX)/bin, also under its short name mcp
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 target/release/ai-mcp-gateway $(DESTDIR)$(PREFIX)/bin/ai-mcp-gateway
	ln -sf ai-mcp-gateway $(DESTDIR)$(PREFIX)/bin/mcp

bench: release ## Start time, memory, and what the gateway adds to a call
	cargo build --release --package gw-simulator
	python3 bench/run.py --gateway target/release/ai-mcp-gateway --simulator target/release/gw-simulator

ci: ## What the gate runs
	.ci/run

clean: ## Remove everything built
	cargo clean
	rm -rf $(WORK) tests/tours/node_modules

$(VENV)/ready: tests/tours/requirements.txt
	tests/need.sh python
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement tests/tours/requirements.txt
	touch $@

$(WORK)/clients/ready: tests/clients/package.json tests/clients/requirements.txt
	tests/need.sh node python
	mkdir -p $(WORK)/clients
	cp tests/clients/package.json $(WORK)/clients/
	cd $(WORK)/clients && npm install --silent --no-fund --no-audit
	python3 -m venv $(WORK)/clients/venv
	$(WORK)/clients/venv/bin/pip install --quiet --disable-pip-version-check --requirement tests/clients/requirements.txt
	touch $@

tests/tours/node_modules/.package-lock.json: tests/tours/package-lock.json
	tests/need.sh node
	cd tests/tours && npm ci --silent --no-fund --no-audit
