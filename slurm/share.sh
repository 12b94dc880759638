#!/bin/sh
# Thousands of short runs: each task of this job array trains its share of a study's runs, with a Snakemake of its own
# on the cores of one node. Between two runs there is no scheduler, so a run costs a second beside its training.
#
#   snakemake --configfile config/quick.yaml --cores 2 prepare              # once, before the array
#   sbatch --array=0-9 slurm/share.sh --configfile config/quick.yaml        # ten shares of the runs
#   snakemake --configfile config/quick.yaml --cores 2                      # afterwards: tables, figures, paper
#
# Start the array again after a time limit or a failure: what is finished stays, and the rest goes on from checkpoints.
# Options of sbatch come before the script: --partition, --account, --cpus-per-task=32, --time. The environment with
# Snakemake has to be active, or `PATH` to name its folder.
#SBATCH --job-name=alloymtl
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --mem-per-cpu=1000
#SBATCH --time=04:00:00
#SBATCH --requeue
set -eu

: "${SLURM_ARRAY_TASK_ID:?is not set: start it with sbatch --array=0-9 slurm/share.sh ...}"
first=${SLURM_ARRAY_TASK_MIN:-0}
ALLOYMTL_SHARE=$((SLURM_ARRAY_TASK_ID - first))/$SLURM_ARRAY_TASK_COUNT
export ALLOYMTL_SHARE
exec snakemake "$@" --cores "${SLURM_CPUS_PER_TASK:-1}" --keep-going --rerun-incomplete --retries 2 -- runs
