# One door: everything a developer or a newcomer does. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
SOURCES := $(shell find delta_server -type f -not -name '*.pyc')
WEB := $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -name types.gen.ts)
NODE_20 := $(shell node -e 'process.exit(+(process.versions.node.split(".")[0] < 20))' 2> /dev/null && command -v npm)
NPM := $(if $(NODE_20),npm,PATH="$(CURDIR)/$(VENV)/node:$$PATH" npm) --prefix web --silent
PACKED := web/dist/index.html packaging/delta-server.spec packaging/unpack_first_use.py packaging/requirements-dev.lock | $(VENV)/.dev
# The same sources make the same bytes: neither the order of a set nor the time of a build is in them.
BUILD = PYTHONHASHSEED=1 SOURCE_DATE_EPOCH=1 $(BIN)/pyinstaller --log-level WARN --noconfirm --distpath dist --workpath build packaging/delta-server.spec
WORKERS := $(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores < 4 ? cores + 1 : 4))) # one more: tests wait for servers and disks

unexport PYTHONDONTWRITEBYTECODE # compiled modules are kept, whatever the shell says: all that starts begins sooner

.PHONY: help demo run install web test check soak long mutants bench build folder deb release test-binary screenshots schema lock clean
.DEFAULT_GOAL := help

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.run web/dist/index.html ## See Delta at work on a small real history, then use it (PORT=8080)
	@$(BIN)/delta-server demo $(if $(PORT),--port $(PORT))

run: $(VENV)/.run web/dist/index.html ## Run the server (PORT=8080; data in ./delta-data, options in ./delta.toml if it is there)
	@$(BIN)/delta-server key list > /dev/null 2>&1 || $(BIN)/delta-server key create --project default --scope admin --name first
	@$(BIN)/delta-server serve $(if $(PORT),--port $(PORT))

install: $(VENV)/.run ## Install what Delta needs into .venv, and nothing else

web: web/dist/index.html ## Build the dashboard into web/dist

test: check web/dist/index.html ## Check, then run the whole test suite (ARGS="tests/core -k name" picks some)
	@$(NPM) test
	@$(BIN)/python -m pytest $(or $(ARGS),-n $(WORKERS) --dist loadfile --no-loadscope-reorder)

check: $(VENV)/.dev web/src/types.gen.ts ## Lint, formatting, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check .; exit 1; }
	@$(BIN)/mypy
	@$(NPM) run lint

soak: $(VENV)/.dev ## One tenant does its worst for a minute beside another (DELTA_SOAK_SECONDS=600 for ten), on a quiet machine
	@$(BIN)/python -m pytest tests/soak -s

long: $(VENV)/.dev dist/delta-server ## The proofs that take minutes and 20 GB: a backup of 5 GB in little memory, two builds with the same bytes
	@DELTA_LONG=1 $(BIN)/python -m pytest -m long tests/storage tests/binary

mutants: $(VENV)/.dev ## Change the code in small ways and list what no test notices (PART=core/times; DELTA_SEED, DELTA_MUTANTS, DELTA_SECONDS)
	@$(BIN)/python -m tests.mutants "$(PART)"

bench: $(VENV)/.dev ## Measure everything beside its peers in one table (ROWS=part-of-a-name picks rows)
	@$(BIN)/python -m tests.bench "$(ROWS)"

build: dist/delta-server ## Make the executable dist/delta-server

folder: dist/delta-server-folder/delta-server ## Make the folder dist/delta-server-folder: the same, which need not unpack itself

test-binary: dist/delta-server ## Start the executable in an empty directory and use it
	@$(BIN)/python -m pytest tests/binary

deb: dist/delta-server-folder/delta-server ## Make a Debian package of that folder, with a systemd unit, in dist
	@sh packaging/deb.sh dist/delta-server-folder $$($(BIN)/delta-server version) dist
	@ls -lh dist/*.deb | awk '{print $$9 ": " $$5}'

release: dist/delta-server ## The executable with its SHA-256 sum and its bill of materials (CycloneDX), in dist
	@$(BIN)/python packaging/sbom.py > dist/delta-server.cdx.json
	@cd dist && sha256sum delta-server delta-server.cdx.json > SHA256SUMS

screenshots: $(VENV)/.dev web/dist/index.html ## Pictures of all pages, light and dark, wide and narrow, in build/screenshots
	@$(BIN)/python -m tests.browser.screenshots

schema: $(VENV)/.run ## Write the schema that a new database begins with anew from the migrations
	@mkdir -p build
	@$(BIN)/python packaging/schema.py > build/schema.sql
	@mv build/schema.sql delta_server/storage/sqlite/schema.sql

lock: ## Write the lock files anew from pyproject.toml
	@$(PYTHON) -m venv build/lock
	@build/lock/bin/python -m pip --disable-pip-version-check --quiet install uv==$(UV_VERSION)
	@sh packaging/lock.sh build/lock/bin/uv

clean: ## Remove what these commands made (never your data)
	rm -rf $(VENV) build dist web/node_modules web/dist web/src/types.gen.ts tests/bench/node/node_modules tests/clients/node/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

dist/delta-server: $(SOURCES) $(PACKED)
	@echo "Building dist/delta-server (about a minute, the first time two) ..."
	@$(BUILD)
	@ls -lh dist/delta-server | awk '{print "dist/delta-server: " $$5}'

dist/delta-server-folder/delta-server: $(SOURCES) $(PACKED)
	@echo "Building dist/delta-server-folder (about a minute) ..."
	@DELTA_FOLDER=1 $(BUILD)
	@du -sh dist/delta-server-folder

web/dist/index.html: $(WEB) $(SOURCES) web/src/types.gen.ts
	@echo "Building the dashboard ..."
	@$(NPM) run bundle -- --logLevel warn
	@touch $@

web/src/types.gen.ts: $(SOURCES) web/tools/types.mjs web/node_modules/.made $(VENV)/.run
	@$(NPM) run types
	@touch $@

web/node_modules/.made: web/package-lock.json $(if $(NODE_20),,$(VENV)/node/npm)
	@echo "Installing what builds the dashboard into web/node_modules ..."
	@$(NPM) ci
	@touch $@

$(VENV)/node/npm: packaging/requirements-node.lock | $(VENV)/.made
	@echo "Installing Node.js into $(VENV), as this machine has none of version 20 or newer ..."
	@$(PIP) install --require-hashes --only-binary :all: -r packaging/requirements-node.lock
	@sh packaging/node.sh $(VENV)
	@touch $@

$(VENV)/.run: packaging/requirements.lock pyproject.toml | $(VENV)/.made
	@echo "Installing what Delta needs into $(VENV) ..."
	@$(PIP) install --require-hashes --only-binary :all: -r packaging/requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: packaging/requirements-dev.lock $(VENV)/.run
	@echo "Installing what the tests need into $(VENV) ..."
	@$(PIP) install --require-hashes --only-binary :all: -r packaging/requirements-dev.lock
	@touch $@

$(VENV)/.made:
	@command -v $(PYTHON) > /dev/null || { echo "Delta needs Python 3.11 or newer: $(PYTHON) was not found (try make PYTHON=/path/to/python)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Delta needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2> /dev/null || { echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@
