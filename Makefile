# Everything is built and run in .venv, made with $(PYTHON); see README.md.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

# what a build of zarrc is made from
SOURCES := setup.py pyproject.toml MANIFEST.in $(shell find zarrc -name '*.py' -o -name '*.py[xi]' -o -name '*.pxd' -o -name '*.hpp' -o -name '*.h')

.PHONY: help demo test test-thorough services lint docs bench sdist clean

help:
	@echo "make demo           build, install and show zarrc at work on an MRI volume (writes demo.png)"
	@echo "make test           build, install and test"
	@echo "make services       get the peer libraries and servers that some tests need"
	@echo "make test-thorough  many more examples, debug and sanitizer builds, other Pythons"
	@echo "make lint           ruff, cython-lint, mypy, stubtest, codespell"
	@echo "make docs           build the documentation into site/, warnings are errors"
	@echo "make bench          run the asv benchmarks once, quickly"
	@echo "make sdist          build a source distribution into dist/"
	@echo "make clean          remove what was built"

demo: $(VENV)/demo.done
	$(BIN)/python examples/brain.py

test: $(VENV)/test.done
	$(BIN)/pytest

test-thorough:
	PYTHON="$(PYTHON)" tools/thorough.sh

services:
	PYTHON="$(PYTHON)" tools/services.sh

lint: $(VENV)/test.done $(VENV)/lint.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(BIN):$$PATH" cython-lint zarrc
	$(BIN)/mypy
	$(BIN)/python -P -m mypy.stubtest --allowlist tools/stubtest.txt --mypy-config-file pyproject.toml zarrc.kernels
	$(BIN)/codespell

docs: $(VENV)/docs.done
	$(BIN)/mkdocs build --quiet --strict

bench: $(VENV)/bench.done
	cd asv_benchmarks && ../$(BIN)/asv machine --yes >/dev/null
	cd asv_benchmarks && ../$(BIN)/asv run --python=same --quick --show-stderr

sdist: $(VENV)/build.done
	$(BIN)/python -m build --sdist

clean:
	rm -rf build dist site *.egg-info $(VENV) .venvs

# an environment, and in it zarrc with the packages of one extra
$(VENV)/made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/demo.done $(VENV)/test.done $(VENV)/bench.done: $(VENV)/%.done: $(VENV)/made $(SOURCES)
	$(PIP) install --quiet ".[$*]"
	@if [ $* = test ] && [ -e /usr/include/db.h ]; then $(PIP) install --quiet berkeleydb; fi
	@touch $@

# tools that do not need zarrc built
$(VENV)/lint.done $(VENV)/docs.done: $(VENV)/%.done: $(VENV)/made pyproject.toml tools/extra.py
	$(BIN)/python tools/extra.py $* | $(PIP) install --quiet --requirement /dev/stdin
	@touch $@

$(VENV)/build.done: $(VENV)/made
	$(PIP) install --quiet build
	@touch $@
