# Everything runs from one virtual environment, .venv, made from requirements.lock.
# `make` alone lists what there is.

PYTHON ?=
PYTEST_ARGS ?= -n 2 --dist loadgroup
BENCH_ARGS ?=
CHAOS_ARGS ?=
CHAOS_EVENTS ?= 100000

BIN := .venv/bin
STAMP := .venv/.installed
# Whoever is first sets up all of it; later, only `make setup` asks for what may be missing.
READY := $(if $(wildcard $(STAMP)),$(STAMP),setup)
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo up test slow chaos lint bench lock docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

# The front end is asked for each time, where it is missing: without a network, all else is ready.
setup: $(STAMP) ## make .venv from requirements.lock (PYTHON=… chooses the interpreter)
	@$(BIN)/python -m s3pipelines.viewer.frontend

demo: $(READY) ## try it: a local S3, sample images and the Dagster UI, no account needed
	@if [ -t 1 ]; then exec $(BIN)/s3pipelines demo; else exec $(BIN)/s3pipelines demo --once; fi

up: $(STAMP) ## run the Dagster UI and its daemon on your own sources
	@exec $(BIN)/s3pipelines up

test: $(READY) ## run the fast tests (PYTEST_ARGS="-k name" chooses some)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# The tests of properties are in both: here they try all their examples.
slow: $(READY) ## run what takes more than five seconds a test (PYTEST_ARGS as above)
	S3PIPELINES_TEST_ALL_EXAMPLES=1 $(BIN)/python -m pytest -m "slow or hypothesis" $(PYTEST_ARGS)

chaos: $(STAMP) ## kill the takers of events, and see that none is lost (CHAOS_EVENTS=1000000)
	CHAOS_EVENTS=$(CHAOS_EVENTS) $(BIN)/python -m pytest -m chaos -s tests/chaos $(CHAOS_ARGS)

lint: $(STAMP) ## check style, formatting, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

bench: $(STAMP) ## measure against peers (BENCH_ARGS=… is passed on)
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

docs: $(STAMP) ## write the generated part of the reference anew
	$(BIN)/python docs/generate.py

lock: ## resolve pyproject.toml anew into requirements.lock (LOCK_ARGS=--upgrade for newer releases)
	@test -x $(BIN)/uv || $(MAKE) setup
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
		--python-version 3.11 --all-extras --no-strip-extras --custom-compile-command "make lock" $(LOCK_ARGS) \
		pyproject.toml -o requirements.lock

clean: ## remove .venv, caches and build output (never data)
	rm -rf .venv dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find s3pipelines tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# Sets `found` to the first interpreter that will do. Each candidate is run, not merely looked up:
# a version manager's shim can exist without the version behind it.
define find_python
found=; \
for candidate in $(if $(PYTHON),"$(PYTHON)",python3 python3.14 python3.13 python3.12 python3.11); do \
	if "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; \
	then found=$$candidate; break; fi; \
done; \
if [ -z "$$found" ]; then \
	echo "make setup: $(if $(PYTHON),PYTHON=$(PYTHON) is not,found no) Python 3.11 to 3.14." >&2; \
	echo "Install one, or name it: make setup PYTHON=/path/to/python3" >&2; \
	exit 1; \
fi; \
if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
	echo "make setup: $$found has no venv or ensurepip module." >&2; \
	echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; \
	exit 1; \
fi
endef

# The stamp is removed first and written last, so a setup that was interrupted starts again.
$(STAMP): requirements.lock pyproject.toml
	@rm -f $@
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
		$(find_python); \
		echo "Making .venv with $$("$$found" --version)"; \
		"$$found" -m venv --clear .venv; \
	}
	@echo "Installing $$(grep -c '^[a-z0-9]' requirements.lock) pinned packages into .venv (a minute or two)"
	@$(PIP) install --quiet --require-hashes -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@
	@echo "Ready: $$($(BIN)/python --version) in .venv"
