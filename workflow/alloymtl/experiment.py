"""The runs that one table or figure needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from alloymtl.run import Level

MAIN = "main"
"""The experiment that feeds the tables and figures of the paper."""
AFFINITY = "affinity"
"""The experiment of which a run's gradients are set beside what else is known of the tasks; a control that has it is an
arm."""
BENEFIT = "benefit"
"""The experiment that trains pairs of tasks beside each task alone."""
TASKONOMY = "taskonomy"
"""The experiment that trains groups of tasks beside each task alone and all together."""
KEPT = ("predictions", "histories", "cosines")
KEPT_OF_MAIN = ("predictions", "histories")
Cell = tuple[str, Level, int, int]
"""Method, level, split seed and seed of a run."""


@dataclass(frozen=True)
class Experiment:
    """The cells of the matrix that one table or figure needs, and the pairs of methods that it tests.

    ``keep`` names what is collected of each of its runs beside the metrics.
    """

    name: str
    methods: tuple[str, ...]
    comparisons: tuple[tuple[str, str], ...]
    levels: tuple[Level, ...]
    split_seeds: tuple[int, ...]
    seeds: tuple[int, ...]
    keep: tuple[str, ...] = ()

    def keeps(self, what: str) -> bool:
        """Whether ``predictions``, ``histories``, ``gradients`` or ``cosines`` of its runs are collected."""
        return what in self.keep or (self.name == MAIN and what in KEPT_OF_MAIN)

    @property
    def measures_gradients(self) -> bool:
        """Whether the tasks' gradients are measured in the runs of its methods."""
        return self.keeps("gradients") or self.keeps("cosines")

    def cells(self) -> Iterator[Cell]:
        """(method, level, split seed, seed) of each run."""
        return product(self.methods, self.levels, self.split_seeds, self.seeds)

    def replicates(self) -> list[tuple[int, int]]:
        """(split seed, seed) of the runs of one method at one level."""
        return list(product(self.split_seeds, self.seeds))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Experiment:
        """The experiment that ``dataclasses.asdict`` and JSON wrote."""
        pairs = tuple((a, b) for a, b in values["comparisons"])
        rest = {k: tuple(values[k]) for k in ("methods", "levels", "split_seeds", "seeds")}
        return cls(name=values["name"], comparisons=pairs, keep=tuple(values.get("keep", ())), **rest)


def collected(experiments: Sequence[Experiment], extras: Mapping[str, Iterable[str]]) -> dict[str, set[Cell]]:
    """The runs that each table collected from files of runs holds, by the table's name.

    All runs whose methods write such a file (``extras``), and those of experiments that keep something. Of a run for
    which cosines are kept there are no gradients beside, unless another experiment keeps these.

    Args:
        experiments: of a study.
        extras: the files that a method adds to its runs, by the method's name.
    """
    found: dict[str, set[Cell]] = {}
    for experiment in experiments:
        for cell in experiment.cells():
            for name in (*extras.get(cell[0], ()), *(name for name in KEPT if experiment.keeps(name))):
                found.setdefault(name, set()).add(cell)
    asked = {cell for experiment in experiments if experiment.keeps("gradients") for cell in experiment.cells()}
    if "gradients" in found:
        found["gradients"] -= found.get("cosines", set()) - asked
    return found
