"""``python -m alloymtl resources``: what a study's runs took, as lines for ``slurm/config.yaml``."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from alloymtl.config import combine
from alloymtl.errors import UserError
from alloymtl.progress.launch import DEFAULT_CONFIG
from alloymtl.study import Study

SAFETY_OF_TIME = 3.0
"""Nodes differ, and share their memory with others."""
START_MINUTES = 3
"""For the first jobs on a type of node, which compile the kernels."""
SAFETY_OF_MEMORY = 1.5
LEAST_MEMORY = 900
"""MB; compiling takes 600."""
STEP_OF_MEMORY = 100


@dataclass(frozen=True)
class Need:
    """What the runs of one rule took.

    Attributes:
        rule: name of the rule that trains them.
        runs: how many there are.
        seconds: of the longest one, whatever the number of its processes.
        memory_mb: of the largest one.
    """

    rule: str
    runs: int
    seconds: float
    memory_mb: float

    @property
    def minutes(self) -> int:
        """Run time to ask for."""
        return math.ceil(SAFETY_OF_TIME * self.seconds / 60) + START_MINUTES

    @property
    def megabytes(self) -> int:
        """Memory to ask for."""
        steps = math.ceil(SAFETY_OF_MEMORY * self.memory_mb / STEP_OF_MEMORY)
        return max(LEAST_MEMORY, STEP_OF_MEMORY * steps)

    def line(self) -> str:
        """The rule's entry under ``set-resources``; each retry asks for more."""
        asked = f"mem_mb: {self.megabytes} * attempt, runtime: {self.minutes} * attempt"
        taken = f"{self.runs} run{'s' * (self.runs > 1)}, at most {self.seconds:.0f} s and {self.memory_mb:.0f} MB"
        return f"  {self.rule}: {{{asked}}}  # {taken}"


def needs(study: Study) -> list[Need]:
    """What the finished runs of a study and its controls took, by rule, in the order of the config."""
    found = []
    for control, one in {"": study, **study.controls}.items():
        for method in one.trained:
            folder = Path(one.root, "runs", method.name)
            taken = list(_taken(folder.glob("level-*/split-*/seed-*/record.json")))
            if taken:
                rule = f"train_{method.name}" + (f"_in_{control}" if control else "")
                seconds, memory = zip(*taken, strict=True)
                found.append(Need(rule, len(taken), max(seconds), max(memory)))
    return found


def _taken(paths: Iterator[Path]) -> Iterator[tuple[float, float]]:
    """Seconds and megabytes of each run that says so."""
    for path in paths:
        with suppress(OSError, ValueError, KeyError, TypeError):
            record = json.loads(path.read_bytes())
            yield float(record["seconds"]), float(record["memory_mb"])


def main(arguments: Sequence[str]) -> int:
    """Print the lines; 0, or 1 after a mistake of the user's."""
    parser = argparse.ArgumentParser(prog="python -m alloymtl resources", description=__doc__.partition(": ")[2])
    configs = "the study, as Snakemake is given it; config/config.yaml if left out"
    parser.add_argument("--configfile", nargs="+", default=[DEFAULT_CONFIG], metavar="FILE", help=configs)
    options = parser.parse_args(arguments)
    try:
        study = Study.from_config(combine(options.configfile, {}), ", ".join(options.configfile))
        found = needs(study)
        if not found:
            raise UserError(f"{study.root}/runs", "there is no finished run.", "train some first.")
    except UserError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return 1
    print("set-resources:", *(need.line() for need in found), sep="\n")
    return 0
