# `make start` and `make test` do their own set-up. `make help` lists the rest.

PYTHON ?= python3
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# RelStorage and its drivers change what gevent and psycopg2 do: they have an environment of theirs.
STORAGES := .venv-storages
PLONE61 := .venv-plone61
WANTED := constraints.txt requirements-dev.txt requirements-alone.txt setup.py examples/wsgifutures_demo/setup.py worker/pyproject.toml
PYTEST := $(BIN)/python -m pytest -p no:cacheprovider
# pytest-plone imports Plone in every run; the kernel is tested without it.
PURE := -p no:plone
# hypothesis is imported at the end of a run that has not used it, beside threads that its tests have
# left, and Python 3.11 may fail to compile there ("AST constructor recursion depth mismatch").
THREADED := $(PURE) -p no:hypothesispytest
LINTED := src tests examples benchmarks tools docs worker setup.py

.PHONY: help
help:  ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.PHONY: start
start: $(READY)  ## Start the demo at http://localhost:8080 (PORT=9000 make start moves it)
	@exec $(BIN)/python examples/start.py --port $(PORT)

# Most tests wait more than they compute, so two suites go side by side, the long ones first.
SIDE_BY_SIDE := $(MAKE) --no-print-directory --jobs=2 --output-sync=target --keep-going
TESTS := test-server test-kernel test-plone test-docs test-worker

.PHONY: test
test: $(READY)  ## Run the tests
	@echo "Two suites at a time, some five minutes. Each tells what it found when it has ended."
	@$(SIDE_BY_SIDE) $(TESTS)

.PHONY: test-kernel
test-kernel: $(READY)  ## The kernel and the middleware, plain and under gevent
	$(PYTEST) $(PURE) tests/kernel tests/wsgi tests/upstreams tests/testing tests/status tests/metrics tests/jobs tests/keys tests/workers tests/amqp tests/clock tests/tokens
	$(BIN)/python tests/gevented.py -p no:cacheprovider $(PURE) -m "concurrency and not storages" tests/kernel tests/wsgi tests/upstreams tests/testing tests/status tests/jobs tests/clock

# What workers in a shell and in Node.js need: once for both suites, which go side by side.
.PHONY: languages
languages: $(READY)
	@$(BIN)/python tools/servers.py languages

.PHONY: test-worker
test-worker: $(READY) languages  ## The worker elsewhere, which is a distribution of its own
	$(PYTEST) $(THREADED) worker/tests

.PHONY: test-docs
test-docs: $(READY)  ## The code in the docs
	$(PYTEST) $(PURE) tests/docs

# Compiled templates stay from one test to the next.
test-plone: export CHAMELEON_CACHE := $(CURDIR)/$(VENV)/templates
test-plone61: export CHAMELEON_CACHE := $(CURDIR)/$(PLONE61)/templates

.PHONY: test-plone
test-plone: $(READY)  ## A Plone site in this process
	$(PYTEST) tests/plone

.PHONY: test-server
test-server: $(READY) languages  ## Real servers on a real site
	$(PYTEST) $(THREADED) tests/server

# Each loads Plone again and again, which takes most of the time, or runs some thousand tests.
ALL := test-operation test-browser test-kernel test-python-3.12 test-python-3.13 test-server \
    test-plone61 test-storages test-plone test-worker test-docs test-brokers test-fronts \
    test-wheel test-monitoring test-python-3.11

.PHONY: test-all
test-all: $(READY)  ## The tests, and what needs more than this environment
	@echo "Two suites at a time, some 25 minutes. Each tells what it found when it has ended."
	@$(SIDE_BY_SIDE) $(ALL)

.PHONY: servers
servers:  ## Debian's packages for all of that, and axe-core, at once
	@$(PYTHON) tools/servers.py storages fronts monitoring brokers languages
	@$(PYTHON) tools/browser.py

.PHONY: test-operation
test-operation: $(READY)  ## Limits, stops, memory and the audit: servers that start for one test
	$(PYTEST) $(THREADED) -m operation tests/server

.PHONY: test-storages
test-storages: $(STORAGES)/.ready  ## RelStorage on SQLite and PostgreSQL, ZEO; Redis, Memcached
	$(STORAGES)/bin/python tools/servers.py storages
	$(STORAGES)/bin/python -m pytest -p no:cacheprovider $(THREADED) -m storages tests/upstreams tests/server
	$(STORAGES)/bin/python tests/gevented.py -p no:cacheprovider $(THREADED) -m storages tests/upstreams

.PHONY: test-brokers
test-brokers: $(STORAGES)/.ready  ## RabbitMQ and Redis: relay, messages, consumers, workers, kills
	$(STORAGES)/bin/python tools/servers.py brokers
	$(STORAGES)/bin/python -m pytest -p no:cacheprovider $(THREADED) -m brokers tests/brokers tests/server
	$(STORAGES)/bin/python -m pytest -p no:cacheprovider $(THREADED) -m brokers worker/tests

.PHONY: test-browser
test-browser: $(READY)  ## Pages in a real browser; screenshots into var/screenshots
	$(BIN)/python tools/browser.py
	$(PYTEST) $(THREADED) tests/browser

.PHONY: test-fronts
test-fronts: $(READY)  ## nginx, HAProxy and Varnish in front, as the docs configure them
	$(BIN)/python tools/servers.py fronts
	$(PYTEST) $(THREADED) -m fronts tests/server

.PHONY: test-monitoring
test-monitoring: $(READY)  ## Prometheus itself scrapes a server; the alerts fire
	$(BIN)/python tools/servers.py monitoring
	$(PYTEST) $(THREADED) -m monitoring tests/metrics tests/server

.PHONY: test-python-3.11 test-python-3.12 test-python-3.13
test-python-3.11 test-python-3.12 test-python-3.13: test-python-%: $(READY)
	$(BIN)/python tools/pythons.py $*

.PHONY: test-plone61
test-plone61: $(PLONE61)/.ready  ## Plone 6.1, in this process and on two servers
	$(PLONE61)/bin/python -m pytest -q -p no:cacheprovider tests/plone
	$(PLONE61)/bin/python -m pytest -q -p no:cacheprovider $(THREADED) -m smoke tests/server

.PHONY: test-pythons
test-pythons: test-python-3.11 test-python-3.12 test-python-3.13  ## What another Python can change, on each

.PHONY: test-account
test-account:  ## The README's commands for a new user who has nothing; as root
	$(PYTHON) tools/account.py

.PHONY: lint
lint: $(READY)  ## ruff, zpretty, mypy
	$(BIN)/ruff check $(LINTED)
	$(BIN)/ruff format --check $(LINTED)
	git ls-files '*.zcml' '*.pt' '*.xml' | xargs $(BIN)/zpretty --check
	$(BIN)/mypy -p collective.wsgifutures
	$(BIN)/mypy --config-file worker/pyproject.toml

.PHONY: docs
docs: $(READY)  ## Build the docs into docs/_build/html; a warning is an error
	$(BIN)/sphinx-build -W --keep-going -q -d docs/_build/doctrees docs docs/_build/html

.PHONY: benchmarks
benchmarks: $(READY) $(STORAGES)/.ready  ## Make the figures of the docs anew, in two hours
	$(BIN)/python benchmarks/run_all.py

.PHONY: screenshots
screenshots: $(READY)  ## Make the pictures of the docs anew, in twelve minutes
	$(BIN)/python tools/browser.py
	$(BIN)/python tools/screenshots.py

.PHONY: translations
translations: $(READY)  ## Bring new texts into the catalogues, and compile these
	$(BIN)/python tools/translations.py

.PHONY: wheel
wheel: $(READY)  ## Build the wheel and the source distribution, and look into them
	$(BIN)/python tools/wheel.py

.PHONY: test-wheel
test-wheel: $(READY)  ## A site that runs from each of them, in an empty environment
	$(BIN)/python tools/installed.py

.PHONY: constraints
constraints:  ## Renew constraints.txt: the newest versions, on each supported Python
	$(PYTHON) tools/constraints.py $$($(PYTHON) tools/pythons.py --list)

.PHONY: clean
clean:  ## Remove the environment and what was built; var/ with its content stays
	rm -rf $(VENV) $(STORAGES) $(PLONE61) .venv-3.1[123] build dist docs/_build tests/browser/node_modules src/*.egg-info worker/src/*.egg-info

$(READY): $(WANTED)
	@$(PYTHON) tools/environment.py $(VENV)

$(STORAGES)/.ready: $(WANTED) requirements-storages.txt | $(READY)
	@$(PYTHON) tools/environment.py $(STORAGES) requirements-storages.txt

$(PLONE61)/.ready: $(WANTED) requirements-plone61.txt constraints-plone61.txt | $(READY)
	@$(PYTHON) tools/environment.py $(PLONE61) requirements-plone61.txt constraints-plone61.txt
