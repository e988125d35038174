# `make start` and `make test` do their own set-up. `make help` lists the rest.

PYTHON ?= python3
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# RelStorage and its drivers change what gevent and psycopg2 do: they have an environment of theirs.
STORAGES := .venv-storages
WANTED := constraints.txt requirements-dev.txt setup.py examples/wsgifutures_demo/setup.py
PYTEST := $(BIN)/python -m pytest -p no:cacheprovider
# pytest-plone imports Plone in every run; the kernel is tested without it.
PURE := -p no:plone
LINTED := src tests examples benchmarks tools docs setup.py

.PHONY: help
help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.PHONY: start
start: $(READY)  ## Start the demo at http://localhost:8080 (PORT=9000 make start moves it)
	@exec $(BIN)/python examples/start.py --port $(PORT)

.PHONY: test
test: test-kernel test-docs test-plone test-server  ## Run the tests

.PHONY: test-kernel
test-kernel: $(READY)  ## The kernel and the middleware, plain and under gevent
	$(PYTEST) $(PURE) tests/kernel tests/wsgi tests/upstreams tests/testing tests/status
	$(BIN)/python tests/gevented.py -p no:cacheprovider $(PURE) -m "concurrency and not storages" tests/kernel tests/wsgi tests/upstreams tests/testing tests/status

.PHONY: test-docs
test-docs: $(READY)  ## The code in the docs
	$(PYTEST) $(PURE) tests/docs

.PHONY: test-plone
test-plone: $(READY)  ## A Plone site in this process
	$(PYTEST) tests/plone

.PHONY: test-server
test-server: $(READY)  ## Real servers on a real site
	$(PYTEST) $(PURE) tests/server

.PHONY: test-all
test-all: test test-operation test-storages test-browser test-pythons  ## The tests, and what needs more than this environment

.PHONY: test-operation
test-operation: $(READY)  ## Limits, stops, memory and the audit: servers that start for one test
	$(PYTEST) $(PURE) -m operation tests/server

.PHONY: test-storages
test-storages: $(STORAGES)/.ready  ## RelStorage on SQLite and PostgreSQL, ZEO; Redis, Memcached
	$(STORAGES)/bin/python tools/servers.py
	$(STORAGES)/bin/python -m pytest -p no:cacheprovider $(PURE) -m storages tests/upstreams tests/server
	$(STORAGES)/bin/python tests/gevented.py -p no:cacheprovider $(PURE) -m storages tests/upstreams

.PHONY: test-browser
test-browser: $(READY)  ## Pages in a real browser; screenshots into var/screenshots
	$(BIN)/python tools/browser.py
	$(PYTEST) $(PURE) tests/browser

.PHONY: test-pythons
test-pythons: $(READY)  ## What needs no Zope, and one server test, on the other Pythons
	$(BIN)/python tools/pythons.py

.PHONY: lint
lint: $(READY)  ## ruff, zpretty, mypy
	$(BIN)/ruff check $(LINTED)
	$(BIN)/ruff format --check $(LINTED)
	git ls-files '*.zcml' '*.pt' '*.xml' | xargs $(BIN)/zpretty --check
	$(BIN)/mypy -p collective.wsgifutures

.PHONY: docs
docs: $(READY)  ## Build the docs into docs/_build/html; a warning is an error
	$(BIN)/sphinx-build -W --keep-going -q -d docs/_build/doctrees docs docs/_build/html

.PHONY: wheel
wheel: $(READY)  ## Build the wheel and look into it
	$(BIN)/python tools/wheel.py

.PHONY: constraints
constraints:  ## Renew constraints.txt: the newest versions, on each supported Python
	$(PYTHON) tools/constraints.py $$($(PYTHON) tools/pythons.py --list)

.PHONY: clean
clean:  ## Remove the environment and what was built; var/ with its content stays
	rm -rf $(VENV) $(STORAGES) build dist docs/_build tests/browser/node_modules src/*.egg-info

$(READY): $(WANTED)
	@$(PYTHON) tools/environment.py $(VENV)

$(STORAGES)/.ready: $(WANTED) requirements-storages.txt
	@$(PYTHON) tools/environment.py $(STORAGES) requirements-storages.txt
