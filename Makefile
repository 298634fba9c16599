# `make run` serves samples; `make test` checks everything. Both prepare what they need.
PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8300

.PHONY: setup run test lint docs lock bench faults loads films soak clean

setup: .venv/ready
	@./proxy/pages/players/install.sh

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Darkroom needs Python 3.11 or newer; name one with PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || ./tests/system-packages python3-venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

run: setup
	@$(BIN)/darkroom samples samples
	$(BIN)/darkroom serve samples --port $(PORT)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	./tests/system-packages
	./proxy/pages/players/install.sh --all
	$(BIN)/python -m pytest

docs: setup
	$(BIN)/python -m proxy.reference docs

lock:
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--extra dev pyproject.toml --output-file requirements.lock

bench: setup
	./tests/system-packages
	$(BIN)/python -m bench

faults: setup
	./tests/system-packages
	$(BIN)/python -m bench.faults --page

loads: setup
	./tests/system-packages
	$(BIN)/python -m bench.loads --page

films: setup
	./tests/system-packages
	$(BIN)/python -m bench.films --page

soak: setup
	DARKROOM_SOAK=10 $(BIN)/python -m pytest -s tests/test_faults.py tests/test_workers.py tests/test_pressure.py

clean:
	rm -rf .venv .players proxy/pages/players/hls.* samples bench/out
