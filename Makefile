# Everything happens in .venv, which needs only a Python 3.11 or newer. `make` lists what there is.

.DEFAULT_GOAL := help
.PHONY: help setup run test faults check-all lint types audit

# The first Python that is new enough and can make environments; name another with PYTHON=/path/to/python.
PYTHON ?=
TRIED = $(PYTHON) python3 python3.13 python3.12 python3.11 python
FIT = import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
MISSING = splice needs Python 3.11 or newer with its venv module (Debian: apt-get install python3 python3-venv); \
name one with make PYTHON=/path/to/python3.11

BIN = .venv/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SPLICE = --build-constraint constraints.txt --editable '.[postgresql,mariadb,standard,testing]'
ARGS ?=
WORKERS ?= 2

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name what; do \
		printf '  make %-10s %s\n' "$$name" "$$what"; done

setup: .venv/.setup ## make .venv with splice and its drivers; then .venv/bin/uvicorn examples.users.main:app works

run: .venv/.setup ## serve examples/users on 127.0.0.1:8000 (PORT= and DATABASE_URL= change that)
	@exec $(BIN)/python -m examples.users

test: .venv/.test ## run the suite on SQLite, PostgreSQL and, where mariadbd is installed, MariaDB (ARGS= go to pytest)
	@exec $(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

faults: .venv/.test ## every case of tests/faults, quick and long, and a table of them
	@exec $(BIN)/python -m pytest tests/faults -n $(WORKERS) -m "" $(ARGS)

check-all: .venv/.test faults ## the slow tests and the faults, then the oldest and newest versions that are supported
	@$(BIN)/python -m pytest -m slow $(ARGS)
	@$(BIN)/python scripts/support.py --check

lint: .venv/.lint ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: .venv/.lint .venv/.test ## mypy on the package, pyright on the public API
	@$(BIN)/mypy
	@PATH="$(CURDIR)/$(BIN):$$PATH" pyright
	@PATH="$(CURDIR)/$(BIN):$$PATH" pyright --verifytypes splice --ignoreexternal

audit: .venv/.audit ## look every pinned version up among known vulnerabilities (asks the internet; what cannot be asked about fails)
	@$(BIN)/pip-audit --strict --no-deps --disable-pip --progress-spinner off --requirement constraints.txt

.venv/.python:
	@for python in $(TRIED); do \
		if "$$python" -c '$(FIT)' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "$(MISSING)" >&2; exit 1; fi; \
	"$$found" -m venv --clear .venv
	@touch $@

.venv/.setup: .venv/.python pyproject.toml constraints.txt
	@$(PIP) --upgrade pip
	@$(PIP) $(SPLICE)
	@touch $@

.venv/.test: .venv/.setup
	@$(PIP) --group test
	@touch $@

.venv/.lint: .venv/.setup
	@$(PIP) --group lint
	@touch $@

.venv/.audit: .venv/.setup
	@$(PIP) --group audit
	@touch $@
