# Everything a developer does here. Needs Python 3.11 or newer and make; the rest is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet pyproject.toml

.PHONY: run test coverage check bench soak assets lock clean

run: .venv/run.stamp assets
	@$(BIN)/python app.py

test: .venv/test.stamp assets
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

# Branch coverage of the tests that run in one process each; slower than `make test`, so apart from it.
coverage: .venv/test.stamp assets
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --cov --cov-report=term:skip-covered

check: .venv/test.stamp assets
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/djlint --lint --quiet templates anuma_dash/embedded

bench: .venv/test.stamp assets
	$(BIN)/python -m benchmarks

soak: .venv/test.stamp assets
	ANUMA_PARTITION_EXAMPLES=10000 $(BIN)/python -m pytest tests/faults

assets: .venv/run.stamp
	@$(BIN)/python tools/assets.py

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
