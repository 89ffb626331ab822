# Everything a developer types; needs Python 3.11 or later, and make.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
# Apart, so that the site and the tests never run with the peers that are only measured.
BENCH_VENV := .venv-bench
export PORT

.PHONY: run test screenshots coverage test-stores prove stress bench bench-quick bench-policies lint clean
.DEFAULT_GOAL := run

# Serves the site on http://127.0.0.1:8000 (PORT=8001 make run: elsewhere) until Ctrl-C.
run: $(VENV)/.installed
	@exec $(BIN)/python manage.py serve

# Files, not names, so that nothing is installed again until the requirements change.
$(VENV)/.installed: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements.txt requirements-postgresql.txt requirements-dev.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.installed

$(BENCH_VENV)/.installed: requirements.txt requirements-dev.txt benchmarks/requirements.txt | $(BENCH_VENV)/bin/python
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
	    -r requirements-dev.txt -r benchmarks/requirements.txt
	@touch $@

$(VENV)/bin/python $(BENCH_VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or later is needed; say which: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(@:/bin/python=)

# TESTS=tests/orders runs some of them.
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(or $(TESTS),--numprocesses auto --dist worksteal)

# The suite on real servers, and a table of what passed. STORES="postgresql" runs one, ARGS="-n 2 tests/orders" some tests.
test-stores: $(VENV)/.installed-dev
	$(BIN)/python -m tests.stores $(if $(STORES),--stores "$(STORES)") $(ARGS)

# Takes the pictures of docs/screenshots/ anew; needs Chromium, as tests/browser does.
screenshots: $(VENV)/.installed-dev
	WRITE_SCREENSHOTS=1 $(BIN)/python -m pytest tests/browser/test_accessibility.py

# Apart from `test`, which would take nearly twice as long; without the tests that watch other processes or no code at all.
coverage: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal --cov --cov-report=term \
	    $(addprefix --ignore=tests/,benchmarks browser machine model prove stress)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	DJANGO_SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))') DJANGO_HTTPS=true \
	    $(BIN)/python manage.py check --deploy --fail-level WARNING

# ARGS="--sabotage=mark" switches a part off, which must be caught; ARGS="--redis=cluster" runs with another Redis than one
# server (sentinel, cluster, rest).
prove: $(VENV)/.installed-dev
	$(BIN)/python -m tests.prove $(ARGS)

# ARGS="--seconds 600" goes on for longer, ARGS="--kills 1000" kills writers within their writes; --redis as above.
stress: $(VENV)/.installed-dev
	$(BIN)/python -m tests.stress $(ARGS)

# Beside its peers, in less than ten minutes. ARGS="--section local" measures a part, ARGS="--write-docs" draws docs/benchmarks/.
bench: $(BENCH_VENV)/.installed
	$(BENCH_VENV)/bin/python -m benchmarks $(ARGS)

# The same rows with fewer rounds, in less than a minute.
bench-quick: $(BENCH_VENV)/.installed
	$(BENCH_VENV)/bin/python -m benchmarks --quick $(ARGS)

# A true week with fixed, adaptive and predictive caching. ORDERS=path/to/orders.csv ARGS="--write-docs"
bench-policies: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.policies $(addprefix --orders ,$(ORDERS)) $(ARGS)

# Keeps var/, which holds the database.
clean:
	rm -rf $(VENV) $(BENCH_VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov \
	    benchmarks/results
