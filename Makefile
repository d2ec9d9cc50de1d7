# What can be done here. `make study` and `make test` set everything up by themselves.
.PHONY: help setup extras study test test-slow test-extras lint figures docs bench mutants original clean
PYTHON ?= python3.11
PIP = .venv/bin/pip --disable-pip-version-check
# Python compiles what it imports, when it imports it, once: a process that kept no bytecode would
# take three times as long to import TensorFlow.
unexport PYTHONDONTWRITEBYTECODE
INSTALL = $(PIP) install --quiet --no-compile
PY = .venv/bin/python
# Files in the order of tests/conftest.py, the longest first: two workers end together.
TWO_WORKERS = -n 2 --dist loadfile --no-loadscope-reorder

help:
	@echo "make study        set up, then run the quick study (minutes on two cores)"
	@echo "make test         set up, then run the fast tests"
	@echo "make test-slow    the tests that take longer: whole studies, notebooks"
	@echo "make extras       install what is optional: LiteRT, ONNX, Ray, TensorBoard, mkdocs"
	@echo "make test-extras  the fast tests that need what is optional"
	@echo "make lint         ruff and mypy"
	@echo "make bench        training speed, ours and others' side by side (installs PyTorch)"
	@echo "make mutants      how many small errors in the code the tests notice: benchmarks/mutants.py"
	@echo "make original     the published networks in their own software: see benchmarks/original"
	@echo "make figures      redraw every committed figure from its CSVs"
	@echo "make docs         write docs/reference anew, and build the documentation as a site"

# The CPU build of TensorFlow is a fifth of the download; where there is an NVIDIA driver, the GPU
# build is taken. Force either with: make setup TENSORFLOW='tensorflow[and-cuda]' (or tensorflow-cpu)
TENSORFLOW ?= $(shell command -v nvidia-smi >/dev/null 2>&1 && echo 'tensorflow[and-cuda]' || echo tensorflow-cpu)

setup: .venv/ready
# The CPU build is installed by hash: a package that was changed after it was pinned is refused.
.venv/ready: requirements.txt requirements-hashed.txt pyproject.toml
	@echo "Setting up .venv with $(TENSORFLOW); for the GPU build: make setup TENSORFLOW='tensorflow[and-cuda]'"
	$(PYTHON) -m venv .venv
ifeq ($(TENSORFLOW),tensorflow-cpu)
	$(INSTALL) --require-hashes --requirement requirements-hashed.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
else
	sed 's/^tensorflow-cpu==/$(TENSORFLOW)==/' requirements.txt > .venv/requirements.txt
	$(INSTALL) --requirement .venv/requirements.txt
	$(INSTALL) --no-deps --editable .
endif
	@touch $@

extras: setup .venv/extras
.venv/extras: requirements-extras.txt requirements-docs.txt requirements-export.txt requirements-ray.txt .venv/ready
	$(INSTALL) --requirement requirements-extras.txt
	@touch $@

study: setup
	$(PY) -m transfer study --preset quick --out experiments-results/quick

test: setup
	$(PY) -m pytest $(TWO_WORKERS)

TESTS ?=
test-slow: setup
	$(PY) -m pytest -m slow $(TWO_WORKERS) $(TESTS)

test-extras: extras
	$(PY) -m pytest $(TWO_WORKERS) tests/deploy/test_export.py tests/deploy/test_measure.py tests/studies/test_ray.py tests/studies/test_tensorboard.py

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

figures: setup
	for study in experiments-results/*/; do $(PY) -m transfer figures $$study || exit 1; done
	$(PY) -m transfer figures experiments-results/lanes-fractals --beside experiments-results/lanes-alpha-*

docs: setup .venv/docs
	$(PY) docs/make_reference.py
	$(PY) docs/make_site.py
.venv/docs: requirements-docs.txt .venv/ready
	$(INSTALL) --requirement requirements-docs.txt
	@touch $@

# PyTorch is for the benchmark only: an environment of its own. On Linux the build on PyPI brings
# gigabytes of CUDA; for the CPU build: make bench TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
benchmarks/.venv/ready: requirements-bench.txt
	$(PYTHON) -m venv benchmarks/.venv
	benchmarks/.venv/bin/pip --disable-pip-version-check install --quiet $(TORCH_INDEX:%=--extra-index-url %) -r requirements-bench.txt
	@touch $@

bench: setup benchmarks/.venv/ready
	$(PY) -m transfer bench

# Stopped at any time, it goes on from there. For less: make mutants ROOMS="splits freeze" MOST=20
ROOMS ?=
MOST ?= 100
mutants: setup
	$(INSTALL) --requirement requirements-mutants.txt
	$(PY) benchmarks/mutants.py $(ROOMS) --most $(MOST)

# The software of the published study, Python 3.6: an environment of its own.
PYTHON36 ?= python3.6
ORIGINAL = benchmarks/original
RUNS ?= baseB A1B B1B A7B B7B A4B B4B A13B B13B A10B B10B
SEEDS ?= 0 1 2
ALPHA ?= 0.25
INPUT ?= 48x80
TABLE ?= benchmarks/results/original.csv
$(ORIGINAL)/.venv/ready: $(ORIGINAL)/requirements.txt
	$(PYTHON36) -m venv $(ORIGINAL)/.venv
	$(ORIGINAL)/.venv/bin/pip --disable-pip-version-check install --quiet --upgrade pip==21.3.1 wheel==0.37.1
	$(ORIGINAL)/.venv/bin/pip --disable-pip-version-check install --quiet -r $(ORIGINAL)/requirements.txt
	@touch $@

original: $(ORIGINAL)/.venv/ready
	@test -n "$(DATA)" -a -n "$(WEIGHTS)" || \
		{ echo "usage: make original DATA=data/mytub WEIGHTS=imagenet.h5" >&2; exit 2; }
	$(ORIGINAL)/.venv/bin/python $(ORIGINAL)/train.py $(DATA) $(WEIGHTS) $(TABLE) \
		--runs $(RUNS) --seeds $(SEEDS) --alpha $(ALPHA) --input $(INPUT)

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache
