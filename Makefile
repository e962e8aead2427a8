# Everything a developer does here. Needs Python 3.11 or newer and make; the rest is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet pyproject.toml

.PHONY: run test coverage check bench soak lighthouse assets peers lock clean

run: .venv/run.stamp assets
	@$(BIN)/python app.py

# Three processes for two cores: each waits a third of its time for browsers, databases and other processes.
TEST_PROCESSES ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) * 3 / 2 )))

# Whatever the machine's setting: without its compiled code each of some hundred processes compiles all of it anew.
test coverage bench soak lighthouse: export PYTHONDONTWRITEBYTECODE :=

test: .venv/test.stamp peers
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

# Branch coverage of the tests that run in one process each; slower than `make test`, so apart from it.
coverage: .venv/test.stamp peers
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered

check: .venv/test.stamp assets
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/djlint --lint --quiet templates anuma_dash/embedded

bench: .venv/test.stamp peers
	$(BIN)/python -m benchmarks

# The long random runs, for hours: those of `make test` with many more examples. Each number may be set from outside.
ANUMA_PARTITION_EXAMPLES ?= 10000
ANUMA_KILL_SEEDS ?= 300
ANUMA_SCHEMATHESIS_EXAMPLES ?= 1000
ANUMA_FUZZ_EXAMPLES ?= 5000
soak: export ANUMA_PARTITION_EXAMPLES := $(ANUMA_PARTITION_EXAMPLES)
soak: export ANUMA_KILL_SEEDS := $(ANUMA_KILL_SEEDS)
soak: export ANUMA_SCHEMATHESIS_EXAMPLES := $(ANUMA_SCHEMATHESIS_EXAMPLES)
soak: export ANUMA_FUZZ_EXAMPLES := $(ANUMA_FUZZ_EXAMPLES)
soak: .venv/test.stamp peers
	$(BIN)/python -m pytest tests/faults tests/gateway tests/canary -k "test_partition or test_kills or test_schemathesis or test_form_fuzzer or test_canary" --numprocesses auto --dist loadgroup

# Every page in Debian's Chromium; takes a quarter of an hour, and a quiet machine. Writes docs/lighthouse.md.
lighthouse: .venv/test.stamp peers
	$(BIN)/python -m tests.e2e.lighthouse

assets: .venv/run.stamp
	@$(BIN)/python tools/assets.py

# The assets, and from npm what only tests talk to.
peers: .venv/run.stamp
	@$(BIN)/python tools/assets.py --peers

# Locks are made for every supported Python and platform at once, and name no index.
lock: .venv/test.stamp
	$(UV) --output-file requirements.txt
	$(UV) --extra postgres --extra redis --extra pdf --constraints requirements.txt --output-file requirements-production.txt
	$(UV) --all-extras --constraints requirements-production.txt --output-file requirements-test.txt
	$(BIN)/npm install --package-lock-only

.venv/run.stamp: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.txt
	@touch $@

.venv/test.stamp: requirements-test.txt .venv/run.stamp
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-test.txt
	@touch $@

clean:
	rm -rf .venv node_modules static/dist .pytest_cache .mypy_cache .ruff_cache .coverage
