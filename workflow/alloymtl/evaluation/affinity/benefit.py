"""Whether tasks that G calls alike gain from being trained together: gain of pairs, and how G goes with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from alloymtl.errors import UserError, suggestion
from alloymtl.evaluation.affinity.agreement import FEWEST_PAIRS, Relabelling, relabelling_test
from alloymtl.evaluation.balancing.correlation import CONSTANT, PEARSON, SPEARMAN, correlation
from alloymtl.evaluation.balancing.delta import changes
from alloymtl.evaluation.metrics import HIGHER_IS_BETTER
from alloymtl.evaluation.samples import Replicates, units
from alloymtl.experiment import Experiment

Array = NDArray[np.float64]
Pair = tuple[str, str]
Seeds = tuple[tuple[int, ...], tuple[int, ...]]
"""Split seeds and seeds of the runs."""

RUN = ["split_seed", "seed"]
COLUMNS = ["first", "second", *RUN, "task", "metric", "joint", "alone"]
"""Of the table that ``gains`` takes."""
JOINT, ALONE, LEVEL = "joint", "alone", "all"
HIGH, LOW = "high", "low"
_WHERE, _MEND = "gain of pairs", "build the table again; it comes from the metrics of the runs."


@dataclass(frozen=True)
class Gains:
    """What training in pairs gains over training alone, in percent; higher is better.

    ``of_task`` has shape (units, T, T): gain of the task of the row from the task of the column as its partner, NaN on
    the diagonal, for pairs that were not trained, and for a task of which a percentage means nothing. ``runs`` are the
    (split seed, seed) behind the independent ``units`` (``samples.units``: seeds of a single split, else splits).
    """

    tasks: tuple[str, ...]
    runs: Replicates
    units: pd.Index
    of_task: Array

    @property
    def of_pair(self) -> Array:
        """Mean gain of both tasks of a pair, shape (units, T, T), symmetric; NaN where one of them is."""
        return (self.of_task + self.of_task.swapaxes(1, 2)) / 2


@dataclass(frozen=True)
class Corrected:
    """Correlation without the bias of noise, and its interval over runs; see ``noise_corrected``."""

    value: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Relation:
    """Correlation of G with gain over pairs of tasks.

    ``pearson`` and ``spearman`` are of means over runs, with p-values over relabelled tasks. ``corrected`` is Pearson's
    r without the noise of the runs, with its interval. ``points`` were correlated: pairs, or twice as many where each
    task's gain counts by itself. ``left_out`` names the pairs that lack G or gain in some run.
    """

    pearson: Relabelling
    spearman: Relabelling
    corrected: Corrected
    points: int
    left_out: tuple[Pair, ...]


@dataclass(frozen=True)
class Share:
    """Share of pairs that gain, among those with G at ``cut`` or above (``high``) or below it (``low``).

    The share and its interval are NaN without a pair; ``left_out`` pairs lack G or gain, and are on neither side.
    """

    cut: float
    side: str
    pairs: int
    positive: int
    share: float
    ci_low: float
    ci_high: float
    left_out: int


def gains(table: pd.DataFrame, tasks: Sequence[str], alpha: float) -> Gains:
    """Gain of each task from each partner: the percent change of its metric when both are trained together.

    It is ``balancing.delta``'s change of the pair's network against the task's own: 100 (-1)^l (joint - alone) over the
    mean of ``alone``, with l = 1 where a lower value is better; NaN where the interval of that mean reaches zero.

    Args:
        table: one line for each task of each pair in each run, with the columns ``first``, ``second`` (the pair, in
            either order), ``split_seed``, ``seed``, ``task`` (one of both), ``metric`` (the same for a task throughout;
            it says whether higher is better), ``joint`` and ``alone``: the metric on test data of the network trained
            on the pair, and of the one trained on the task alone, with the same split seed and seed.
        tasks: names, in the order that matrices have.
        alpha: 1 - coverage of the interval that decides whether a percentage means something.

    Raises:
        UserError: a column, a task or a metric that is not there; a line that is missing, stands there twice, or has a
            value that is not finite; values of one network alone that differ between pairs.
    """
    names = tuple(tasks)
    lines = _ordered(table, names)
    runs, seeds = _runs(lines, names)
    of_task, index = None, pd.Index([])
    for (first, second), pair in lines.groupby(["first", "second"], sort=False):
        found = _changes(pair, (names[first], names[second]), seeds, alpha)
        if of_task is None:
            index = found.index
            of_task = np.full((len(index), len(names), len(names)), np.nan)
        of_task[:, first, second], of_task[:, second, first] = found.to_numpy().T
    return Gains(names, runs, index, of_task)


def relation(
    similarity: Mapping[tuple[int, int], ArrayLike],
    gain: Gains,
    draws: int,
    rng: np.random.Generator,
    alpha: float,
    ordered: bool = False,
) -> Relation:
    """How G goes with gain over pairs of tasks, both averaged over runs.

    With ``ordered`` each task's gain from each partner is a point, beside the symmetric G: twice as many points, and no
    more evidence. Relabelling cannot tell a gain from the mean over both directions then, since G is the same in both.
    So the p-value of r is that of the pairs' mean gain; that of rho is of the mean of both ranks.

    Args:
        similarity: G, shape (T, T), by (split seed, seed), tasks in the order of ``gain``; of each of its runs.
        gain: see ``gains``.
        draws: as ``agreement.relabelling_test``.
        rng: likewise.
        alpha: 1 - coverage of the interval.
        ordered: whether each task's gain counts by itself.

    Raises:
        UserError: a run has no G.
        ValueError: as ``agreement.relabelling_test``.
    """
    g, y = _by_unit(similarity, gain), gain.of_task if ordered else gain.of_pair
    present = np.isfinite(g).all(axis=0) & np.isfinite(gain.of_pair).all(axis=0)  # never the diagonal
    upper = np.triu(np.ones_like(present), 1)
    left_out = tuple((gain.tasks[i], gain.tasks[j]) for i, j in np.argwhere(upper & ~present))
    mean_g, mean_y = (np.where(present, m.mean(axis=0), np.nan) for m in (g, y))
    points = present if ordered else present & upper
    tests = [
        _test_ordered(mean_g, mean_y, points, kind, draws, rng)
        if ordered
        else relabelling_test(mean_g, mean_y, draws, rng, kind)
        for kind in (PEARSON, SPEARMAN)
    ]
    enough = present[upper].sum() >= FEWEST_PAIRS
    corrected = (
        noise_corrected(g[:, points], y[:, points], alpha) if enough else Corrected(math.nan, math.nan, math.nan)
    )
    return Relation(*tests, corrected, int(points.sum()), left_out)


def noise_corrected(x: ArrayLike, y: ArrayLike, alpha: float) -> Corrected:
    """Pearson correlation over points of what runs measure with noise, and its jackknife interval over runs.

    The r of means over runs is drawn to zero by what noise is left in them, and a bootstrap of runs adds as much again:
    its intervals lie beside the truth. Here the covariance and both variances over points are means of products of
    different runs, to which independent noise adds nothing, however it goes through the points of one run: the
    correction for attenuation (Spearman, Am. J. Psychol. 15, 72, 1904) with the noise read off the runs. The interval
    is that of Student's t with the standard error of leaving out one run at a time (Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993, ch. 11). It is about these points: other runs, the same tasks.

    Args:
        x: shape (runs, points).
        y: likewise, of the same runs or of others; runs pair by position.
        alpha: 1 - coverage.

    Returns:
        Value and ends may lie outside -1 to 1. The value is NaN with fewer than two runs, or where noise may be all
        that varies (a corrected variance is not positive); the ends also with fewer than three, or where that is so
        without one of the runs.

    Raises:
        ValueError: shapes that differ, or alpha outside (0, 1).
    """
    first, second = (np.asarray(v, dtype=float) for v in (x, y))
    if first.ndim != 2 or first.shape != second.shape or not 0 < alpha < 1:
        raise ValueError(f"it takes two tables of runs and points, not {first.shape}, {second.shape}; alpha is {alpha}")
    runs = len(first)
    if runs < 2:
        return Corrected(math.nan, math.nan, math.nan)
    a, b = (v - v.mean(axis=1, keepdims=True) for v in (first, second))
    products = [left @ right.T / first.shape[1] for left, right in ((a, b), (a, a), (b, b))]
    value = float(_across(products, np.ones(runs)))
    if runs < 3 or math.isnan(value):
        return Corrected(value, math.nan, math.nan)
    without = _across(products, 1 - np.eye(runs))
    error = math.sqrt((runs - 1) * without.var())
    half = float(stats.t.ppf(1 - alpha / 2, runs - 1)) * error
    return Corrected(value, value - half, value + half)


def positive_shares(similarity: ArrayLike, gain: ArrayLike, cuts: Sequence[float], alpha: float) -> list[Share]:
    """Share of pairs with a positive gain where G is high and where it is low, cut at its median and elsewhere.

    Intervals are Wilson's (J. Am. Stat. Assoc. 22, 209, 1927). They take pairs as independent. Pairs share tasks, so
    that the truth is less certain than they say: the test is ``relation``.

    Args:
        similarity: G, shape (T, T), symmetric, mean over runs.
        gain: of pairs, likewise: ``Gains.of_pair`` averaged over units.
        cuts: further values of G to cut at; the median over the pairs that have both values comes first.
        alpha: 1 - coverage.

    Returns:
        Two for each cut, the high side first.

    Raises:
        ValueError: matrices of different shapes, or alpha outside (0, 1).
    """
    g, y = np.asarray(similarity, dtype=float), np.asarray(gain, dtype=float)
    if g.ndim != 2 or g.shape[0] != g.shape[1] or g.shape != y.shape or not 0 < alpha < 1:
        raise ValueError(f"it takes two matrices over the same tasks, not {g.shape} and {y.shape}; alpha is {alpha}")
    upper = np.triu_indices(len(g), 1)
    g, y = g[upper], y[upper]
    there = np.isfinite(g) & np.isfinite(y)
    left_out = int((~there).sum())
    g, y = g[there], y[there]
    median = [float(np.median(g))] if g.size else []
    return [
        _share(float(at), side, y[chosen], left_out, alpha)
        for at in (*median, *cuts)
        for side, chosen in ((HIGH, g >= at), (LOW, g < at))
    ]


def _share(at: float, side: str, gain: Array, left_out: int, alpha: float) -> Share:
    n, positive = gain.size, int((gain > 0).sum())
    if not n:
        return Share(at, side, 0, 0, math.nan, math.nan, math.nan, left_out)
    interval = stats.binomtest(positive, n).proportion_ci(1 - alpha, method="wilson")
    return Share(at, side, n, positive, positive / n, float(interval.low), float(interval.high), left_out)


def _across(products: Sequence[Array], weights: Array) -> Array:
    """Correlation from products of different runs only, for one weighting of the runs or several (..., runs)."""
    covariance, one, other = (
        np.einsum("...u,uv,...v->...", weights, m - np.diag(np.diag(m)), weights) for m in products
    )
    varies = (one > CONSTANT**2) & (other > CONSTANT**2)
    return np.where(varies, covariance / np.sqrt(np.where(varies, one * other, 1)), np.nan)


def _test_ordered(
    g: Array, y: Array, points: NDArray[np.bool_], kind: str, draws: int, rng: np.random.Generator
) -> Relabelling:
    """Correlation over both directions of each pair; the test is of their mean, see ``relation``."""
    value = float(correlation(g[points], y[points], kind)) if points.sum() >= 2 * FEWEST_PAIRS else math.nan
    if kind == SPEARMAN:
        g, y = (_ranks(m, points) for m in (g, y))
    return replace(relabelling_test(g, (y + y.T) / 2, draws, rng, PEARSON), value=value)


def _ranks(matrix: Array, points: NDArray[np.bool_]) -> Array:
    ranked = np.full_like(matrix, np.nan)
    ranked[points] = stats.rankdata(matrix[points])
    return ranked


def _by_unit(similarity: Mapping[tuple[int, int], ArrayLike], gain: Gains) -> Array:
    """G of each unit in the order of the gains, shape (units, T, T)."""
    missing = [run for run in gain.runs if run not in similarity]
    if missing:
        split_seed, seed = missing[0]
        what = f"split seed {split_seed}, seed {seed} has no gradient affinity."
        raise UserError(_WHERE, what, "train all tasks together with the seeds that the pairs have.")
    stack = np.array([np.asarray(similarity[run], dtype=float) for run in gain.runs])
    return np.apply_along_axis(units, 0, stack, gain.runs)


def _changes(pair: pd.DataFrame, tasks: Pair, seeds: Seeds, alpha: float) -> pd.DataFrame:
    """Changes of both tasks of a pair (units x tasks)."""
    metrics = dict(zip(pair["task"], pair["metric"], strict=True))
    values = {
        (how, LEVEL, line.split_seed, line.seed, line.task, line.metric): getattr(line, how)
        for line in pair.itertuples(index=False)
        for how in (JOINT, ALONE)
    }
    experiment = Experiment("pairs", (JOINT, ALONE), (), (LEVEL,), *seeds)
    # A kind of task for each metric, so that each task is judged by its own.
    evaluation = {**{metric: [metric] for metric in metrics.values()}, "alpha": alpha}
    return changes(values, experiment, JOINT, ALONE, LEVEL, {task: metrics[task] for task in tasks}, evaluation)


def _ordered(table: pd.DataFrame, tasks: tuple[str, ...]) -> pd.DataFrame:
    """The checked table, its pairs as places of their tasks, the earlier one first."""
    lacking = [name for name in COLUMNS if name not in table]
    if lacking or not len(table):
        raise UserError(_WHERE, f"the table lacks {', '.join(lacking) or 'lines'}.", _MEND)
    for column, known in (("first", tasks), ("second", tasks), ("task", tasks), ("metric", tuple(HIGHER_IS_BETTER))):
        for name in table[column].unique():
            if name not in known:
                raise UserError(_WHERE, f"there is no {column} {name!r}.", suggestion(str(name), known))
    lines = table[COLUMNS].reset_index(drop=True)
    places = np.sort(lines[["first", "second"]].map(tasks.index).to_numpy(), axis=1)
    own = lines["task"].map(tasks.index).to_numpy()
    twice = lines.assign(first=places[:, 0], second=places[:, 1])
    wrong = {
        "is not of one of two different tasks": (places[:, 0] == places[:, 1]) | ~(places == own[:, None]).any(axis=1),
        "stands there twice": twice.duplicated(["first", "second", *RUN, "task"]),
        "has a value that is not finite": ~np.isfinite(lines[[JOINT, ALONE]].astype(float)).all(axis=1),
        "has another metric than before": lines["metric"] != lines.groupby("task")["metric"].transform("first"),
        "has another value alone than before": lines[ALONE] != lines.groupby(["task", *RUN])[ALONE].transform("first"),
    }
    for what, where in wrong.items():
        if np.any(where):
            line = lines[np.asarray(where)].iloc[0]
            raise UserError(_WHERE, f"{_named(line)} {what}.", _MEND)
    return twice


def _runs(lines: pd.DataFrame, tasks: tuple[str, ...]) -> tuple[Replicates, Seeds]:
    """Runs of every pair, and their split seeds and seeds.

    Raises:
        UserError: a task of a pair lacks one of the runs.
    """
    split_seeds, seeds = (tuple(sorted(lines[name].unique().tolist())) for name in RUN)
    runs = [(split_seed, seed) for split_seed in split_seeds for seed in seeds]
    there = set(lines[["first", "second", *RUN, "task"]].itertuples(index=False, name=None))
    for first, second in dict.fromkeys(line[:2] for line in sorted(there)):
        for (split_seed, seed), task in product(runs, (tasks[first], tasks[second])):
            if (first, second, split_seed, seed, task) not in there:
                line = {"first": tasks[first], "second": tasks[second], "task": task}
                what = f"{_named({**line, 'split_seed': split_seed, 'seed': seed})} is not there."
                raise UserError(_WHERE, what, "build the target `runs`, then the table again.")
    return runs, (split_seeds, seeds)


def _named(line: Mapping[str, Any] | pd.Series) -> str:
    pair = f"{line['task']} in the pair {line['first']} and {line['second']}"
    return f"{pair} at split seed {line['split_seed']}, seed {line['seed']}"
