# Every task of a contributor is a target here.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# Two tests at a time for each core: most of the time a test waits for another process.
JOBS ?= $(shell $(PYTHON) -c 'import os; print(2 * len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4)')
# Bytecode is kept even if the environment forbids it: a run of the tests starts hundreds of
# interpreters, and each of its workers would compile and rewrite every test again.
unexport PYTHONDONTWRITEBYTECODE
COMMANDS := plugins/agent-orchestrator/skills/agent-orchestrator/commands
SCRIPTS := $(filter-out %.lock,$(wildcard $(COMMANDS)/ao $(COMMANDS)/ao-*))
LOCK_SCRIPT := $(BIN)/uv lock --quiet --no-config --default-index https://pypi.org/simple --python $(BIN)/python

DASHBOARD := src/agent_session_manager/static/index.html
DASHBOARD_SOURCES := $(shell find dashboard -type f -not -path '*/node_modules/*' 2>/dev/null)

.PHONY: help setup dashboard browser check format reference prices test repeat pictures agents stress bench demo wheel lock clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The environment is made again if one of its sources is newer.
$(BIN)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	awk '/^[a-z]/ { is_uv = /^uv==/ } is_uv' requirements.lock > .venv/uv.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

dashboard/node_modules/.ready: dashboard/package-lock.json
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' || { echo 'Node.js 20 or newer is needed for the dashboard' >&2; exit 1; }
	npm ci --prefix dashboard --no-audit --no-fund --loglevel=error
	@touch $@

$(DASHBOARD): dashboard/node_modules/.ready $(DASHBOARD_SOURCES)
	npm run --prefix dashboard --silent build
	@touch $@

setup: $(BIN)/.ready $(DASHBOARD)  ## Install everything into .venv, and build the dashboard

dashboard: $(DASHBOARD)  ## Build the dashboard into the manager's package

browser: $(BIN)/.ready  ## Find a Chromium for the tests, or install one
	@$(BIN)/python scripts/browser.py

check: setup  ## Check formatting, lint, types, English and generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	MYPYPATH=$(COMMANDS) $(BIN)/mypy --scripts-are-modules $(SCRIPTS)
	for script in $(SCRIPTS); do $(LOCK_SCRIPT) --check --offline --script $$script \
	  || { echo "$$script.lock does not fit its header: make lock" >&2; exit 1; }; done
	$(BIN)/agent-session-manager openapi | diff -u docs/openapi.json -
	$(BIN)/python -m scripts.reference --check
	$(BIN)/python scripts/check_english.py
	npm run --prefix dashboard --silent check

format: setup  ## Format the code and apply safe lint fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	npm run --prefix dashboard --silent format

reference: setup  ## Write the generated pages of docs/reference and docs/man
	$(BIN)/python -m scripts.reference

prices: setup  ## Write the prices of models from the locked genai-prices
	$(BIN)/python -m scripts.prices

test: setup browser  ## Run every test
	npm run --prefix dashboard --silent test
	$(BIN)/pytest -n $(JOBS) --dist loadgroup --no-loadscope-reorder $(PYTEST_OPTIONS)

repeat: setup browser  ## Run every test RUNS times, next to BUSY loops, at half speed with SLOW=1
	$(BIN)/python scripts/repeat_tests.py --runs $(or $(RUNS),10) --busy $(or $(BUSY),0) $(if $(SLOW),--slow)

pictures: setup browser  ## Take the pictures of the dashboard for the documentation
	$(BIN)/pytest -q tests/browser/test_pictures.py --pictures

agents: setup  ## Install real agents into .agents, run one scenario with each, and write the page of it
	$(BIN)/python -m tests.agents.install
	$(BIN)/python -m tests.agents $(AGENTS)

stress: setup  ## Kill, pause and stop runs hundreds of times, and print the figures
	$(BIN)/pytest -m "stress or hypothesis" --campaign=long

bench: setup browser  ## Print each speed next to its limit, measured in the same run
	$(BIN)/python -m benchmarks

demo: setup  ## Start a manager and run real sessions
	@$(BIN)/python scripts/demo.py

wheel: setup  ## Build the wheel and the source archive into dist, with the dashboard
	$(BIN)/uv build --quiet --offline --no-build-isolation --python $(BIN)/python --out-dir dist .
	@ls dist/*.whl dist/*.tar.gz

lock: $(BIN)/.ready  ## Resolve the newest versions into requirements.lock and the locks of the commands
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --upgrade --all-extras --group dev \
	  --python-version 3.11 --output-file requirements.lock pyproject.toml
	versions=$$(sed -nE 's/^([a-z0-9_.-]+)(\[[a-z,]*\])?==([^ ;]+).*/-P \1==\3/p' requirements.lock) && \
	  for script in $(SCRIPTS); do $(LOCK_SCRIPT) $$versions --script $$script || exit 1; done

clean:  ## Remove all build results
	rm -rf .venv .agents dashboard/node_modules src/agent_session_manager/static build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis src/*.egg-info
