# `make demo` and `make test` need Python 3.11 or newer with venv, and do all the rest themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo test check properties torture audit format formatted lint secure types contracts clean
.NOTPARALLEL:

help:
	@echo "make demo    set up, run the flagship pipeline of jobs/, ask it for its figures, run it again"
	@echo "make test    set up, run all tests"
	@echo "make check   format, lint, types, import contracts, tests: what .ci/run runs"
	@echo "make properties  every grain around every change of every zone's clock, 1970 to 2100"
	@echo "make torture  every failpoint, call, system call and power cut, a thousand kills; some hours"
	@echo "make audit   known flaws of what partflow depends on; asks a service on the network"
	@echo "make format  put the code into its format"
	@echo "make clean   remove what demo and tests made, and .venv"

demo: $(VENV)/.flagship
	$(BIN)/partflow materialize -j 2
	@echo; echo "How wrong the models were in 2012, by model and by the weather that they were told:"
	$(BIN)/partflow query - < docs/figures.sql
	@echo; echo "The last two weeks are drawn in deployed/forecast.png."
	$(BIN)/python docs/make_pictures.py deployed/forecast.png
	@echo; echo "Once more: nothing that it is made from has changed."
	$(BIN)/partflow materialize -j 2

test: $(VENV)/.dev
	$(BIN)/python -m pytest

check: formatted lint secure types contracts test

# `check` looks at some zones only; this takes seven minutes on two cores.
properties: $(VENV)/.dev
	ZONES=all $(BIN)/python -m pytest tests/partitions/test_transition_laws.py

# `check` fails a run at a sample of places only; `FAULTS=test_kills.py` tortures one suite alone.
torture: $(VENV)/.dev
	TORTURE=all $(BIN)/python -m pytest --timeout 0 -n 2 --dist worksteal tests/faults/$(FAULTS)

audit: $(VENV)/.dev
	$(PIP) install -c constraints.txt -e '.[audit]'
	$(BIN)/pip-audit --strict --disable-pip --no-deps -r constraints.txt

formatted: $(VENV)/.dev
	$(BIN)/ruff format --check

lint: $(VENV)/.dev
	$(BIN)/ruff check

secure: $(VENV)/.dev
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive partflow jobs

types: $(VENV)/.dev
	$(BIN)/mypy --strict partflow jobs
	cd partflow/template && ../../$(BIN)/mypy --strict --config-file ../../pyproject.toml \
		--cache-dir ../../.mypy_cache/template --explicit-package-bases jobs tests

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf $(VENV) deployed
	[ ! -d warehouse ] || find warehouse -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

# Each file stands for a set-up that went through to its end.

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "partflow needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo missing)." >&2; \
		echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.flagship: $(VENV)/.python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[flagship]'
	@touch $@

$(VENV)/.dev: $(VENV)/.python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[flagship,dev]'
	@touch $@ $(VENV)/.flagship
