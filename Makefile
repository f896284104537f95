# One word for each thing a person does here. `make help` lists them; every target sets up what it needs first.
SHELL := bash
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
STAGE := @scripts/stage.sh
PYTEST := $(PY) -m pytest

# A real FHIR server and patients for it, where they are there beside this checkout.
FHIR_SERVER ?= $(wildcard ../shared/tools/fhir/fhir-server)
FHIR_PATIENTS ?= $(wildcard ../shared/data/synthea)

# A program that builds images without a container engine, where one is there beside this checkout.
IMAGE_BUILDER ?= $(wildcard ../shared/tools/images/build-image)

# A real Kubernetes control plane on loopback, where the tool that builds and starts one is there beside this checkout.
KUBE ?= $(wildcard ../shared/tools/kubernetes/kube)

# The seed of a run of claims under a schedule of accidents, or `first-last`; and how many claims each has.
SEED ?= 1
CLAIMS ?= 10000

# Terraform; beside this checkout there may be one with stand-ins for the providers, which plans without a cluster, and a
# program that makes Kubernetes manifests of a plan. TF_MIRROR: a folder that holds the real AWS provider
# (`terraform providers mirror FOLDER` makes one where a registry is in reach).
TERRAFORM ?= terraform
TF_MIRROR ?=
TF_STAND_INS ?= $(wildcard ../shared/tools/terraform/terraform-offline)
PLAN2K8S ?= $(addprefix $(PY) ,$(wildcard ../shared/tools/terraform/plan2k8s.py))
MANIFESTS ?= build/manifests.yaml
RENDER = $(PY) -m scripts.terraform_render --terraform "$(or $(TF_STAND_INS),$(TERRAFORM))" --plan2k8s "$(PLAN2K8S)"

# What the manifests are held against: 10-platform's default and the next. And another deployment than the default one:
# what each of the variables below makes appears in it alone.
K8S_VERSIONS ?= 1.35 1.36
OTHER_MANIFESTS := build/manifests-other.yaml
OTHER := --var lb_mode=alb --var model_cache_mode=ephemeral --var 'chat={max_replicas=3,min_replicas=2,replicas=2}' \
  --var kafka_nodes=3

# Tests that a second pytest works beside the first: those that only compute and those with a broker, which wait a lot.
# What measures the time of something stays out.
ASIDE := $(addprefix tests/,$(addprefix unit/service_chat/,safety records) \
  $(addprefix unit/inference_container/,forecasting training bundles) unit/scripts contract/test_openapi.py \
  $(addprefix integration/,kafka compose cloud test_demo.py) \
  $(addprefix integration/inference_container/,stores test_claim_commands.py test_memory.py test_traces.py) chaos)

.DEFAULT_GOAL := help
.PHONY: help setup demo run-chat run-inference check test lint types format unit contract integration chaos chaos-claims load \
        bench bench-predict bench-triage bench-claims eval fhir-accept k8s-accept tf-check tf-planted tf-aws tf-checkov tf-render tf-manifests-check docs tools up down logs \
        images images-accept changelog clean

##@ Here
help: ## List what can be done here
	@awk -F ':.*## ' '/^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-22s %s\n", $$1, $$2}' \
	  $(MAKEFILE_LIST)

setup: ## Make the environment: Python packages and the chat model's engine (quick when nothing changed)
	@scripts/setup.sh

demo: setup ## Start both services, ask each one question, show the answers (Ctrl-C ends it; DEMO_EXIT=1 ends by itself)
	@$(PY) -m scripts.demo

run-chat: setup ## Run the chat service on 127.0.0.1:8002
	@$(PY) -m service_chat

run-inference: setup ## Run the forecast service on 127.0.0.1:8000
	@$(PY) -m inference_container serve

##@ Checks and tests
check: lint types ## The quick round: format, lint, import contracts, types, unit and contract tests
	@printf '\n== unit and contract tests\n'
	@$(PYTEST) tests/unit tests/contract

test: lint ## All that CI runs: check, the integration tests and the quick rows of chaos
	@printf '\n== unit, contract and integration tests; beside them types, and what tests need and is not there yet\n'
	@scripts/beside.sh "what tests need" $(PY) -m tests.fetch -- scripts/beside.sh "types (mypy)" scripts/types.sh -- \
	  $(PYTEST) -m "not chaos" -p tests.aside $(addprefix --aside ,$(ASIDE)) tests/unit tests/contract tests/integration

lint: setup ## Format, lint and import contracts
	$(STAGE) "format (ruff)" $(PY) -m ruff format --check .
	$(STAGE) "lint (ruff)" $(PY) -m ruff check .
	$(STAGE) "import contracts" .venv/bin/lint-imports --no-logo

types: setup ## Types of code and tests (mypy --strict)
	$(STAGE) "types (mypy)" scripts/types.sh

format: setup ## Format the code and mend what the linter can mend
	@$(PY) -m ruff check --fix-only --quiet . && $(PY) -m ruff format .

unit: setup ## Unit tests, one file per room
	@$(PYTEST) tests/unit

contract: setup ## Contract tests: names people alert on, OpenAPI, the timeout ladder
	@$(PYTEST) tests/contract

integration: setup ## Integration tests: whole services on loopback, with real models
	@$(PYTEST) tests/integration

chaos: setup ## Chaos tests: kill, hang up, drain mid-flight, take broker and store away; all is accounted for afterwards
	@$(PYTEST) tests/chaos

chaos-claims: setup ## Claims while a seeded schedule breaks things; fails when the books do not add up (SEED, CLAIMS, CHAOS_ARGS)
	@$(PY) -m tests.chaos.schedule --seed $(SEED) --claims $(CLAIMS) $(CHAOS_ARGS)

fhir-accept: setup ## The FHIR store on a real server (FHIR_SERVER: the tool that starts one; FHIR_PATIENTS: its bundles)
	@FHIR_SERVER="$(FHIR_SERVER)" FHIR_PATIENTS="$(FHIR_PATIENTS)" $(PYTEST) tests/acceptance/fhir

tf-check: setup ## Every Terraform module and root: formatted, valid, its tests pass (TERRAFORM)
	@$(PY) -m scripts.terraform_check --terraform "$(TERRAFORM)"

tf-planted: setup ## Plant the mistakes that its tests are there for, and see them fail (TERRAFORM)
	@TERRAFORM="$(TERRAFORM)" $(PYTEST) tests/terraform

tf-aws: setup .venv-moto/.setup-done ## The platform with the real AWS provider, applied to an AWS of this machine (TF_MIRROR: its folder)
	@$(PY) -m scripts.tf_aws --terraform "$(TERRAFORM)" --mirror "$(TF_MIRROR)"

.venv-moto/.setup-done: scripts/moto.txt
	@$(PY) -m venv --clear .venv-moto
	@$(PY) -m uv pip install --quiet --python .venv-moto/bin/python -r $< || .venv-moto/bin/python -m pip install --quiet -r $<
	@touch $@

tf-checkov: tools ## What checkov holds against the Terraform files themselves (about a minute)
	$(STAGE) "checkov" .venv-tools/bin/checkov -d infra/terraform --config-file infra/terraform/hcl.checkov.yaml --skip-download \
	  --quiet --compact

tf-render: setup ## Plan 30-apps and write what it would create as manifests (MANIFESTS: the file; TF_VAR_…)
	@$(RENDER) --out "$(MANIFESTS)"

tf-manifests-check: tools tf-render ## What 30-apps would create, against Kubernetes' schemas of two versions and checkov
	@$(RENDER) --out $(OTHER_MANIFESTS) $(OTHER)
	@for version in $(K8S_VERSIONS); do scripts/stage.sh "manifests for Kubernetes $$version" \
	  .venv-tools/bin/kubernetes-validate --strict --quiet --no-warn -k $$version "$(MANIFESTS)" $(OTHER_MANIFESTS) || exit; done
	$(STAGE) "checkov" .venv-tools/bin/checkov --file "$(MANIFESTS)" $(OTHER_MANIFESTS) --framework kubernetes --quiet --compact \
	  --skip-download --config-file infra/terraform/manifests.checkov.yaml

k8s-accept: setup ## What 30-apps plans, on a real Kubernetes API: applied, refused, scaled, rolled back (KUBE: the tool that starts one)
	@KUBE="$(KUBE)" STAND_INS="$(or $(TF_STAND_INS),$(TERRAFORM))" PLAN2K8S="$(PLAN2K8S)" $(PYTEST) tests/acceptance/kubernetes

##@ Load, speed, judgement
load: setup ## Load the services with a profile of docs/load.md and judge it (PROFILE, TARGET, CHAT_TARGET, LOAD_ARGS)
	@$(PY) -m scripts.load $(if $(PROFILE),--profile $(PROFILE)) $(if $(TARGET),--target $(TARGET)) \
	  $(if $(CHAT_TARGET),--chat $(CHAT_TARGET)) $(LOAD_ARGS)

bench: setup ## Measure health while the models work, and /predict at 1, 10 and 50 connections
	@$(PY) -m bench.predict_latency

bench-predict: setup ## Measure /predict beside Mosec, LitServe and others; fails when a floor is missed (BENCH_ARGS)
	@$(PY) -m bench.predict --overload --two-cores $(BENCH_ARGS)

bench-triage: setup ## Measure the chat service beside its peers; fails when a floor is missed (BENCH_ARGS)
	@$(PY) -m bench.triage $(BENCH_ARGS)

bench-claims: setup ## Measure claims per second, beside the naive loop and beside HTTP; fails when a floor is missed (BENCH_ARGS)
	@$(PY) -m bench.claims $(BENCH_ARGS)

eval: setup ## Judge the triage by vignettes: under- and over-triage, recall; fails when a bound breaks (EVAL_ARGS)
	@$(PY) -m scripts.evaluation $(EVAL_ARGS)

##@ Documents and tools
docs: setup ## Write docs/configuration.md, docs/metrics.md and Grafana's dashboards from the code
	@$(PY) -m scripts.configuration_page
	@$(PY) -m scripts.metrics_page
	@$(PY) -m scripts.dashboards

tools: ## Make .venv-tools: checkov, hadolint, compose schema, towncrier (part of setup)
	@scripts/setup.sh tools

##@ Containers
up: ## Start the whole street in containers: services, Kafka, store (STAGING=1; COMPOSE_PROFILES=obs,load-ui)
	@scripts/compose.sh up

down: ## End it; what it stored stays
	@scripts/compose.sh down

logs: ## Follow what its containers say
	@scripts/compose.sh logs

images: tools ## Lint the Dockerfiles and the compose files
	$(STAGE) "hadolint" .venv-tools/bin/hadolint docker/chat.Dockerfile docker/inference.Dockerfile
	$(STAGE) "compose schema" .venv-tools/bin/check-jsonschema --builtin-schema vendor.compose-spec \
	  docker-compose.yaml docker-compose.staging.yaml

images-accept: setup ## Build both images, run them as user 10001, ask them, look what they wrote (IMAGE_BUILDER, as root)
	@IMAGE_BUILDER="$(IMAGE_BUILDER)" $(PY) -m scripts.images_accept

##@ Housekeeping
changelog: tools ## Write CHANGELOG.md from changelog.d/ (VERSION=x.y.z)
	@.venv-tools/bin/towncrier build --config changelog.d/towncrier.toml --dir . --version "$(VERSION)"

clean: ## Remove environments and caches of this checkout (the built engine stays in the user's cache)
	@rm -rf .venv .venv-tools .venv-moto .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

include infra/cloud.mk
