# Nova Realtime. `make run` and `make test` do everything a fresh machine needs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(shell for v in python3.12 python3.11 python3; do p=$$(command -v $$v) && $$p -c 'import sys, venv; sys.exit(not (3,11) <= sys.version_info[:2] <= (3,13))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
LOCAL := NOVA_AUTH=$${NOVA_AUTH:-open} NOVA_PROVIDERS=$${NOVA_PROVIDERS:-local} NOVA_LOG_FORMAT=$${NOVA_LOG_FORMAT:-console}

.PHONY: help run test bench check fix browser-tools clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

run: $(VENV)/.runtime ## Start the whole system on this machine and print the page's address
	@$(LOCAL) exec $(BIN)/python manage.py run_local

test: $(VENV)/.testing ## Run the whole suite against a real Redis and the AWS emulator
	@$(BIN)/python -m tests.system_tools
	$(BIN)/python -m pytest tests

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
	rm -rf $(VENV) .run .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 with venv is needed: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "could not make $(VENV); Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/.runtime: requirements.txt | $(BIN)/python
	@echo "installing packages ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.testing: tests/requirements.txt $(VENV)/.runtime
	@echo "installing test packages ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@
