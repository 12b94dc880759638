"""Times of whole processes: a run from beginning to end, and the way to the first step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from alloymtl.run import Run

ROOT = Path(__file__).parents[1]
# Libraries of linear algebra read one of these when they are loaded.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Process:
    """What a job in a process of its own took.

    Attributes:
        seconds: from its start to its answer.
        epochs: epochs trained.
        cpu_seconds: processor time, of all threads.
        peak_memory_mb: the most memory that it held.
    """

    seconds: float
    epochs: int
    cpu_seconds: float
    peak_memory_mb: float


def job(run: Run, *options: str) -> Process:
    """Start ``bench.job`` and wait for its answer.

    Raises:
        subprocess.CalledProcessError: it failed; its own message is on the terminal.
    """
    command = [sys.executable, "-m", "bench.job", json.dumps(run.to_dict()), *options]
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE) as process:
        answer = process.stdout.readline()
        seconds = time.perf_counter() - began
    if process.returncode or not answer:
        raise subprocess.CalledProcessError(process.returncode, command[:3])
    return Process(seconds=seconds, **json.loads(answer))


def warm_up(run: Run) -> None:
    """Fill the cache of compiled kernels with all that a run needs, its measurements every few epochs included."""
    intervals = [settings["epoch_interval"] for settings in run.diagnostics.values()]
    job(replace(run, training={**run.training, "max_epochs": max([1, *intervals])}))


def start_up(run: Run, times: int) -> Process:
    """The fastest of several ways to the first step."""
    return min((job(run, "--first-step") for _ in range(times)), key=lambda process: process.seconds)
