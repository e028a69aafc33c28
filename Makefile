# Each command does all its own set-up from a bare Python >=3.11 with pip, and is quick the second time.
#
#   make demo        a team of four agents on the embedded model solves real problems
#   make test        every test but the slow ones
#   make check       format, lint, types, layout
#   make test-slow   every test, those that take minutes included
#   make install     only the set-up: an environment in .venv with everything pinned
#   make lock        write requirements.lock again from pyproject.toml (maintainers)
#
# Another Python: make PYTHON=python3.12 demo (after `make clean`).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := -m pip install --quiet --disable-pip-version-check

.DELETE_ON_ERROR:
.PHONY: demo test test-slow check install model lock clean

demo: model
	$(BIN)/python examples/demo.py

test: model
	$(BIN)/python -m pytest

test-slow: model
	$(BIN)/python -m pytest -m ""

check: $(STAMP)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/basedpyright --warnings
	$(BIN)/python -m pytest -q tests/test_layout.py tests/test_imports.py

install: $(STAMP)

model: $(STAMP)
	@$(BIN)/python -m cogitate.inference.hf.embedded

# An environment whose last installation was interrupted has no stamp. pip takes a package that was
# copied half-way for an installed one, so such an environment is emptied and made anew.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@test -e $@ || { echo "Making $(VENV) (about two minutes, once)"; $(PYTHON) -m venv --clear $(VENV); }
	@rm -f $@
	$(BIN)/python $(PIP) -r requirements.lock
	$(BIN)/python $(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# The newest versions that pyproject.toml allows, where its group `pinned` does not name one. What a
# platform adds to torch (a GPU build's libraries) is left out: pip finds those by itself.
lock:
	$(PYTHON) -m venv --clear build/lock
	build/lock/bin/python $(PIP) --upgrade pip
	build/lock/bin/python $(PIP) --group pinned --group dev .
	build/lock/bin/python -m pip freeze --all --exclude pip --exclude cogitate \
		| sed -e '/^nvidia-/d' -e '/^cuda-/d' -e '/^triton==/d' -e 's/+[a-z0-9.]*$$//' > build/lock/frozen
	{ echo '# Made by `make lock`, with Python 3.11: exact versions of all that Cogitate and its tests use.'; \
		cat build/lock/frozen; } > requirements.lock

clean:
	rm -rf $(VENV) build
