# make quickstart | test | lint | docs; make sparse WHEELS=DIR adds torch-scatter and torch-sparse from ready wheels.  uv is used where it is found, pip otherwise.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
UV := $(shell command -v uv 2>/dev/null)
CONFIG := configs/ssmr_efficientnet_quickstart.py
RUN := work_dirs/ssmr_efficientnet_quickstart

ifdef UV
CREATE = uv venv --quiet --allow-existing --python $(PYTHON) $(VENV)
INSTALL = UV_FIND_LINKS="$${PIP_FIND_LINKS:-}" uv pip install --python $(PY) -c constraints.txt
else
CREATE = $(PYTHON) -m venv $(VENV)
INSTALL = $(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt
endif

.PHONY: help setup sparse quickstart controls test benchmark lint docs clean

help:
	@echo 'make quickstart   set up, paint the embedded works, train SSMR on them and print its metrics'
	@echo 'make controls     the quickstart model beside the same network without and with random references'
	@echo 'make test         set up and run all tests'
	@echo 'make benchmark    time everything against peers and limits; table in work_dirs/benchmark/table.md'
	@echo 'make lint docs    check style and types; build the documentation into site/'

setup: $(VENV)/.base
$(VENV)/.base: pyproject.toml constraints.txt
	$(CREATE)
	$(INSTALL) -e '.[weights]'
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	$(INSTALL) -e '.[weights,dev]'
	@touch $@

$(VENV)/.docs: $(VENV)/.base
	$(INSTALL) -e '.[weights,docs]'
	@touch $@

sparse: $(VENV)/.dev
	$(INSTALL) --no-index --find-links $(WHEELS) torch-scatter torch-sparse

quickstart: setup
	$(PY) tools/make_quickstart_data.py --out data/quickstart
	$(PY) tools/train.py $(CONFIG)
	$(PY) tools/test.py $(CONFIG) $(RUN)/best.pth
	@echo 'TensorBoard:  $(VENV)/bin/tensorboard --logdir $(RUN)'

controls: setup
	$(PY) tools/make_quickstart_data.py --out data/quickstart
	$(PY) tools/compare_controls.py $(CONFIG) --seeds 5 --truth true_score

test: $(VENV)/.dev
	$(PY) -m pytest -n auto

benchmark: $(VENV)/.dev
	$(PY) tools/benchmark/run_all.py

lint: $(VENV)/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

docs: $(VENV)/.docs
	$(PY) -m mkdocs build --strict

clean:
	rm -rf $(VENV) work_dirs data/quickstart site
