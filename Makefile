# Every target sets up what it needs: Python >= 3.11 and git are all that has to be there.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
LINK := .cache/collections/ansible_collections/dbaas/platform
READY := $(VENV)/.locked
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url
# uv trusts what the machine trusts; where only pip knows the way to a mirror, pip takes over.
export UV_SYSTEM_CERTS := 1
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Every run is many Python processes: without bytecode kept each of them compiles Ansible for itself, two seconds long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## show what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  %-12s %s\n' "$$name" "$$text"; done

.PHONY: venv
venv: $(READY) ## make .venv from the lock

$(READY): tests/requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 with venv is missing (Debian: apt install python3 python3-venv)"; exit 1; }
	@command -v git >/dev/null || { echo "git is missing (Debian: apt install git)"; exit 1; }
	@test -x $(BIN)/python || { echo "making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv $(VENV); }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint tests/requirements.txt uv
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python tests/requirements.txt || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
	@mkdir -p $(dir $(LINK)) && ln -sfn ../../../.. $(LINK)
	@touch $(READY)

.PHONY: quickstart
quickstart: $(READY) ## two PoPs, a tenant and a database of each engine, in the lab
	@$(BIN)/python -m tests.quickstart

.PHONY: lab
lab: $(READY) ## start the lab: whole PoPs on this machine
	@$(BIN)/python -m tests.lab up

.PHONY: lab-down
lab-down: $(READY) ## stop the lab
	@$(BIN)/python -m tests.lab down

.PHONY: test
test: $(READY) ## all checks and tests, with a table of what ran at the end
	@$(BIN)/python -m tests.stages

.PHONY: lint
lint: $(READY) ## the linters, types and docs
	@$(BIN)/python -m tests.stages lint

.PHONY: unit sanity integration
unit: $(READY) ## the unit tests
sanity: $(READY) ## ansible-test sanity
integration: $(READY) ## the tests against the lab
unit sanity integration:
	@$(BIN)/python -m tests.stages $@

.PHONY: format
format: $(READY) ## let ruff lay out and mend the Python
	@$(BIN)/ruff check --fix --quiet; $(BIN)/ruff format

.PHONY: generate
generate: $(READY) ## write anew what is made from the schemas and from the plugins
	@PYTHONPATH=.cache/collections $(BIN)/python -m tests.tools.fragments
	@PYTHONPATH=.cache/collections $(BIN)/python -m tests.tools.reference

.PHONY: bench
bench: $(READY) ## the benchmarks
	@$(BIN)/pytest -q -s tests/benchmarks

.PHONY: operators
operators: $(READY) ## manifests before operators' own checks, and Percona's operator running (Go; 12 minutes the first time)
	@$(BIN)/python -m tests.operators.build && $(BIN)/pytest -q tests/operators

.PHONY: mutation
mutation: $(READY) ## delete every line of the renderers once; at most 3 % may go unnoticed
	@$(BIN)/python -m tests.tools.mutation

.PHONY: lock
lock: $(READY) ## pin anew what the requirements*.in ask for
	@for name in requirements tests/requirements tests/requirements-importer; do $(COMPILE) --upgrade $$name.in --output-file $$name.txt; done

.PHONY: changelog
changelog: $(READY) ## make CHANGELOG.md of the fragments, for a release
	@$(BIN)/antsibull-changelog release

.PHONY: clean
clean: ## remove what the other targets made here; the user cache stays
	@rm -rf $(VENV) .cache dist
