# make demo    sets up, builds the example dataset and a page of it
# make test    sets up, then runs all that CI runs: format, lint, types, tests
# make check   the same under its other name
# make test-long   more random edits, projects and kills than make test has time for
# make browser   installs Debian's Chromium, as root, for the tests that open the page; without it they are skipped
# make bench   lakebox beside deeplake's own Labelbox integration; make bench-full: the slow comparisons, too

PYTHON ?= python3
BIN := .venv/bin
# One more than there are cores: many tests wait, for servers, for pauses, for processes of their own.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

.PHONY: demo test test-long check lint bench bench-full browser clean

demo: .venv/demo
	@$(BIN)/lakebox

test: lint .venv/azurite
	$(BIN)/pytest -q -n $(WORKERS) --dist worksteal --timeout 600

test-long: .venv/dev
	LAKEBOX_EXAMPLES=20 $(BIN)/pytest -q -n auto --timeout 3600 tests/test_refetch_stateful.py \
	  tests/test_refetch_disturbed.py tests/test_killed.py tests/test_exactness.py tests/test_upload.py tests/test_changes.py \
	  tests/test_lance.py

check: test

lint: .venv/dev
	$(BIN)/ruff format --check src tests examples
	$(BIN)/ruff check src tests examples
	$(BIN)/mypy

bench: .venv/dev
	$(BIN)/python -m tests.benchmarks

bench-full: .venv/dev
	$(BIN)/python -m tests.benchmarks --full

.venv:
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip

.venv/demo: pyproject.toml | .venv
	$(BIN)/pip install --quiet --editable '.[preview]'
	@touch $@

.venv/dev: pyproject.toml | .venv
	$(BIN)/pip install --quiet --editable '.[preview,sign]' --group dev
	@touch $@ .venv/demo

# Azure's emulator, for the tests of its signatures; they say that they were skipped where there is no node.
.venv/azurite: | .venv
	@if command -v npm >/dev/null; then npm install --silent --no-audit --no-fund --prefix $@ azurite@3.35 \
	  || { rm -rf $@; echo "azurite: npm could not install it; its tests will be skipped"; }; fi

browser:
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends chromium chromium-driver >/dev/null

clean:
	rm -rf .venv build dist src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
