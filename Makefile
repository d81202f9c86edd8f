# Everything that a developer runs, by group. `make help` lists it.
PYTHON ?= python3
BIN := .venv/bin
TESTS := tests/package tests/local_aws tests/training_image tests/cloudformation tests/repository
# Airflow's imports take seconds when no byte code may be written.
unexport PYTHONDONTWRITEBYTECODE
# Only what a recipe sets: a shell's own Airflow or AWS must not leak into the laptop's.
unexport AIRFLOW_HOME
unexport PYTHONPATH

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# A lock is whole and has a hash for every file: nothing is resolved anew, and nothing else is installed. Wheels only: what
# a source distribution is built with is in no lock.
LOCKED := --require-hashes --only-binary :all:
SYNC := $(BIN)/uv pip sync --quiet --compile-bytecode $(LOCKED)

.venv/ready: pyproject.toml requirements-dev.lock
	@echo "Setting up .venv (once; byte-compiled, takes a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14) and "Python 3.10 to 3.13 is needed; name one with PYTHON=")'
	$(PYTHON) -m venv .venv
	@# First uv, by its own lines of the lock.
	@awk '/^uv==/, !/\\$$/' requirements-dev.lock > .venv/uv.txt
	$(BIN)/pip install --quiet --disable-pip-version-check $(LOCKED) --requirement .venv/uv.txt
	$(SYNC) --python $(BIN)/python requirements-dev.lock
	@# Built with the lock's hatchling, not with one that is fetched for it.
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

##@ Try

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^##@ / { print separator substr($$0, 5); separator = "\n" } \
		/^[a-z0-9-]+:.*## / { printf "  %-20s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A person's own model, of docs/laptop.md.
OWN = $(foreach image,$(IMAGE),--image '$(image)') $(if $(DATA),--data '$(DATA)') $(if $(DATA_DATE),--data-date '$(DATA_DATE)') \
	$(if $(PIPELINE),--pipeline '$(PIPELINE)') $(if $(FRESH),--fresh)

.PHONY: demo
demo: .venv/ready ## Run the whole pipeline once on local AWS; DATA_DATE=2019-03-05 for another day, and as `make up`
	@$(BIN)/python include/demo.py $(OWN)

.PHONY: up
up: .venv/ready ## Run Airflow on local AWS until Ctrl-C; IMAGE=name=folder|docker://tag DATA=folder PIPELINE=name FRESH=1 PORT=8080 AWS_PORT=5000
	@PYTHONPATH=include:plugins exec $(BIN)/python -m local_airflow up $(OWN) $(if $(PORT),--port $(PORT)) $(if $(AWS_PORT),--aws-port $(AWS_PORT))

.PHONY: down
down: .venv/ready ## Stop what `make up` runs
	@PYTHONPATH=include:plugins exec $(BIN)/python -m local_airflow down

.PHONY: aws
aws: .venv/ready ## Run local AWS alone in the foreground; PORT=5000
	@PYTHONPATH=include:plugins exec $(BIN)/python -m local_aws --port $(or $(PORT),5000)

.PHONY: env
env: ## Write .env and secrets/ for docker-compose.yaml; what is there stays
	@$(PYTHON) include/compose_env.py

##@ Pipelines

.PHONY: check-pipelines
check-pipelines: .venv/ready ## Check the pipeline files, as Airflow will before anything runs
	$(BIN)/fresh-endpoints check

.PHONY: schema
schema: .venv/ready ## Write the pipeline files' JSON Schema anew, and docs/pipeline-reference.md
	$(BIN)/fresh-endpoints schema > include/pipelines/pipeline.schema.json
	$(BIN)/fresh-endpoints schema --shared > include/pipelines/shared.schema.json
	$(BIN)/python include/docs_site/reference.py > docs/pipeline-reference.md

.PHONY: pictures
pictures: .venv/ready ## Draw the pictures of docs/architecture.md anew
	$(BIN)/python include/docs_site/pictures.py

##@ AWS

# stack.sh prints what it runs. The AWS CLI is the one on the PATH, else the lock's.
STACK_SH := PATH="$$PATH:$(CURDIR)/$(BIN)" include/cloudformation/stack.sh
AWS_CLI := $(if $(shell command -v aws),,.venv/ready)
# MORE_TARGETS= and REPOSITORIES= empty the list.
PARAMETERS = $(if $(BUCKET),Bucket='$(BUCKET)') $(if $(TARGET),Target='$(TARGET)') \
	$(if $(filter undefined,$(origin MORE_TARGETS)),,MoreTargets='$(MORE_TARGETS)') $(if $(CREATE_BUCKET),CreateBucket='$(CREATE_BUCKET)') \
	$(if $(INPUT_PREFIX),InputPrefix='$(INPUT_PREFIX)') $(if $(ARTIFACT_PREFIX),ArtifactPrefix='$(ARTIFACT_PREFIX)') \
	$(if $(CREATE_REPOSITORY),CreateRepository='$(CREATE_REPOSITORY)') \
	$(if $(filter undefined,$(origin REPOSITORIES)),,Repositories='$(REPOSITORIES)') \
	$(if $(NUM_CLASS),NumClass='$(NUM_CLASS)') $(if $(EXECUTION_ROLE),ExecutionRole='$(EXECUTION_ROLE)') $(if $(TAG_KEYS),TagKeys='$(TAG_KEYS)') $(if $(ARTIFACT_DAYS),ArtifactDays='$(ARTIFACT_DAYS)')

.PHONY: aws-create
aws-create: $(AWS_CLI) ## Create bucket, repository, role and policy; BUCKET=... [TARGET= …]; the variables are in docs/aws.md
	@$(STACK_SH) create $(PARAMETERS)

.PHONY: aws-update
aws-update: $(AWS_CLI) ## Update them; parameters that are not given keep their values
	@$(STACK_SH) update $(PARAMETERS)

.PHONY: aws-delete
aws-delete: $(AWS_CLI) ## Delete them, after asking; the bucket and the role stay
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

# Its lock is whole, too: beside Airflow it has no room.
.venv-checkov/ready: tests/cloudformation/requirements-checkov.lock .venv/ready
	@echo "Setting up .venv-checkov (once; byte-compiled)"
	$(PYTHON) -m venv .venv-checkov
	$(SYNC) --python .venv-checkov/bin/python $<
	@touch $@

# Without --skip-download it asks its maker's server for texts.
.PHONY: check-template
check-template: .venv-checkov/ready ## Hold the CloudFormation template against checkov's rules; exceptions stand in it with their reasons
	.venv-checkov/bin/checkov --file include/cloudformation/pipelines.yaml --framework cloudformation --skip-download --compact --quiet

# Nor has what builds the site, which asks nobody and loads nothing from elsewhere.
.venv-docs/ready: docs/requirements.lock .venv/ready
	@echo "Setting up .venv-docs (once; byte-compiled)"
	$(PYTHON) -m venv .venv-docs
	$(SYNC) --python .venv-docs/bin/python $<
	@touch $@

.PHONY: docs
docs: .venv-docs/ready ## Build the docs' site into site/, which opens from its files; broken links and warnings fail
	NO_MKDOCS_2_WARNING=true .venv-docs/bin/mkdocs build --strict

WORKERS ?= 2
.PHONY: test
test: .venv/ready ## Run the tests that need no browser and no Docker
	$(BIN)/python -m pytest $(TESTS) --ignore tests/repository/journeys -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

.PHONY: test-journeys
test-journeys: .venv/ready ## Type the commands of docs/journeys.md, one reader after the other
	$(BIN)/python -m pytest tests/repository/journeys $(PYTEST_ARGS)

# Not requirements-dev.txt: it asks for the newest Airflow.
.venv-3.1/ready: requirements-airflow-3.1.lock .venv/ready
	@echo "Setting up .venv-3.1 (once; byte-compiled, takes a minute)"
	$(PYTHON) -m venv .venv-3.1
	$(SYNC) --python .venv-3.1/bin/python $<
	@touch $@

# What AWS, the files and simulated time decide, whatever the version of Airflow: `make test` has run it.
ON_ANY_AIRFLOW := $(addprefix tests/package/,aws adoption pipeline_file/checks pipeline_file/test_fuzz.py planning \
	steps/test_retention.py steps/test_quality_gate.py \
	waiting/test_midnight.py waiting/test_pace.py waiting/test_turns.py waiting/test_watcher.py)

.PHONY: test-oldest
test-oldest: .venv-3.1/ready ## Run the tests that depend on Airflow on the oldest supported Airflow
	.venv-3.1/bin/python -m pytest tests/package $(addprefix --ignore=,$(ON_ANY_AIRFLOW)) -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

# The SDKs have no room beside Airflow: their pins contradict its constraints.
.venv-sagemaker-%/ready: tests/clients/requirements-sagemaker-%.lock .venv/ready
	@echo "Setting up .venv-sagemaker-$* (once; byte-compiled)"
	$(PYTHON) -m venv .venv-sagemaker-$*
	$(SYNC) --python .venv-sagemaker-$*/bin/python $<
	@touch $@

.PHONY: test-clients
test-clients: .venv/ready .venv-sagemaker-2/ready .venv-sagemaker-3/ready ## Run the SageMaker Python SDKs 2 and 3 against local AWS
	$(BIN)/python -m pytest tests/clients -n $(WORKERS) --dist loadfile --durations 4 $(PYTEST_ARGS)

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

# CI leaves out the first, which `make test` has run.
FAULTS ?= tests/package/faults tests/services/faults
.PHONY: test-faults
test-faults: .venv/ready ## Run the whole fault suite: AWS misbehaves, processes are killed, 50 runs soak; SOAK_SEED=1 for another soak
	$(BIN)/python -m pytest $(FAULTS) $(PYTEST_ARGS)

.PHONY: test-faults-oldest
test-faults-oldest: .venv-3.1/ready ## What users do to a run, killed processes and a soak of 15 runs, on the oldest supported Airflow
	SOAK_RUNS=15 .venv-3.1/bin/python -m pytest tests/services/faults $(PYTEST_ARGS)

# What of them holds a promise of the README's, and depends on Airflow.
PROMISED := $(addprefix tests/services/usage/,test_batch_predict.py test_deadline.py test_redeploy.py)
.PHONY: test-e2e-oldest
test-e2e-oldest: .venv-3.1/ready ## Batch prediction, deadline and redeploy on real services, on the oldest supported Airflow
	.venv-3.1/bin/python -m pytest $(PROMISED) $(PYTEST_ARGS)

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
test-compose: .venv/ready ## Run docker-compose.yaml with both executors, and local AWS with Docker's images; needs Docker
	$(BIN)/python -m pytest tests/compose tests/containers --timeout 1800 $(PYTEST_ARGS)

.PHONY: screenshots
screenshots: .venv/ready ## Take the docs' screenshots anew
	@mkdir -p docs/images
	SCREENSHOTS_DIR=docs/images $(BIN)/python -m pytest tests/browser $(PYTEST_ARGS)

.PHONY: bench
bench: .venv/ready ## Measure against the stock operators and the article; writes docs/benchmarks.md
	@PYTHONPATH=include:plugins $(BIN)/python -m benchmarks

.PHONY: bench-quick
bench-quick: .venv/ready ## The same without the parallel runs, the backfill and the fleet
	@PYTHONPATH=include:plugins $(BIN)/python -m benchmarks --quick

.PHONY: bench-fleet
bench-fleet: .venv/ready ## Measure the fleet anew, beside what bench has found today
	@PYTHONPATH=include:plugins $(BIN)/python -m benchmarks --fleet

.PHONY: lock-images
lock-images: .venv/ready ## Pin the base images to what their tags stand for now; needs skopeo
	$(BIN)/python include/base_images.py renew

.PHONY: lock
COMPILE = $(BIN)/uv pip compile --universal --python-version 3.10 --generate-hashes --only-binary :all: --no-emit-index-url \
	--custom-compile-command "make lock" --quiet
UPGRADE = $(if $(KEEP),,--upgrade)
lock: .venv/ready ## Resolve every lock anew; KEEP=1 keeps what is still allowed, and the base images
	$(COMPILE) requirements-dev.txt $(UPGRADE) -o requirements-dev.lock
	@# The same without hashes, which pip would then demand of everything: https://github.com/pypa/pip/issues/12956
	sed '/^    --hash=/d; s/ \\$$//' requirements-dev.lock > constraints.txt
	@# The lower bounds as pins; everything else as it is above, where it can be.
	sed -n 's/>=\([0-9.]*\).*/==\1/p' requirements.txt > .venv/oldest.txt
	cp requirements-dev.lock requirements-airflow-3.1.lock
	$(COMPILE) requirements-dev.txt --override .venv/oldest.txt -o requirements-airflow-3.1.lock
	@# What the images add to their base images, as the laptop has it.
	$(COMPILE) include/training_image/requirements.txt -c constraints.txt -o include/training_image/requirements.lock
	$(COMPILE) include/local_aws/requirements.txt include/training_image/requirements.txt -c constraints.txt -o include/local_aws/requirements.lock
	$(COMPILE) requirements-image.txt --no-deps -c constraints.txt $(UPGRADE) -o requirements-image.lock
	echo 'sagemaker>=2,<3' | $(COMPILE) - $(UPGRADE) -o tests/clients/requirements-sagemaker-2.lock
	echo 'sagemaker>=3,<4' | $(COMPILE) - $(UPGRADE) -o tests/clients/requirements-sagemaker-3.lock
	echo 'checkov' | $(COMPILE) - $(UPGRADE) -o tests/cloudformation/requirements-checkov.lock
	echo 'mkdocs-material' | $(COMPILE) - $(UPGRADE) -o docs/requirements.lock
	@# Where no registry answers, it says so, and the rest is locked all the same.
	$(if $(KEEP),,-$(BIN)/python include/base_images.py renew)
