#!/bin/sh
# Thousands of short runs: each task of this job array trains its share of a study's runs, with a Snakemake of its own
# on the cores of one node. Between two runs there is no scheduler, so a run costs a second beside its training.
#
#   snakemake --configfile config/quick.yaml --cores 2 prepare              # once, before the array
#   sbatch --array=0-9 slurm/share.sh --configfile config/quick.yaml        # ten shares of the runs
#   snakemake --configfile config/quick.yaml --cores 2                      # afterwards: tables, figures, paper
#
# Start the whole array again after a time limit or a failure: what is finished stays, and the rest goes on from its
# checkpoints. After a change of config or code repeat the first line, too.
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
if [ $((SLURM_ARRAY_TASK_MAX - SLURM_ARRAY_TASK_MIN + 1)) != "$SLURM_ARRAY_TASK_COUNT" ]; then
    echo "error: --array has gaps, so that some runs would be in no share. Mend: give the whole range, such as" \
        "--array=0-9; finished runs are not trained again." >&2
    exit 1
fi
ALLOYMTL_SHARE=$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN))/$SLURM_ARRAY_TASK_COUNT
export ALLOYMTL_SHARE
# No lock: shares have no run in common, and one that was killed must not keep the others, or its next try, from work.
exec snakemake "$@" --nolock --cores "${SLURM_CPUS_PER_TASK:-1}" --keep-going --rerun-incomplete --retries 2 -- runs
