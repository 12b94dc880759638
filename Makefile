# Every target first sets up what is missing (envs/setup.sh); `make` alone lists them.
SHELL := /bin/sh
.SUFFIXES:
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help paper quick public report ship renew verify setup test lint bench lock clean-env

CORES ?= all
CONFIG ?= config/config.yaml
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
	@echo '  CONFIG     the study that `report`, `ship`, `renew` and `verify` are about (config/config.yaml)'
	@echo '  ARGS       further arguments for Snakemake, such as ARGS="tables" or ARGS=--dry-run, or for `bench`'
	@echo '  PYTHON     the interpreter to build .venv on (the first Python 3.11 or newer on PATH)'
	@echo '  PIP_ARGS   further options for pip; to get torch without CUDA, gigabytes smaller:'
	@echo '             PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"'

paper: setup ## build the default study (config/config.yaml), paper included
	@$(SNAKEMAKE) --cores $(CORES) $(ARGS)

quick: setup ## build the same chain in minutes (config/quick.yaml)
	@$(SNAKEMAKE) --configfile config/quick.yaml --cores $(CORES) $(ARGS)

public: setup ## build the study of public alloy data (config/public.yaml)
	@$(SNAKEMAKE) --configfile config/public.yaml --cores $(CORES) $(ARGS)

report: setup ## build a study with its HTML report, one file that needs no network: results/<study>/report.html
	@set -eu; study=$$(python -c 'import sys; from alloymtl.config import read; print(read(sys.argv[1])["study"])' $(CONFIG)); \
	$(SNAKEMAKE) --configfile $(CONFIG) --cores $(CORES) --report results/$$study/report.html --report-after-run $(ARGS) \
	-- tables figures claims paper

ship: setup ## train what is missing of a study and put its records into records/, to be committed
	@$(SNAKEMAKE) --configfile $(CONFIG) --cores $(CORES) ship
	@set -eu; study=$$(python -c 'import sys; from alloymtl.config import read; print(read(sys.argv[1])["study"])' $(CONFIG)); \
	rm -rf records/.new; mkdir -p records; cp -R results/$$study/records records/.new; \
	rm -rf records/$$study; mv records/.new records/$$study; du -sh records/$$study

renew: setup ## after a change that leaves a study's data as they were: make its shipped records stand for it
	@$(SNAKEMAKE) --configfile $(CONFIG) --cores $(CORES) renew
	@set -eu; study=$$(python -c 'import sys; from alloymtl.config import read; print(read(sys.argv[1])["study"])' $(CONFIG)); \
	cp results/$$study/renewed/manifest.json records/$$study/manifest.json

verify: setup ## train some of a study's shipped runs anew and compare them with their records
	@$(SNAKEMAKE) --configfile $(CONFIG) --cores $(CORES) verify $(ARGS)

setup: ## install what is missing: .venv and LaTeX
	@sh envs/setup.sh

test: lint ## check format, lint, and run the tests
	pytest

lint: setup ## check format and lint of Python and of the workflow
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint

bench: setup ## compare the engines' speed with the loop everyone writes; time raw tables, planning and collecting
	@python -m bench $(ARGS)
	@python -m bench.data
	@python -m bench.collecting
	@python -m bench.planning

lock: ## write envs/requirements.lock and envs/pipeline.yaml anew from envs/requirements.in
	@sh envs/setup.sh lock

clean-env: ## remove .venv
	rm -rf .venv
