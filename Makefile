# Everything a person types here. Needs make and Python 3.11 or newer, nothing else.
#
#   make demo [SOURCE=<file or URL>]   encode a real clip and watch it meanwhile;
#                                      the last line is the asset's folder
#   make test [TESTS=<files>]          bring what the tests need, then run them all
#   make check                         format, lint, types, import directions, tests
#   make sim [SEED=1] [SEEDS=<n>]      simulate fleets: tell what happens under one seed, or try many
#   make bench [BENCH=<names>]         measure, see benchmarks/README.md
#   make chaos [JOBS=1000] [FAULTS=200] [SEED=1] [BROKER=redis]
#                                      hurt a real fleet and judge its work, see CONTRIBUTING.md
#   make fuzz [MUTANTS=5000] [SEED=1]  read and encode damaged films; MUTANT=17 shows one again
#   make docs                          write docs/errors/ anew, a page for each error code
#   make assets                        bring what makes the pages below /ui live, by npm
#   make sbom | audit                  list what the product consists of | look for known holes in it
#   make fmt | lock | clean            rewrite the format | resolve the locks | tidy up

SHELL := /bin/sh
.DEFAULT_GOAL := help
# `check` calls make: what it does is worth a line, where it does it is not.
MAKEFLAGS += --no-print-directory

# A Python to make .venv with; PYTHON=/path/to/python overrides the search.
PYTHON ?=
PYTHONS := $(PYTHON) python3 python3.15 python3.14 python3.13 python3.12 python3.11 \
	/usr/bin/python3 /usr/local/bin/python3
BIN := .venv/bin
TESTS ?= tests
# The suite is more than half waiting (players, leases), so four at a time; a file keeps its costly
# fixtures. In the order of the folders: what takes longest comes first, and nobody waits for it.
PYTEST_FLAGS ?= -n 4 --dist loadfile --no-loadscope-reorder
# More words for the chaos: --no-calm, --encodings 20, --lease 10, --folder <kept>.
CHAOS ?=
JOBS ?= 1000
FAULTS ?= 200
MUTANTS ?= 5000
SEED ?= 1
BROKER ?= redis
# Resolve the locks anew with UPGRADE=--upgrade; else pins stay unless pyproject.toml forbids them.
UPGRADE ?=

# A path or a URL may hold spaces, $, & and quotes: it travels as an environment variable.
override SOURCE := $(value SOURCE)
export SOURCE

RUN_INPUTS := requirements/build.txt requirements/run.txt requirements/demo.txt \
	requirements/uv.txt pyproject.toml tools/environment.py
DEV_INPUTS := $(RUN_INPUTS) requirements/dev.txt
# An environment that was moved or copied here, or lost its Python, is made again.
ifneq ($(shell cat .venv/.place 2>/dev/null),$(CURDIR))
MOVED := moved
endif

.PHONY: help install develop demo test check lint fmt sim bench chaos fuzz assets docs sbom audit lock \
	clean moved

help:
	@sed -n '2,/^$$/s/^#\( \{0,3\}\)//p' Makefile

install: .venv/.run

develop: .venv/.dev

demo: .venv/.run
	@$(BIN)/python tools/assets.py --fetch
	@$(BIN)/adaptation demo $${SOURCE:+--source "$$SOURCE"}

test: .venv/.dev
	@$(BIN)/python tools/needs.py
	@$(BIN)/pytest $(PYTEST_FLAGS) $(TESTS)

check: lint
	@$(MAKE) test

lint: .venv/.dev
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: .venv/.dev
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

sim: .venv/.dev
	@PYTHONPATH=tests $(BIN)/python -m simulation $(if $(SEEDS),--seeds $(SEEDS),$(SEED))

bench: .venv/.dev
	@$(BIN)/python -m benchmarks $(BENCH)

chaos: .venv/.dev
	@$(BIN)/python tools/needs.py
	@PYTHONPATH=src:tests $(BIN)/python -m chaos --jobs $(JOBS) --faults $(FAULTS) --seed $(SEED) \
		--broker $(BROKER) $(CHAOS)

fuzz: .venv/.dev
	@PYTHONPATH=src:tests $(BIN)/python -m hostile \
		$(if $(MUTANT),--mutant $(MUTANT),--mutants $(MUTANTS) --seed $(SEED))

assets:
	@npm ci --no-audit --no-fund
	@$(call with_python,tools/assets.py)

docs: .venv/.dev
	@$(BIN)/python tools/error_pages.py

sbom: .venv/.run
	@$(BIN)/python tools/sbom.py dist/adaptation.cdx.json
	@echo dist/adaptation.cdx.json

# Fails as well where the advisories cannot be reached, so it is not a part of `check`.
audit: $(BIN)/uv .venv/audit/bin/pip-audit
	@$(BIN)/python tools/audit.py

.venv/audit/bin/pip-audit: requirements/audit.txt
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv/audit
	@UV_SYSTEM_CERTS=1 $(BIN)/uv pip sync --quiet --require-hashes --python .venv/audit/bin/python \
		requirements/audit.txt
	@touch $@

COMPILE = UV_SYSTEM_CERTS=1 $(BIN)/uv pip compile --quiet $(UPGRADE) --universal \
	--python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command 'make lock'

lock: $(BIN)/uv
	$(COMPILE) pyproject.toml -o requirements/run.txt
	$(COMPILE) pyproject.toml --group dev -c requirements/run.txt -o requirements/dev.txt
	$(COMPILE) --group build -c requirements/dev.txt -o requirements/build.txt
	$(COMPILE) --group uv -o requirements/uv.txt
	$(COMPILE) --group audit -o requirements/audit.txt
	$(COMPILE) --group bench -c requirements/run.txt -o requirements/bench.txt
	$(COMPILE) --group demo --no-deps -o requirements/demo.txt
	if command -v npm >/dev/null; then npm install --package-lock-only; fi

clean:
	rm -rf .venv benchmarks/.venv node_modules build dist htmlcov .coverage* .mypy_cache \
		.ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/uv:
	@$(MAKE) develop

$(BIN)/python: ;

# The script touches the stamps itself, and does nothing when another make was here first.
.venv/.run: $(BIN)/python $(RUN_INPUTS) $(MOVED)
	@$(call with_python,tools/environment.py run)

.venv/.dev: $(BIN)/python $(DEV_INPUTS) $(MOVED)
	@$(call with_python,tools/environment.py dev)

with_python = for python in $(PYTHONS); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    exec "$$python" $(1); \
	  fi; \
	done; \
	echo 'error: no Python 3.11 or newer was found' >&2; \
	echo 'hint: install one, or name it: make PYTHON=/path/to/python3' >&2; \
	exit 1
