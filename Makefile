# Everything that a developer runs, by group. `make help` lists it.
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
TESTS := tests/package tests/local_aws tests/training_image tests/cloudformation tests/repository
# Airflow's imports take seconds when no byte code may be written.
unexport PYTHONDONTWRITEBYTECODE
# Only what a recipe sets: a shell's own Airflow or AWS must not leak into the laptop's.
unexport AIRFLOW_HOME
unexport PYTHONPATH

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.venv/ready: pyproject.toml requirements.txt requirements-dev.txt constraints.txt include/local_aws/requirements.txt include/training_image/requirements.txt
	@echo "Setting up .venv (once; byte-compiled, takes a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14) and "Python 3.10 to 3.13 is needed; name one with PYTHON=")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode -r requirements-dev.txt -c constraints.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

##@ Try

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^##@ / { print separator substr($$0, 5); separator = "\n" } \
		/^[a-z0-9-]+:.*## / { printf "  %-20s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: .venv/ready ## Run the whole pipeline once on local AWS; DATA_DATE=2019-03-05 for another day
	@$(BIN)/python include/demo.py $(if $(DATA_DATE),--data-date $(DATA_DATE))

.PHONY: up
up: .venv/ready ## Run Airflow on local AWS until Ctrl-C or `make down`; PORT=8080 AWS_PORT=5000
	@PYTHONPATH=include:plugins exec $(BIN)/python -m local_airflow up $(if $(PORT),--port $(PORT)) $(if $(AWS_PORT),--aws-port $(AWS_PORT))

.PHONY: down
down: .venv/ready ## Stop what `make up` runs
	@PYTHONPATH=include:plugins exec $(BIN)/python -m local_airflow down

.PHONY: aws
aws: .venv/ready ## Run local AWS alone in the foreground; PORT=5000
	@PYTHONPATH=include:plugins exec $(BIN)/python -m local_aws --port $(or $(PORT),5000)

.PHONY: env
env: ## Write .env for docker-compose.yaml: fresh secrets and the login; keeps one that is there
	@$(PYTHON) include/compose_env.py

##@ Pipelines

.PHONY: check-pipelines
check-pipelines: .venv/ready ## Check the pipeline files, as Airflow will before anything runs
	$(BIN)/fresh-endpoints check

.PHONY: schema
schema: .venv/ready ## Write the pipeline files' JSON Schema anew
	$(BIN)/fresh-endpoints schema > include/pipelines/pipeline.schema.json

##@ AWS

# stack.sh prints what it runs. The AWS CLI is the one on the PATH, else the lock's.
STACK_SH := PATH="$$PATH:$(CURDIR)/$(BIN)" include/cloudformation/stack.sh
AWS_CLI := $(if $(shell command -v aws),,.venv/ready)
PARAMETERS = $(if $(BUCKET),Bucket='$(BUCKET)') $(if $(TARGET),Target='$(TARGET)') $(if $(NUM_CLASS),NumClass='$(NUM_CLASS)') $(if $(EXECUTION_ROLE),ExecutionRole='$(EXECUTION_ROLE)') $(if $(ARTIFACT_DAYS),ArtifactDays='$(ARTIFACT_DAYS)')

.PHONY: aws-create
aws-create: $(AWS_CLI) ## Create bucket, repository, role and policy; BUCKET=... [TARGET= NUM_CLASS= EXECUTION_ROLE= ARTIFACT_DAYS= STACK=]
	@$(STACK_SH) create $(PARAMETERS)

.PHONY: aws-update
aws-update: $(AWS_CLI) ## Update them; parameters that are not given keep their values
	@$(STACK_SH) update $(PARAMETERS)

.PHONY: aws-delete
aws-delete: $(AWS_CLI) ## Delete them, after asking; the bucket stays
	@$(STACK_SH) delete

.PHONY: aws-push-image
aws-push-image: $(AWS_CLI) ## Build the training image and push it; needs Docker
	@$(STACK_SH) push-image

.PHONY: mwaa
mwaa: .venv/ready ## Build dist/ for an MWAA bucket; AIRFLOW=3.1.8 PYTHON_VERSION=3.12, as the environment has them
	@$(BIN)/python include/mwaa.py $(if $(AIRFLOW),--airflow $(AIRFLOW)) $(if $(PYTHON_VERSION),--python $(PYTHON_VERSION))

##@ Develop

.PHONY: setup
setup: .venv/ready ## Set up .venv with the locked dependencies

.PHONY: check
check: .venv/ready ## Check the code: format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

.PHONY: test
test: .venv/ready ## Run the tests that need no browser and no Docker
	$(BIN)/python -m pytest $(TESTS) -n 2 --dist loadfile $(PYTEST_ARGS)

# The lock is whole, so nothing is resolved anew: requirements-dev.txt itself asks for the newest Airflow.
.venv-3.1/ready: constraints-airflow-3.1.txt .venv/ready
	@echo "Setting up .venv-3.1 (once; byte-compiled, takes a minute)"
	$(PYTHON) -m venv .venv-3.1
	$(BIN)/uv pip install --quiet --python .venv-3.1/bin/python --compile-bytecode --no-deps -r constraints-airflow-3.1.txt
	@touch $@

.PHONY: test-oldest
test-oldest: .venv-3.1/ready ## Run the tests that depend on Airflow on the oldest supported Airflow
	.venv-3.1/bin/python -m pytest tests/package -n 2 --dist loadfile $(PYTEST_ARGS)

# The locks are whole, too. The SDKs have no room beside Airflow: their pins contradict its constraints.
.venv-sagemaker-%/ready: tests/clients/requirements-sagemaker-%.txt .venv/ready
	@echo "Setting up .venv-sagemaker-$* (once; byte-compiled)"
	$(PYTHON) -m venv .venv-sagemaker-$*
	$(BIN)/uv pip install --quiet --python .venv-sagemaker-$*/bin/python --compile-bytecode --no-deps -r $<
	@touch $@

.PHONY: test-clients
test-clients: .venv/ready .venv-sagemaker-2/ready .venv-sagemaker-3/ready ## Run the SageMaker Python SDKs 2 and 3 against local AWS
	$(BIN)/python -m pytest tests/clients -n 2 --dist loadfile --durations 4 $(PYTEST_ARGS)

.PHONY: test-matrix
test-matrix: test test-oldest ## Run the tests on the newest and the oldest supported Airflow

# What the tests' workers and containers use of AWS is recorded, and then held against the template's policies.
.PHONY: test-permissions
test-permissions: .venv/ready ## Run the tests, and hold every AWS action that they performed against the IAM policies
	@record=$$(mktemp -d); trap 'rm -rf "$$record"' EXIT; trap 'exit 130' INT TERM; set -e; \
	export LOCAL_AWS_RECORD_PERMISSIONS="$$record"; \
	$(MAKE) test; $(MAKE) test-policies

.PHONY: test-policies
test-policies: .venv/ready ## Hold what other suites have recorded in the folder LOCAL_AWS_RECORD_PERMISSIONS against the IAM policies
	$(BIN)/python -m pytest tests/policies $(PYTEST_ARGS)

.PHONY: test-faults
test-faults: .venv/ready ## Run the whole fault suite: AWS misbehaves, processes are killed, 50 runs soak; SOAK_SEED=1 for another soak
	$(BIN)/python -m pytest tests/package/faults tests/services/faults $(PYTEST_ARGS)

.PHONY: test-faults-oldest
test-faults-oldest: .venv-3.1/ready ## Run what users do to a run on the oldest supported Airflow
	.venv-3.1/bin/python -m pytest tests/services/faults/test_users.py $(PYTEST_ARGS)

.PHONY: fuzz
fuzz: .venv/ready ## Try thousands of broken pipeline files, each beside a right one; EXAMPLES=5000 SEED=1 for others
	FUZZ_EXAMPLES=$(or $(EXAMPLES),5000) $(if $(SEED),FUZZ_SEED='$(SEED)') \
		$(BIN)/python -m pytest tests/package/pipeline_file/test_fuzz.py -s $(PYTEST_ARGS)

.PHONY: test-e2e
test-e2e: .venv/ready ## Run the tests on real Airflow services (PostgreSQL if installed, else SQLite)
	$(BIN)/python -m pytest tests/services/usage $(PYTEST_ARGS)

.PHONY: test-browser
test-browser: .venv/ready ## Run what a person does in the UI; needs Chromium
	$(BIN)/python -m pytest tests/browser $(PYTEST_ARGS)

.PHONY: test-compose
test-compose: .venv/ready ## Run docker-compose.yaml for real, with both executors; needs Docker
	$(BIN)/python -m pytest tests/compose --timeout 1800 $(PYTEST_ARGS)

.PHONY: screenshots
screenshots: .venv/ready ## Take README's screenshots anew
	@mkdir -p docs/images
	SCREENSHOTS_DIR=docs/images $(BIN)/python -m pytest tests/browser $(PYTEST_ARGS)

.PHONY: bench
bench: .venv/ready ## Measure against the stock operators and the article; writes docs/benchmarks.md
	@PYTHONPATH=include:plugins $(BIN)/python -m benchmarks

.PHONY: bench-quick
bench-quick: .venv/ready ## The same without the parallel runs and the backfill
	@PYTHONPATH=include:plugins $(BIN)/python -m benchmarks --quick

.PHONY: lock
LOCK := --universal --python-version 3.10 --no-emit-index-url --custom-compile-command "make lock" --quiet
lock: .venv/ready ## Resolve the constraints and the SageMaker SDKs' requirements anew
	$(BIN)/uv pip compile requirements-dev.txt $(LOCK) --upgrade -o constraints.txt
	@# The lower bounds as pins; everything else as it is above, where it can be.
	sed -n 's/>=\([0-9.]*\).*/==\1/p' requirements.txt > .venv/oldest.txt
	cp constraints.txt constraints-airflow-3.1.txt
	$(BIN)/uv pip compile requirements-dev.txt $(LOCK) --override .venv/oldest.txt -o constraints-airflow-3.1.txt
	echo 'sagemaker>=2,<3' | $(BIN)/uv pip compile - $(LOCK) --upgrade -o tests/clients/requirements-sagemaker-2.txt
	echo 'sagemaker>=3,<4' | $(BIN)/uv pip compile - $(LOCK) --upgrade -o tests/clients/requirements-sagemaker-3.txt
