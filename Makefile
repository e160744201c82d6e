# Nova Realtime. `make run` and `make test` do everything a fresh machine needs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
# The first of these that is 3.11 to 3.13 and can make a virtual environment; PYTHON=/path/to/python overrides.
PYTHON ?= $(shell for name in python3.12 python3.11 python3.13 python3; do \
	$$name -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& { echo $$name; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --use-pep517
# A test that fails runs once more, two of them in each part; the list of those, with their tracebacks, ends the part.
SUITE := $(BIN)/python -m pytest tests --reruns 1 --max-suite-reruns 2 --rerun-show-tracebacks
NOT_INSTALLED := the packages could not be installed (see above); with a network that reaches PyPI, run it again
LOCAL := NOVA_AUTH=$${NOVA_AUTH:-open} NOVA_PROVIDERS=$${NOVA_PROVIDERS:-local} NOVA_LOG_FORMAT=$${NOVA_LOG_FORMAT:-console}

.PHONY: help run test bench check fix clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

run: $(VENV)/.runtime ## Start the whole system on this machine and print the page's address
	@$(LOCAL) exec $(BIN)/python manage.py run_local

test: $(VENV)/.testing ## Run the whole suite against a real Redis and the AWS emulator
	@$(BIN)/python -m tests.system_tools
	$(SUITE) -m "not chaos and not deployment" -n 2 -p tests.sharing_out
	$(SUITE) -m chaos
	@$(BIN)/python -m tests.deployment.python312
	$(SUITE) -m deployment

bench: $(VENV)/.testing ## Run the benchmarks and print their tables
	$(BIN)/python -m tests.benchmarks

check: $(VENV)/.testing ## Lint, formatting, types, import contracts; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/.testing ## Repair what the linter and the formatter can repair
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove the environment and everything a run has left
	rm -rf $(VENV) .venv-deployment .venv-deployment.lock .run .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 with venv is needed (Debian, Ubuntu: apt-get install python3-venv)"; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "could not make $(VENV); see above"; exit 1; }

$(VENV)/.runtime: requirements.txt requirements-nodeps.txt | $(BIN)/python
	@echo "installing packages (once, a minute or two) ..."
	@$(INSTALL) -r requirements.txt || { echo "$(NOT_INSTALLED)"; exit 1; }
	@$(INSTALL) --no-deps -r requirements-nodeps.txt || echo "no voice model: voice activity goes by energy"
	@touch $@

$(VENV)/.testing: tests/requirements.txt $(VENV)/.runtime
	@echo "installing test packages (once) ..."
	@$(INSTALL) -r tests/requirements.txt || { echo "$(NOT_INSTALLED)"; exit 1; }
	@touch $@
