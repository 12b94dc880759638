"""One job in a process of its own, as the workflow starts it: ``python -m bench.job SPECIFICATION [--first-step]``.

It prints one line of JSON. The parent process takes the time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

# What `python -m alloymtl train` imports, whether this job needs it or not.
import alloymtl.cli
import alloymtl.evaluation.job  # noqa: F401
from alloymtl.run import Run
from alloymtl.training.job import train
from bench.engines import EngineTurn
from bench.rows import made_up


class Silent:
    """An observer that shows nothing."""

    def update(self, epoch: int, values: Mapping[str, float]) -> None:
        """Nothing."""


def peak_memory() -> float:
    """The most memory that this process ever held, in MB.

    Linux hands the peak of the parent down in what ``getrusage`` tells, so there the process's own is asked for.
    """
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main() -> None:
    """Train the run of a specification, or take its first step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("specification", help="a run as JSON")
    parser.add_argument("--first-step", action="store_true", help="end after the first step")
    arguments = parser.parse_args()
    run = Run.from_dict(json.loads(arguments.specification))
    data = made_up(run.tasks)
    if arguments.first_step:
        EngineTurn(run, data, range(len(run.tasks)), steps=1)()
        epochs = 0
    else:
        with tempfile.TemporaryDirectory() as folder:
            outcome = train(run, data, Path(folder), "bench", lambda label: contextlib.nullcontext(Silent()))
        epochs = max(fit.epochs for fit in outcome.fits.values())
    used = resource.getrusage(resource.RUSAGE_SELF)
    answer = {"epochs": epochs, "peak_memory_mb": peak_memory(), "cpu_seconds": used.ru_utime + used.ru_stime}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
