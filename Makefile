# Run `make` to see what there is to run.

PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help repro test lint

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

repro: $(VENV)/installed ## rebuild what is out of date in the pipeline, then show the metrics
	dvc repro
	dvc metrics show

test: lint ## lint, then run the tests
	python -m pytest

lint: $(VENV)/installed ## check format, style and types
	ruff format --check .
	ruff check .
	mypy

$(VENV)/installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --requirement requirements.txt
	touch $@
