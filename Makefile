# One command each: solve, test, lint, bench, docs, clean. Needs Python 3.11 or later with venv and pip.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
CONFIG ?= examples/coding_agent.yaml

.DEFAULT_GOAL := help
.PHONY: help solve test lint format bench docs clean

help:                 ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name it: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# A stamp marks what is installed; it is older than pyproject.toml when the dependencies changed.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,distributed]'
	@touch $@ $(VENV)/.installed

solve: $(VENV)/.installed   ## set up, then solve CONFIG (default: the coding agent)
	$(BIN)/allocate solve $(CONFIG)

test: $(VENV)/.installed-dev  ## run the tests on two cores
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.installed-dev  ## ruff, pyright and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev  ## let ruff rewrite the layout
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.installed-bench: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@ $(VENV)/.installed

bench: $(VENV)/.installed-bench  ## run the standard benchmarks and write their tables
	$(BIN)/python -m benchmarks all

docs: $(VENV)/.installed-dev  ## write the JSON Schemas, and docs/commands.md (not committed)
	$(BIN)/python -m allocate.models.schema
	$(BIN)/allocate schema result --out allocate/schema/result.schema.json
	$(BIN)/typer allocate.cli.main utils docs --name allocate --output docs/commands.md

clean:                ## remove the environment and everything that was built
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
