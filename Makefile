# `make` lists the targets. The only prerequisites are Python 3.11+ (with pip and venv) and make.

PYTHON ?= python3
IMAGES ?= examples/*.jpg
OUT    ?= out/demo

VENV := .venv
DEMO := .venv-demo
# A torchvision wheel is built for one torch, so both are pinned in one command. (pip can then choose the CPU build of
# that version if one is available, instead of a CUDA build many times as large.)
TORCH := torch==2.13.0 torchvision==0.28.0
PIP   := -m pip --disable-pip-version-check install -qq

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format docs bench occlusion container ci clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.setup ## create .venv with everything needed for development

demo: $(DEMO)/.setup ## run on examples/, or on IMAGES="my.jpg folder/"; results go to OUT=out/demo
	@$(DEMO)/bin/votepose predict $(IMAGES) --out $(OUT)
	@echo "look at: $(abspath $(OUT)) (images with poses drawn, and poses.jsonl with one record per image)"

# One worker per core, each with one thread; all tests of a file run on one worker, so that its fixtures are created
# once. Files are not reordered by number of tests, which would put the slowest last.
test: setup ## run the tests
	@OMP_NUM_THREADS=1 $(VENV)/bin/pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: setup ## check style, formatting and types
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

format: setup ## format the code, and fix what ruff can fix
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

docs: setup ## build the documentation site into out/site
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet
	@echo "open: $(abspath out/site/index.html)"

bench: setup ## measure speed and compare grouping methods: benchmarks/latest.json
	@$(VENV)/bin/python benchmarks/bench.py

occlusion: setup ## measure AP against crowd size and occlusion on generated images: docs/occlusion.md (half an hour)
	@$(VENV)/bin/python benchmarks/occlusion.py

container: ## run deploy/Dockerfile's commands in a clean environment, and check its server
	@$(PYTHON) scripts/check_deploy.py

ci: ## run all checks that a change must pass: lint, tests, docs, demo
	@.ci/run

clean: ## remove results and caches; keep trained runs and environments
	@rm -rf out dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find src tests scripts benchmarks research -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## also remove the environments
	@rm -rf $(VENV) $(DEMO)

$(VENV)/.setup: pyproject.toml
	@echo "setting up $(VENV) for development (some minutes the first time) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python $(PIP) $(TORCH) -e ".[train,synth,video,serve,cluster,docs,dev]"
	@touch $@

# The demo has its own environment, as from `pip install votepose`, without torch.
$(DEMO)/.setup: pyproject.toml
	@echo "setting up $(DEMO) for the demo ..."
	@$(PYTHON) -m venv $(DEMO)
	@echo '*' > $(DEMO)/.gitignore
	@$(DEMO)/bin/python $(PIP) -e .
	@touch $@
