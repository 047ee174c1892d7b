# Run `make` to see what there is to run.

PYTHON ?= python3
VENV := .venv
# Most modules are never imported; Python compiles those that are.
INSTALL := python -m pip --disable-pip-version-check --quiet install --no-compile
# Python should find this folder and the packages of the environment, and nothing else, and keep
# what it compiles. pip should install there, whatever the user's settings are.
unexport PYTHONPATH PYTHONSAFEPATH PYTHONDONTWRITEBYTECODE
export PIP_USER := 0
export PIP_TARGET :=
export PIP_PREFIX :=
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.DEFAULT_GOAL := help
DATA ?= data/raw/sample

.PHONY: help repro test test-all lint coverage verify bench constraints web test-web

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

repro: $(VENV)/installed ## rebuild what is out of date in the pipeline, then say what it measured
	@# Without DVC's advice to push, for which a remote is needed.
	@bash -o pipefail -c "PYTHONUNBUFFERED=1 dvc repro | grep --line-buffered -v 'dvc push'"
	@python -m scripts.summary

# Threads of one test that wait by spinning would take the time of the other tests. The files that
# run DVC are in tests/ itself: they take long and start first.
PYTEST := OMP_WAIT_POLICY=PASSIVE python -m pytest --numprocesses 4 --dist loadfile \
	--no-loadscope-reorder tests/test_*.py tests/*/

test: lint ## lint, then run the tests, four at a time (many of them wait)
	$(PYTEST)

test-all: lint ## as test, with the slow tests
	$(PYTEST) -m ""

web: $(VENV)/installed-web ## serve a page to try networks, for this machine only
	python -m web

test-web: $(VENV)/installed-web ## test that page in Chromium, which must be installed
	python -m pytest tests/web

coverage: $(VENV)/installed ## show which lines and branches the tests do not reach
	python -m pytest tests/colorizer tests/stages --cov

lint: $(VENV)/installed ## check format, style and types
	ruff format --check .
	ruff check .
	mypy
	lint-imports

verify: $(VENV)/installed ## rebuild the committed pipeline from scratch and compare every hash
	python -m scripts.verify

bench: $(VENV)/installed ## measure speed and memory, on DATA=data/raw/NAME or the sample
	dvc repro --quiet sample
	python -m benchmarks.epochs $(DATA)
	python -m benchmarks.scale /tmp 5000 50000

constraints: ## pin the indirect dependencies at their current versions
	rm -rf $(VENV)-fresh
	$(PYTHON) -m venv $(VENV)-fresh
	$(VENV)-fresh/bin/$(INSTALL) --editable '.[cluster,dev,heic,onnx,web]'
	$(VENV)-fresh/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > constraints.txt
	rm -rf $(VENV)-fresh

# The programs of an environment have its place in them, and it needs the Python that made it.
MADE_FOR := $(CURDIR), $(shell $(PYTHON) --version)
ifneq ($(MADE_FOR),$(shell cat $(VENV)/installed 2>/dev/null))
.PHONY: $(VENV)/installed
endif
$(VENV)/installed: pyproject.toml constraints.txt $(wildcard requirements*.txt)
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/$(INSTALL) --editable '.[cluster,dev,onnx]' --constraint constraints.txt
	test -x $(VENV)/bin/dvc
	echo "$(MADE_FOR)" > $@

$(VENV)/installed-web: $(VENV)/installed
	$(VENV)/bin/$(INSTALL) --editable '.[web]' --constraint constraints.txt
	touch $@
