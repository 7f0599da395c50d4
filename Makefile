# Every target sets up what it needs. `make help` lists them.
SHELL := /bin/bash
VENV  := .venv
RUN   := $(VENV)/bin
BENCH := .venv-bench
PEERS := .venv-peers
READY := $(VENV)/.ready
# Where it is set, each process that a test starts compiles all that it imports, and each worker all tests.
unexport PYTHONDONTWRITEBYTECODE
# By files, in the order of their names: those of tests/unit, which are short, are last, so that no worker ends late.
PYTEST := $(RUN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder
LOCKS := requirements/runtime.lock requirements/test.lock

.DEFAULT_GOAL := help
.PHONY: help demo test pytest coverage check style types unit peers bindings lock clean bench-allocation bench-control bench-history bench-sync bench-sessions bench-northbound bench-replay bench-samples

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

$(READY): $(LOCKS) pyproject.toml requirements/install.sh
	@requirements/install.sh $(VENV)

demo: $(READY)  ## the main job on simulated devices, in under a minute
	@$(RUN)/casm demo

test: $(READY) $(PEERS)/.ready peers style  ## everything: style, types, unit, integration and real peers
	@$(MAKE) --no-print-directory --jobs=2 types pytest

pytest: $(READY)
	@$(PYTEST) --durations=25

coverage: $(READY) $(PEERS)/.ready peers  ## all tests, and which lines none of them reaches
	@$(PYTEST) --cov --cov-report=term

check: style types  ## style and types only

style: $(READY)
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .

types: $(READY)
	@$(RUN)/mypy

unit: $(READY)  ## the fast tests, no servers
	@$(PYTEST) tests/unit

peers:
	@tests/peers/install.sh

bindings: $(READY)  ## rebuild bindings/ from yang/
	@$(RUN)/casm-rebuild-bindings

bench-allocation: $(READY)  ## allocations a second against bare durable commits; writes bench/results/
	@$(RUN)/python bench/allocation.py

bench-control: $(READY)  ## how fast the control loop answers devices, and what watching costs; writes bench/results/
	@$(RUN)/python bench/control.py

bench-history: $(READY)  ## who had an address, with ten million transitions behind; writes bench/results/
	@$(RUN)/python bench/history.py

bench-northbound: $(READY)  ## what the NETCONF server costs with ten thousand blocks; writes bench/results/
	@$(RUN)/python bench/northbound.py

bench-replay: $(READY)  ## a month of 200 device pools under the control loop, and under equal shares; writes bench/results/
	@$(RUN)/python bench/replay.py
	@$(RUN)/python bench/replay.py --shared --seeds 1

bench-samples: $(READY)  ## the room that a year of usage samples takes; writes bench/results/
	@$(RUN)/python bench/samples.py

bench-sessions: $(READY)  ## what sessions cost, with each client and with ncclient alone; writes bench/results/
	@$(RUN)/python bench/sessions.py

bench-sync: $(READY) $(BENCH)/.ready  ## a block more on a thousand devices, beside other tools; writes bench/results/
	@$(RUN)/python bench/sync.py --nornir $(BENCH)/bin/python

# What other people's tools need, each in an environment of its own.
.venv-%/.ready: requirements/%.lock | $(READY)
	@$(RUN)/python -m venv .venv-$*
	@.venv-$*/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r $<
	@touch $@

lock: $(READY)  ## choose newer dependencies and lock them with their hashes
	@requirements/lock.sh $(VENV)

clean:  ## remove what make built
	rm -rf $(VENV) $(BENCH) $(PEERS) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
