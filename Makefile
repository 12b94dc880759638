# Every target first sets up what is missing (envs/setup.sh); `make` alone lists them.
SHELL := /bin/sh
.SUFFIXES:
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help paper quick public setup test lint lock clean-env

CORES ?= all
ARGS ?=
export PYTHON PIP_ARGS
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# --configfile takes every word up to the next option, so it stands before --cores.
SNAKEMAKE = python -m alloymtl.progress -- snakemake

help: ## this list
	@echo 'usage: make TARGET'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-13s%s\n", $$1, $$2 }'
	@echo 'options, each as NAME=VALUE:'
	@echo '  CORES      how many cores to use (all)'
	@echo '  ARGS       further arguments for Snakemake, such as ARGS="tables" or ARGS=--dry-run'
	@echo '  PYTHON     the interpreter to build .venv on (the first Python 3.11 or newer on PATH)'
	@echo '  PIP_ARGS   further options for pip; to get torch without CUDA, gigabytes smaller:'
	@echo '             PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"'

paper: setup ## build the default study (config/config.yaml), paper included
	@$(SNAKEMAKE) --cores $(CORES) $(ARGS)

quick: setup ## build the same chain in minutes (config/quick.yaml)
	@$(SNAKEMAKE) --configfile config/quick.yaml --cores $(CORES) $(ARGS)

public: setup ## build the study of public alloy data (config/public.yaml)
	@$(SNAKEMAKE) --configfile config/public.yaml --cores $(CORES) $(ARGS)

setup: ## install what is missing: .venv and LaTeX
	@sh envs/setup.sh

test: lint ## check format, lint, and run the tests
	pytest

lint: setup ## check format and lint of Python and of the workflow
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint

lock: ## write envs/requirements.lock and envs/pipeline.yaml anew from envs/requirements.in
	@sh envs/setup.sh lock

clean-env: ## remove .venv
	rm -rf .venv
