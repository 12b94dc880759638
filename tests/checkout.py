"""The project's files in an empty folder, as in a fresh clone, and Snakemake in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PARTS = ("Snakefile", "workflow", "config", "envs", "paper", "slurm")
SNAKEMAKE = Path(sys.executable).parent / "snakemake"


def lay_out(folder):
    """Copy what Snakemake needs, and nothing that was generated."""
    for part in PARTS:
        source = REPOSITORY / part
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, folder / part, **({"ignore": shutil.ignore_patterns("__pycache__")} if source.is_dir() else {}))
    return folder


def run(folder, *arguments, timeout=600, **environment):
    """Run Snakemake to its end: status, stdout and stderr."""
    return subprocess.run(
        [SNAKEMAKE, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=timeout,
        env={**os.environ, **environment},
    )  # fmt: skip


def start(folder, log, *arguments, **environment):
    """Start Snakemake in a session of its own, its output in a file."""
    with open(log, "wb") as stream:
        return subprocess.Popen(
            [SNAKEMAKE, *arguments], cwd=folder, stdout=stream, stderr=stream, start_new_session=True,
            env={**os.environ, **environment},
        )  # fmt: skip
