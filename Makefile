# Everything lives in this folder: programs in .venv, data in var. `make help` lists what there is.
.PHONY: help run test bench chaos check fuzz siege judge script docs dashboards lock wheel sbom audit clean
.DEFAULT_GOAL := help

PY := .venv/bin/python
UV := .venv/tools/bin/uv
LOCK = $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
	--custom-compile-command "make lock"
COMPILE = $(LOCK) pyproject.toml
export PLAYWRIGHT_BROWSERS_PATH = $(CURDIR)/.venv/browsers

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile

run: ## Serve http://127.0.0.1:8080/ with embedded Valkey and Postgres; Ctrl-C stops, the data stay in var
	@sh deploy/bootstrap.sh run && exec $(PY) -m counter up

test: check ## Run every check and every test on the real engines and a real browser
	@sh deploy/bootstrap.sh test && exec $(PY) -m pytest

chaos: ## Break everything, again and again: FAULTS=1000 writes docs/reliability.md, SEED=42, KINDS=…, MUTATE=1
	@sh deploy/bootstrap.sh check && exec $(PY) -m tests.chaos $(if $(MUTATE),--mutate,--seed $(or $(SEED),1) \
		$(if $(FAULTS),--faults $(FAULTS),--rounds $(or $(ROUNDS),10)) --kinds "$(KINDS)")

bench: ## Measure hits and the widget beside a bare framework: FIGURES="hits widget", ROUNDS=5, SAVE=file, COMPARE=file
	@sh deploy/bootstrap.sh bench && exec $(PY) -m bench $(FIGURES) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(SAVE),--save $(SAVE)) $(if $(COMPARE),--compare $(COMPARE))

check: ## Check format, lint and types
	@sh deploy/bootstrap.sh check
	@$(PY) -m ruff format --check . && $(PY) -m ruff check . && $(PY) -m mypy

script: ## Build the files that pages load from counter/widget/source; KEEP=--keep once a build was released
	@sh deploy/bootstrap.sh check
	@$(PY) -m tools.build_script $(KEEP)

docs: ## Write the reference pages from the code, and build the documentation into build/site
	@sh deploy/bootstrap.sh check && PYTHON=$(PY) sh deploy/tools.sh docs
	@$(PY) -m tools.document && NO_MKDOCS_2_WARNING=1 build/tools/docs/bin/mkdocs build --strict --quiet && echo "open build/site/index.html"

dashboards: ## Write deploy/grafana/dashboards from tools/dashboards
	@sh deploy/bootstrap.sh check
	@$(PY) -m tools.dashboards

fuzz: ## Fuzz the parsers with atheris, SECONDS=60 each, in a throw-away venv
	@sh deploy/bootstrap.sh check && SECONDS_EACH=$(or $(SECONDS),60) exec sh tests/fuzz/run.sh

judge: ## Let Helm, hadolint, the schemas of Compose and Kubernetes, and mkdocs judge what we ship
	@sh deploy/bootstrap.sh check && exec $(PY) -m pytest -m judged tests/deploy

siege: ## Attack a real service for four minutes, and write docs/siege.md
	@sh deploy/bootstrap.sh check && exec $(PY) -m tests.siege

lock: ## Choose the newest allowed versions of all dependencies and lock them
	@sh deploy/bootstrap.sh run
	@test -x $(UV) || { $(PY) -m venv .venv/tools && .venv/tools/bin/pip install --quiet uv; }
	$(COMPILE) --upgrade --group dev --extra embedded --extra parquet --extra telemetry --output-file requirements-dev.lock
	$(COMPILE) --extra embedded --constraint requirements-dev.lock --output-file requirements.lock
	$(COMPILE) --constraint requirements-dev.lock --output-file requirements-serve.lock
	$(LOCK) --upgrade --group pyproject.toml:audit --output-file requirements-audit.lock
	$(LOCK) --upgrade --group pyproject.toml:deploy --output-file requirements-deploy.lock
	$(LOCK) --upgrade --group pyproject.toml:docs --output-file requirements-docs.lock

wheel: ## Build dist/*.whl; the same commit gives the same bytes anywhere
	@sh deploy/bootstrap.sh check
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(PY) -m hatchling build --target wheel --directory dist
	@sha256sum dist/*.whl

sbom: ## Write dist/sbom.json, the bill of materials (CycloneDX)
	@sh deploy/supply-chain.sh sbom

audit: ## Ask for known vulnerabilities of all locked packages
	@sh deploy/supply-chain.sh audit

clean: ## Remove .venv and the caches; the data in var stay
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
