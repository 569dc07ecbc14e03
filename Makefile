# make demo    a simulated and a trained network, in demo/       make test    everything that must hold
# make dev     only the environment                              make slow    the tests that take more than ten seconds alone
# make beside  single neurons beside NEST and Brian2, if they can be installed
# make peers   the simulators that `python -m brainsim bench run peers` measures, each in an environment of its own
# Needs Python 3.11 or newer and PyPI; a C++ compiler makes it fast, without one the XLA path is used.

PYTHON ?= python3
JOBS ?= 2
PEERS_PYTHON ?= python3.13
PEERS_TORCH_PYTHON ?= python3.11
VENV := .venv
RUN := $(VENV)/bin/
INSTALLED := $(VENV)/installed
CONTRACTS = $(shell find tests -name 'test_contract*.py')
# where XLA's results are compared bit by bit, or its optimised code is what counts; elsewhere most of the time is its optimisation
OPTIMISED = tests/operators tests/fuse tests/kernels tests/test_exact.py tests/test_streams.py

.PHONY: demo test dev lint type off slow beside peers clean

demo: $(INSTALLED)
	$(RUN)python -m brainsim demo --out demo

test: lint type off
	$(RUN)python -m pytest -n $(JOBS) $(OPTIMISED)
	XLA_FLAGS="--xla_backend_optimization_level=0 $$XLA_FLAGS" $(RUN)python -m pytest -n $(JOBS) $(OPTIMISED:%=--ignore=%)

dev: $(INSTALLED)

lint: $(INSTALLED)
	$(RUN)ruff check .
	$(RUN)ruff format --check .

type: $(INSTALLED)
	$(RUN)pyright --pythonpath $(RUN)python

# the operators' and every model's contract once more, on the XLA path
off: $(INSTALLED)
	env -u BRAINSIM_REQUIRE_KERNELS BRAINSIM_KERNELS=off $(RUN)python -m pytest -q -n $(JOBS) tests/operators $(CONTRACTS)

slow: $(INSTALLED)
	$(RUN)python -m pytest -m slow
	BRAINSIM_ISA=baseline $(RUN)python -m pytest -q tests/operators/test_csr.py tests/operators/test_delay_ring.py tests/operators/test_event_dense.py tests/operators/test_event_conv.py
	for isa in avx2 baseline; do BRAINSIM_ISA=$$isa $(RUN)python -m pytest -q tests/fuse/test_native_program.py || exit 1; done

# the same spikes as in NEST and Brian2; skipped where they cannot be installed
beside: $(INSTALLED)
	sh benchmarks/peers/make_env.sh $(PEERS_PYTHON) .peers - nest brian2
	$(RUN)python -m pytest -q -m slow tests/peers/test_nest.py tests/peers/test_brian2.py

# an environment for each simulator that brainsim is measured against, in .peers/
peers:
	sh benchmarks/peers/make_env.sh $(PEERS_PYTHON) .peers $(PEERS_TORCH_PYTHON)

$(INSTALLED): pyproject.toml $(wildcard kernels/*)
	@$(PYTHON) -c 'import sys; sys.exit("brainsim needs Python 3.11 or newer, this is %d.%d: make PYTHON=python3.12 ..." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(RUN)python -m pip install --quiet --disable-pip-version-check --editable '.[test,examples]'
	@$(RUN)python -c 'from brainsim.bench.harness import operator_path; print("operators:", operator_path())'
	@touch $@

clean:
	rm -rf $(VENV) build dist demo .pytest_cache .hypothesis .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
