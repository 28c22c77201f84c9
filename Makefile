# Two commands on a fresh machine: `make demo` and `make test`. They need git, make and Python 3.11.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV := .venv
UV := $(VENV)/bin/uv
RUN := $(VENV)/bin
export UV_PROJECT_ENVIRONMENT := $(VENV)
# A wheel of torch for another device: `make demo TORCH_BACKEND=cpu` (or cu128, rocm6.4, auto): see `uv pip install --help`.
TORCH_BACKEND ?=
STAMP := $(VENV)/.installed

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

.PHONY: install
install: $(STAMP) ## Install everything into .venv, from the lock file

$(UV):
	@echo "==> Making .venv and fetching uv into it"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "tacotune needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.11 …" >&2; exit 69; }
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8'

$(STAMP): pyproject.toml trainer-image/pyproject.toml uv.lock $(UV)
	@echo "==> Installing the locked packages (torch is large: a minute or a few, by your network)"
	@$(UV) sync --frozen --all-extras --no-managed-python
ifneq ($(TORCH_BACKEND),)
	@$(UV) pip install --python $(VENV)/bin/python --torch-backend=$(TORCH_BACKEND) --reinstall-package torch torch
endif
	@touch $(STAMP)
	@echo "==> Installed"

.PHONY: demo
demo: $(STAMP) ## Tune a small voice on this machine: at most 10 minutes on 2 cores
	@$(RUN)/tacotune run examples/quickstart.yaml

.PHONY: test
test: lint test-fast test-slow ## Lint and run every test (unit, trainer, integration, local end to end)

.PHONY: browser
browser: $(STAMP) ## A Chromium for the tests of pages: the one that is there, else Debian's as root, else Playwright's
	@PYTHONPATH=tests $(RUN)/python -m support.browser

.PHONY: test-fast
test-fast: browser ## Unit, trainer and integration tests, in parallel, with coverage
	@rm -f .coverage .coverage.*
	@OMP_NUM_THREADS=1 $(RUN)/pytest tests/unit tests/integration tests/trainer -n $${TEST_WORKERS:-2} --dist loadfile --cov --cov-report= -q

# The shell around a cluster's API: only `make test-cluster` can run it, and measures it.
CLUSTER_SHELL := operator/tacotune/handlers/*,operator/tacotune/adapters/kube*,operator/tacotune/adapters/user_studies.py,operator/tacotune/cli/kubectl/*,operator/tacotune/cli/operator.py

.PHONY: test-slow
test-slow: $(STAMP) ## The local end-to-end tests: real commands, real training
	@$(RUN)/pytest tests/local -n $${TEST_WORKERS:-2} --dist load -q --cov --cov-append --cov-report= --durations=5
	@$(RUN)/coverage combine --append --quiet 2>/dev/null || true
	@$(RUN)/coverage report --fail-under=90 --skip-covered --omit='$(CLUSTER_SHELL)'

.PHONY: test-cluster
test-cluster: $(STAMP) ## Tests against a real Kubernetes API server (needs Go 1.26; the first run builds it)
	@rm -f .coverage .coverage.*
	@$(RUN)/pytest tests/cluster -q --durations=5 --cov --cov-report=
	@$(RUN)/coverage combine --append --quiet 2>/dev/null || true
	@$(RUN)/coverage report --fail-under=90 --skip-covered --include='$(CLUSTER_SHELL)'

.PHONY: test-e2e
test-e2e: kind-up ## Tests with real pods in a kind cluster, which stays up
	@$(RUN)/pytest tests/e2e -q --durations=5

KIND := PYTHONPATH=tests $(RUN)/python -m support.kind

.PHONY: kind-up
kind-up: $(STAMP) ## A kind cluster with the chart in it; without Docker, as root: one of Debian packages and Go modules
	@$(KIND) up

.PHONY: kind-demo
kind-demo: $(STAMP) ## kind-up, then the quickstart in it, followed to its voice in runs/kind-demo
	@$(KIND) demo

.PHONY: kind-load
kind-load: $(STAMP) ## Build the images anew, load what has changed into the kind cluster, upgrade the chart
	@$(KIND) load

.PHONY: kind-down
kind-down: $(STAMP) ## Take the kind cluster down; what makes the next start short stays in the cache
	@$(KIND) down

.PHONY: kind-clean
kind-clean: $(STAMP) ## As kind-down, and remove the cache: about 20 GB of Debian, Docker's data and the node's images
	@$(KIND) clean

.PHONY: pictures
pictures: browser ## The README's pictures, of the study that `make demo` has left
	@PYTHONPATH=tests $(RUN)/python -m support.pictures runs/quickstart docs/pictures

.PHONY: lint
lint: $(STAMP) ## ruff, mypy strict, import contracts, lock file
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .
	@$(RUN)/mypy
	@$(RUN)/lint-imports
	@$(UV) lock --check --quiet

.PHONY: format
format: $(STAMP) ## Format the code and mend what can be mended
	@$(RUN)/ruff format .
	@$(RUN)/ruff check --fix .

.PHONY: bench
bench: $(STAMP) ## Benchmarks; NVIDIA=path/to/NVIDIA-tacotron2 adds the comparison
	@$(RUN)/python benchmarks/plan.py
	@$(RUN)/python benchmarks/store.py
	@$(RUN)/python benchmarks/train_step.py $(if $(NVIDIA),--nvidia $(NVIDIA))

.PHONY: bench-cluster
bench-cluster: $(STAMP) ## Benchmarks of the operator: on a real API server, then on the kind cluster, which must be up
	@$(RUN)/python benchmarks/turnover.py first --repeats 11
	@$(RUN)/python benchmarks/turnover.py pretended
	@$(RUN)/python benchmarks/turnover.py pretended --studies 50 --parallelism 4 --trials 12 --seconds 60-120
	@$(RUN)/python benchmarks/turnover.py idle --studies 100
	@$(RUN)/python benchmarks/turnover.py kind
	@$(RUN)/python benchmarks/turnover.py kind --parallelism 4

# For example: make images TAG=1.0 TORCH_INDEX=https://download.pytorch.org/whl/cpu DOCKER_BUILD_FLAGS='--secret id=pip,src=pip.conf'
DOCKER ?= docker
TAG ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BASE_IMAGE ?= python:3.13-slim-bookworm
TRAINER_BASE_IMAGE ?= $(BASE_IMAGE)
TORCH_INDEX ?=
DASHBOARDS_TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
DOCKER_BUILD_FLAGS ?=

.PHONY: images
images: ## Build the images of operator, trainer and dashboards; see the head of each Dockerfile for variants
	$(DOCKER) build $(DOCKER_BUILD_FLAGS) --build-arg BASE_IMAGE=$(BASE_IMAGE) -t tacotune/operator:$(TAG) .
	$(DOCKER) build $(DOCKER_BUILD_FLAGS) --build-arg BASE_IMAGE=$(TRAINER_BASE_IMAGE) --build-arg TORCH_INDEX=$(TORCH_INDEX) \
	  -f trainer-image/Dockerfile -t tacotune/trainer:$(TAG) .
	$(DOCKER) build $(DOCKER_BUILD_FLAGS) --build-arg BASE_IMAGE=$(BASE_IMAGE) --build-arg TORCH_INDEX=$(DASHBOARDS_TORCH_INDEX) \
	  -f trainer-image/Dockerfile --target dashboards -t tacotune/dashboards:$(TAG) .

.PHONY: generate
generate: $(STAMP) ## Write the files made from code: the CRD (also for the chart), the trainer's parameters, a pod's fields
	@$(RUN)/tacotune crd --output crds/ttsstudies.yaml
	@cp crds/ttsstudies.yaml helm/tacotune/files/ttsstudies.yaml
	@$(RUN)/tacotrain config schema > operator/tacotune/api/trainer_parameters.json
	@$(RUN)/python tests/support/pod_fields.py > pod_fields.json.new
	@mv pod_fields.json.new operator/tacotune/api/pod_fields.json

.PHONY: clean
clean: ## Remove .venv and caches; runs/ stays
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* build dist
