"""Matrices over the tasks of a study, run by run: what its gradients say of them, and what else is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alloymtl.evaluation.affinity.cosines import matrix
from alloymtl.evaluation.affinity.grouping import Groups
from alloymtl.evaluation.affinity.kinds import JACCARD, KINDS, MAGNITUDES
from alloymtl.evaluation.statistics import paired_t
from alloymtl.experiment import Experiment
from alloymtl.run import Level

Matrix = NDArray[np.float64]
Run = tuple[int, int]
"""Split seed and seed."""

SAME_EVERYWHERE = (*MAGNITUDES, *MAGNITUDES.values())
"""Relations that neither a level nor a split changes: they are of all alloys, or of the functions behind them."""


@dataclass(frozen=True)
class Series:
    """Matrices of one source at one level, shape (tasks, tasks); NaN where a pair has no value.

    ``source`` is an estimator of the cosine, or a kind of relation; ``method`` and ``window`` are empty for the latter.
    ``matrices`` are by what they depend on: (split seed, seed), (split seed,), or nothing: ().
    """

    level: str
    method: str
    source: str
    window: str
    matrices: Mapping[tuple[int, ...], Matrix]

    @property
    def fixed(self) -> bool:
        """Whether it is one matrix for all levels, splits and seeds."""
        return () in self.matrices

    @property
    def of_gradients(self) -> bool:
        """Whether it tells of cosines of gradients, as against relations."""
        return bool(self.method)

    @property
    def names(self) -> dict[str, str]:
        """``method``, ``source`` and ``window``."""
        return {"method": self.method, "source": self.source, "window": self.window}

    def generator(self) -> np.random.Generator:
        """A random generator that depends on its names and nothing else."""
        return np.random.default_rng([*"/".join([*self.names.values(), "" if self.fixed else self.level]).encode()])

    def of_runs(self, runs: Iterable[Run]) -> dict[Run, Matrix]:
        """The matrix of each of some runs that has one."""
        depth = max((len(key) for key in self.matrices), default=0)
        return {run: self.matrices[run[:depth]] for run in runs if run[:depth] in self.matrices}


@dataclass(frozen=True)
class Mean:
    """Mean over runs with Student's t interval, and the number of runs behind each entry; all (tasks, tasks).

    As in step ``compare``, runs of one split count as they are, while of several splits each counts once, with the mean
    of its runs. A run that has no value for a pair is not in the pair's numbers; the mean is NaN without any, the
    interval with fewer than two.
    """

    value: Matrix
    ci_low: Matrix
    ci_high: Matrix
    runs: NDArray[np.int64]


def cosines(affinity: pd.DataFrame, experiment: Experiment, tasks: Sequence[str]) -> list[Series]:
    """Cosines of gradients, by level, method, estimator and window, with a matrix for each run of the experiment.

    A run without any value has a matrix of NaN.

    Args:
        affinity: table of the step of that name.
        experiment: the one that its gradients are of.
        tasks: names of rows and columns.
    """
    found = []
    for level in experiment.levels:
        of_level = affinity[affinity["level"] == str(level)]
        for (method, estimator, window), lines in of_level.groupby(["method", "estimator", "window"], sort=False):
            there = dict(list(lines.groupby(["split_seed", "seed"])))
            runs = {run: matrix(there.get(run, lines.iloc[:0]), list(tasks)) for run in experiment.replicates()}
            found.append(Series(str(level), str(method), str(estimator), str(window), runs))
    return found


def relations(table: pd.DataFrame, level: Level, tasks: Sequence[str]) -> list[Series]:
    """What is known of tasks apart from gradients and the overlap, at one level.

    Relations that are the same everywhere are told of a level that the table does not have, too.

    Args:
        table: ``task_relations``, of the step ``affinity``.
        level: of the runs.
        tasks: names of rows and columns.
    """
    of_level = table[table["level"] == str(level)]
    found = []
    for kind in (kind for kind in KINDS if kind != JACCARD):
        fixed = kind in SAME_EVERYWHERE
        lines = table[table["kind"] == kind] if fixed else of_level[of_level["kind"] == kind]
        if fixed:
            matrices = {(): matrix(lines.drop_duplicates(["first", "second"]), list(tasks))}
        else:
            matrices = {(split,): matrix(of, list(tasks)) for split, of in lines.groupby("split_seed")}
        if len(lines):
            found.append(Series(str(level), "", kind, "", matrices))
    return found


def overlap(table: pd.DataFrame, level: Level, tasks: Sequence[str]) -> Matrix:
    """Jaccard index of the tasks' training labels at a level, mean over splits; NaN where the table lacks the level.

    Arguments as for ``relations``.
    """
    lines = table[(table["level"] == str(level)) & (table["kind"] == JACCARD)]
    return matrix(lines.groupby(["first", "second"], as_index=False)["value"].mean(), list(tasks))


def of_pairs(square: Matrix) -> Matrix:
    """Entries of a matrix above its diagonal, row by row."""
    return square[np.triu_indices(len(square), 1)]


def mean(series: Series, alpha: float) -> Mean:
    """Mean of a series over its runs; see ``Mean``.

    Args:
        series: of one run or more.
        alpha: 1 - coverage of the interval.
    """
    stack = np.array(list(series.matrices.values()))
    splits = np.array([key[0] if key else 0 for key in series.matrices])
    value, low, high = (np.full(stack.shape[1:], np.nan) for _ in range(3))
    for i, j in np.ndindex(value.shape):
        there = np.isfinite(stack[:, i, j])
        values = by_unit(stack[there, i, j], splits[there], several=len(set(splits)) > 1)
        if values.size:
            value[i, j] = values.mean()
            low[i, j], high[i, j] = interval(values, alpha)
    return Mean(value, low, high, np.isfinite(stack).sum(axis=0))


def by_unit(values: Matrix, splits: NDArray[np.int64], several: bool) -> Matrix:
    """Values of runs as independent ones: the mean of each split where there are several, else as they are."""
    return np.array([values[splits == split].mean() for split in np.unique(splits)]) if several else values


def interval(values: Matrix, alpha: float) -> tuple[float, float]:
    """Student's t interval of the mean of independent values; NaN for fewer than two, or where one is not finite."""
    if values.size < 2 or not np.isfinite(values).all():
        return np.nan, np.nan
    t = paired_t(values, np.zeros_like(values), 1 - alpha)
    return t.ci_low, t.ci_high


def text(groups: Groups) -> str:
    """A grouping in words: ``a+b | c``."""
    return " | ".join("+".join(group) for group in groups)


def same(one: Groups, other: Groups) -> bool:
    """Whether two groupings have the same groups, in whatever order."""
    first, second = ({frozenset(group) for group in groups} for groups in (one, other))
    return first == second


def as_table(lines: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    """Lines as a table with these columns and types, also where there is no line."""
    return pd.DataFrame({column: [line[column] for line in lines] for column in columns}).astype(dict(columns))
