# Run `make` to see what there is to run.

PYTHON ?= python3
VENV := .venv
QUIETLY := --disable-pip-version-check --quiet
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.DEFAULT_GOAL := help
DATA ?= data/raw/sample

.PHONY: help repro test lint coverage verify bench constraints web test-web

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

repro: $(VENV)/installed ## rebuild what is out of date in the pipeline, then show the metrics
	dvc repro
	dvc metrics show

test: lint ## lint, then run the tests, two at a time
	python -m pytest --numprocesses 2 --dist loadgroup

web: $(VENV)/installed-web ## serve a page to try networks, on this machine alone
	python web.py

test-web: $(VENV)/installed-web ## test that page in Chromium, which has to be installed
	python -m pytest tests/test_web.py

coverage: $(VENV)/installed ## tell which lines and branches the tests of the code do not reach
	python -m pytest tests/colorizer tests/stages --cov

lint: $(VENV)/installed ## check format, style and types
	ruff format --check .
	ruff check .
	mypy

verify: $(VENV)/installed ## rebuild the committed pipeline from nothing and compare every hash
	python verify.py

bench: $(VENV)/installed ## measure speed and memory, on DATA=data/raw/NAME or the sample
	dvc repro --quiet sample
	python -m benchmarks.run $(DATA) 2 3

constraints: ## pin what the direct dependencies bring, as a fresh environment gets it now
	rm -rf $(VENV)-fresh
	$(PYTHON) -m venv $(VENV)-fresh
	$(VENV)-fresh/bin/python -m pip $(QUIETLY) install --requirement requirements.txt
	$(VENV)-fresh/bin/python -m pip freeze | sed 's/+cpu$$//' > constraints.txt
	rm -rf $(VENV)-fresh

$(VENV)/installed: requirements.txt constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip $(QUIETLY) install \
		--requirement requirements.txt --constraint constraints.txt
	touch $@

$(VENV)/installed-web: $(VENV)/installed requirements-web.txt
	$(VENV)/bin/python -m pip $(QUIETLY) install \
		--requirement requirements-web.txt --constraint constraints.txt
	touch $@
