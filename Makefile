# The one door: everything a contributor does goes through here.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
COMMANDS := plugins/agent-orchestrator/skills/agent-orchestrator/commands

.PHONY: help setup check format test stress bench demo lock clean

help:  ## List what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The newest thing that the environment was made from decides whether it is made again.
$(BIN)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.13'
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

setup: $(BIN)/.ready  ## Install everything into .venv

check: $(BIN)/.ready  ## Formatting, lint, types, generated files in step
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	MYPYPATH=$(COMMANDS) $(BIN)/mypy --scripts-are-modules $(COMMANDS)/ao-*
	$(BIN)/agent-session-manager openapi | diff -u docs/openapi.json -

format: $(BIN)/.ready  ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: $(BIN)/.ready  ## Run every test
	$(BIN)/pytest -n 2 --dist loadgroup

stress: $(BIN)/.ready  ## Kill, pause and stop runs hundreds of times, and print the figures
	$(BIN)/pytest -m stress --campaign=long

bench: $(BIN)/.ready  ## Print each speed beside its limit, measured in the same run
	$(BIN)/python -m benchmarks

demo: $(BIN)/.ready  ## Start a manager, run real sessions, say what to look at
	@$(BIN)/python scripts/demo.py

lock: $(BIN)/.ready  ## Resolve the newest versions into requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --upgrade --all-extras --group dev \
	  --python-version 3.11 --output-file requirements.lock pyproject.toml

clean:  ## Remove what was built
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis src/*.egg-info
