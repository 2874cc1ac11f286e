# The tool shelf: one word each. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
KILLS ?= 50
T ?= tests
SEED ?= 1

.PHONY: help demo t test test-slow test-all outside lint format bench chaos docs pictures lock clean

help: ## list what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Headway needs Python 3.11 or newer; this is $$($(PYTHON) --version). Name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is missing. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@command -v git >/dev/null || { echo "git is missing. On Debian and Ubuntu: sudo apt install git"; exit 1; }
	@rm -rf $(VENV) && $(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/runtime: $(VENV)/made requirements/runtime.txt pyproject.toml
	@echo "setting up $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@$(BIN)/python tools/link_package.py
	@touch $@

$(VENV)/development: $(VENV)/runtime requirements/development.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/development.txt
	@touch $@

demo: $(VENV)/runtime ## start a server and show the whole road on real parts, in about a minute
	@$(BIN)/headway demo

TESTS := $(BIN)/python -m pytest -n 4 --dist loadfile

t: $(VENV)/development ## run some tests at once: make t T="tests/pipeline -k cron --lf"
	@$(BIN)/python -m pytest -q $(T)

test: lint ## lint, then the tests, on SQLite and PostgreSQL (all but what is slow and rare)
	@tools/outside
	@$(TESTS) -m "not slow"

test-slow: $(VENV)/development ## what is slow and rare: stress, faults at random, whole histories
	@tools/outside
	@$(TESTS) -m slow

test-all: test test-slow ## every test there is

outside: ## install what tests want beyond Python: sshd, shells, a browser (Debian, Ubuntu)
	@tools/outside install

lint: $(VENV)/development ## format, lint, types and the ladder of imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/development ## rewrite the code as the formatter wants it
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/development ## measure Headway beside its rivals, write docs/benchmarks.md
	@$(BIN)/python -m bench

chaos: $(VENV)/development ## kill -9 runs, rollouts and a server: make chaos KILLS=20 SEED=7
	@$(BIN)/python -m tests.chaos --kills $(KILLS) --seed $(SEED)

docs: $(VENV)/development ## write the generated pages and the JSON Schema anew
	@$(BIN)/python -m headway.wire.documents docs

pictures: $(VENV)/development ## take the pictures of the documentation anew (needs Chromium)
	@$(BIN)/python tools/pictures.py

lock: $(VENV)/development ## pin the dependencies anew (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade pyproject.toml -o requirements/runtime.txt
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --extra postgresql --group dev pyproject.toml -o requirements/development.txt

clean: ## remove what was set up
	@rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis
