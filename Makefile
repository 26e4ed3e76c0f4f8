# `make` lists what there is. Nothing needs to be installed first but Python 3.11+ (with pip and venv) and make.

PYTHON ?= python3
IMAGES ?= examples/*.jpg
OUT    ?= out/demo

VENV := .venv
DEMO := .venv-demo
# torch and torchvision go together: a torchvision wheel is built for one torch, so both are pinned in one command
# (and pip can then take the CPU build of that version where one is at hand, instead of a CUDA build many times as large).
TORCH := torch==2.13.0 torchvision==0.28.0
PIP   := -m pip --disable-pip-version-check install -qq

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format docs bench occlusion ci clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.setup ## make .venv with everything that development needs

demo: $(DEMO)/.setup ## find the people in examples/, or in IMAGES="my.jpg folder/"; results go to OUT=out/demo
	@$(DEMO)/bin/votepose predict $(IMAGES) --out $(OUT)
	@echo "look at: $(abspath $(OUT)) (drawn pictures, and poses.jsonl with a record an image)"

# A worker a core, each with one thread, and a file of tests to one worker: its fixtures are made once.
test: setup ## run the tests
	@OMP_NUM_THREADS=1 $(VENV)/bin/pytest -n logical --maxprocesses 4 --dist loadfile

lint: setup ## check style, formatting and types
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

format: setup ## format the code, and mend what ruff can mend
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

docs: setup ## build the documentation site into out/site
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet
	@echo "open: $(abspath out/site/index.html)"

bench: setup ## measure speed beside that of other groupings: benchmarks/latest.json
	@$(VENV)/bin/python benchmarks/bench.py

occlusion: setup ## measure AP against crowd size and occlusion on generated pictures: docs/occlusion.md (half an hour)
	@$(VENV)/bin/python benchmarks/occlusion.py

ci: ## all that a change must pass: lint, tests, demo
	@.ci/run

clean: ## remove results and caches; trained runs and environments stay
	@rm -rf out dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove the environments, too
	@rm -rf $(VENV) $(DEMO)

$(VENV)/.setup: pyproject.toml
	@echo "setting up $(VENV) for development (some minutes the first time) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python $(PIP) $(TORCH) -e ".[train,synth,video,serve,cluster,docs,dev]"
	@touch $@

# The demo has an environment of its own: what a user gets from `pip install votepose`, without torch.
$(DEMO)/.setup: pyproject.toml
	@echo "setting up $(DEMO) for the demo ..."
	@$(PYTHON) -m venv $(DEMO)
	@echo '*' > $(DEMO)/.gitignore
	@$(DEMO)/bin/python $(PIP) -e .
	@touch $@
