# Everything a person types. `make` alone lists the targets.
SHELL := /bin/bash
BIN := .venv/bin

# What the arm is told in `make demo`; passed through the environment so that quotes are safe.
SAY ?= pick up the red cube
export SAY

.DEFAULT_GOAL := help
.PHONY: help demo test train lint format lock doctor clean

help: ## List the targets
	@echo 'make demo SAY="push the blue cylinder to the left"'
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

demo: ## Tell the simulated arm SAY="..." and watch it act; a video and a bag land in out/
	@scripts/setup run
	@exec $(BIN)/sensorium demo "$$SAY"

test: ## Run every test
	@scripts/setup dev
	@exec $(BIN)/pytest $(PYTEST_ARGS)

train: ## From nothing to models/tabletop/policy.onnx: generate, train, export; resumable
	@scripts/setup dev
	@[ -f models/language/encoder.onnx ] || $(BIN)/python -m sensorium_training.language.train
	@$(BIN)/sensorium generate data/demos --episodes 1700
	@$(BIN)/sensorium train data/demos --minutes 10 --dagger 240 --dagger-minutes 19
	@$(BIN)/sensorium export runs/tabletop models/tabletop

doctor: ## Check this machine and say how to mend what is wrong
	@scripts/setup run
	@exec $(BIN)/sensorium doctor

lint: ## Check style, layering and types
	@scripts/setup dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: ## Let ruff mend what it can
	@scripts/setup dev
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

lock: ## Renew requirements/*.txt from requirements/*.in
	@scripts/setup dev
	@scripts/lock --upgrade

clean: ## Remove .venv, out/ and tool caches; keep data and models
	rm -rf .venv out .pytest_cache .mypy_cache .ruff_cache .hypothesis
