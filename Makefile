# Everything that a developer runs. `make help` lists it.
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
# Airflow's imports take seconds when no byte code may be written.
unexport PYTHONDONTWRITEBYTECODE
# Only what a recipe sets: a shell's own Airflow or AWS must not leak into the laptop's.
unexport AIRFLOW_HOME
unexport PYTHONPATH

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

.venv/ready: requirements.txt requirements-dev.txt constraints.txt include/local_aws/requirements.txt include/training_image/requirements.txt
	@echo "Setting up .venv (once; byte-compiled, takes a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed; name one with PYTHON=")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode -r requirements-dev.txt -c constraints.txt
	@touch $@

.PHONY: setup
setup: .venv/ready ## Set up .venv with the locked dependencies

.PHONY: demo
demo: .venv/ready ## Run the whole pipeline once on local AWS; DATA_DATE=2019-03-05 for another day
	@$(BIN)/python include/demo.py $(if $(DATA_DATE),--data-date $(DATA_DATE))

.PHONY: aws
aws: .venv/ready ## Run local AWS alone in the foreground; PORT=5000
	@PYTHONPATH=include:plugins exec $(BIN)/python -m local_aws --port $(or $(PORT),5000)

.PHONY: up
up: .venv/ready ## Run Airflow on local AWS until Ctrl-C or `make down`; PORT=8080 AWS_PORT=5000
	@PYTHONPATH=include:plugins exec $(BIN)/python -m local_airflow up $(if $(PORT),--port $(PORT)) $(if $(AWS_PORT),--aws-port $(AWS_PORT))

.PHONY: down
down: .venv/ready ## Stop what `make up` runs
	@PYTHONPATH=include:plugins exec $(BIN)/python -m local_airflow down

.PHONY: test
test: .venv/ready ## Run the tests that need no browser and no Docker
	$(BIN)/python -m pytest tests/unit tests/dags tests/integration -n 2 --dist loadfile $(PYTEST_ARGS)

.PHONY: test-e2e
test-e2e: .venv/ready ## Run the tests on real Airflow services (PostgreSQL if installed, else SQLite)
	$(BIN)/python -m pytest tests/e2e $(PYTEST_ARGS)

.PHONY: env
env: ## Write .env for docker-compose.yaml: fresh secrets and the login; keeps one that is there
	@$(PYTHON) include/compose_env.py

.PHONY: test-compose
test-compose: .venv/ready ## Run docker-compose.yaml for real, with both executors; needs Docker
	$(BIN)/python -m pytest tests/compose --timeout 1800 $(PYTEST_ARGS)

.PHONY: check
check: .venv/ready ## Format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

.PHONY: schema
schema: .venv/ready ## Write the pipeline files' JSON Schema anew
	PYTHONPATH=plugins $(BIN)/python -m sagemaker_pipelines schema > include/pipelines/pipeline.schema.json

.PHONY: lock
lock: .venv/ready ## Resolve constraints.txt anew
	$(BIN)/uv pip compile requirements-dev.txt --universal --python-version 3.10 --no-emit-index-url --custom-compile-command "make lock" --upgrade --quiet -o constraints.txt
