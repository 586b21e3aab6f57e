# Everything one does with this repository. `make` alone says what there is.
# Paths are relative on purpose: the checkout may lie in a folder with spaces in its name.

# The Python that makes .venv: the first on PATH that is 3.11 or newer. PYTHON=... chooses another.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14 python3.15 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)
VENV_PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help python demo lab test lint bundle bench fuzz notebooks clean

help: ## what there is
	@echo 'nbspy: a sampling profiler for Python that lives in the notebook'
	@echo
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

python:
	@if [ -z "$(PYTHON)" ]; then \
		echo 'nbspy: no Python 3.11 or newer on PATH; install one, or name it: make PYTHON=/path/to/python3' >&2; \
		exit 1; fi

demo: python ## sample a real process, execute the quickstart against it, leave both in demo/
	@"$(PYTHON)" tools/make_venv.py notebook
	@$(VENV_PYTHON) tools/demo.py

lab: python ## JupyterLab on the quickstart, with a live demo target
	@"$(PYTHON)" tools/make_venv.py notebook
	@$(VENV_PYTHON) tools/demo.py lab

test: python ## every test: Python, js, and the notebook in a real browser
	@"$(PYTHON)" tools/make_venv.py test
	@$(VENV_PYTHON) tools/run_tests.py $(ARGS)

lint: python ## ruff and mypy --strict; eslint and tsc where node is there
	@"$(PYTHON)" tools/make_venv.py test lint
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy --strict
	$(VENV_PYTHON) -m mypy --strict tests/typing_of_users.py
	@if command -v npm >/dev/null 2>&1; then $(MAKE) --no-print-directory lint-js; \
		else echo 'nbspy: NOT RUN: eslint and tsc. To get them: node 20 or newer with npm'; test -z "$$CI"; fi

.PHONY: lint-platforms
lint-platforms: python
	@"$(PYTHON)" tools/make_venv.py lint
	$(VENV_PYTHON) -m mypy --strict --platform darwin --cache-dir .mypy_cache/darwin
	$(VENV_PYTHON) -m mypy --platform win32 --config-file tools/mypy-windows.ini --cache-dir .mypy_cache/win32

.PHONY: lint-js
lint-js: js/node_modules/.package-lock.json
	cd js && npm run --silent lint && npm run --silent typecheck

js/node_modules/.package-lock.json: js/package-lock.json
	cd js && npm ci --no-audit --no-fund
	@touch $@

tests/readers/node_modules/.package-lock.json: tests/readers/package-lock.json
	cd tests/readers && npm ci --no-audit --no-fund
	@touch $@

bundle: js/node_modules/.package-lock.json ## rebuild nbspy/static from js/ (needs node)
	cd js && npm run --silent build

notebooks: python ## execute the notebooks against a demo target, into build/notebooks
	@"$(PYTHON)" tools/make_venv.py notebook
	@$(VENV_PYTHON) tools/run_notebooks.py

bench: python ## the figures beside those of the peers; ARGS="--quick" for 5 minutes, ARGS="--help" for more
	@"$(PYTHON)" tools/make_venv.py bench
	@$(VENV_PYTHON) -m bench $(ARGS)

fuzz: python ## coverage-guided fuzzing of all that is read, 2 minutes; ARGS="--seconds 600 wire" for more
	@"$(PYTHON)" tools/make_venv.py fuzz
	@$(VENV_PYTHON) -m tools.fuzz $(ARGS)

clean: ## remove what the other targets leave, .venv too
	rm -rf .venv build demo dist js/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
