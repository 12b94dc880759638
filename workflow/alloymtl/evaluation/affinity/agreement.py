"""Whether two matrices over the same tasks agree, tested by relabelling the tasks of one of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from alloymtl.evaluation.balancing.correlation import CONSTANT, KINDS, PEARSON, SPEARMAN
from alloymtl.evaluation.statistics import paired_t

FEWEST_PAIRS = 3
EXHAUSTIVE_TASKS = 7
"""Up to so many tasks every relabelling is taken: 7! = 5,040."""
ASYMMETRY = 1e-6
"""Difference of two entries that are to be equal, relative to the largest entry, that rounding may leave."""
TIE = 1e-9
"""Correlations closer than this are equal: relabellings that change nothing add the same numbers in another order."""
CHUNK = 4096
"""Relabellings at a time, which bounds the memory."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Correlation of two matrices over pairs of tasks: Pearson's ``r`` and Spearman's ``rho``.

    ``pairs`` have a value in both matrices, ``left_out`` have not. Both correlations are NaN where there are fewer than
    ``FEWEST_PAIRS`` pairs, or where one matrix does not vary over them.
    """

    r: float
    rho: float
    pairs: int
    left_out: int


@dataclass(frozen=True)
class Relabelling:
    """A correlation and how it stands among those of relabelled tasks.

    ``relabellings`` were compared with it; where ``exact``, these are all there are, and otherwise they were drawn.
    ``undefined`` of them have no correlation. ``value`` and both p-values are NaN where it has none itself.
    """

    value: float
    p_two_sided: float
    p_greater: float
    relabellings: int
    exact: bool
    undefined: int


@dataclass(frozen=True)
class OverRuns:
    """Mean correlation of several runs, its interval over runs, and its test over relabelled tasks.

    ``runs`` have a correlation, ``undefined`` have not and are in no number. ``mean`` is NaN without a run, the ends of
    the interval are with fewer than two.
    """

    mean: float
    ci_low: float
    ci_high: float
    runs: int
    undefined: int
    test: Relabelling


def agreement(first: ArrayLike, second: ArrayLike) -> Agreement:
    """Correlation of two symmetric matrices over their upper triangles, diagonal left out.

    There is no p-value beside it: pairs that share a task are no independent observations, and the usual test of r
    finds too much. See ``relabelling_test``.

    Args:
        first: shape (tasks, tasks); NaN where a pair has no value.
        second: likewise, tasks in the same order.

    Raises:
        ValueError: matrices are not square, not symmetric, of different sizes, or hold an infinite value.
    """
    one, other = _matrices(first, second)
    upper = np.triu_indices(one.shape[-1], 1)
    x, y = one[0][upper], other[0][upper]
    pairs = int((~np.isnan(x) & ~np.isnan(y)).sum())
    return Agreement(float(_correlation(x, y, PEARSON)), float(_correlation(x, y, SPEARMAN)), pairs, x.size - pairs)


def relabelling_test(
    first: ArrayLike, second: ArrayLike, draws: int, rng: np.random.Generator, kind: str = PEARSON
) -> Relabelling:
    """Whether two matrices agree more than when the tasks of one change their names: the test of Mantel, or QAP.

    Rows and columns of ``second`` are permuted together, so that what its pairs share they keep (Mantel, Cancer Res.
    27, 209, 1967; Hubert and Schultz, Br. J. Math. Stat. Psychol. 29, 190, 1976). A pair without a value moves with its
    tasks, and each correlation is over the pairs that then have a value in both.

    All T! relabellings of T tasks are taken where T is at most ``EXHAUSTIVE_TASKS`` or T! at most ``draws``; the
    p-value is then the share that is as extreme, the given labelling among them. Otherwise n = ``draws`` are drawn, and
    p = (1 + b) / (1 + n) with b as extreme ones (Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 9, 39, 2010).
    Two-sided, as extreme is an absolute value as large. A relabelling without a correlation counts as extreme.

    Of several runs on the same tasks, the statistic is their mean correlation, over those that have one, and one
    relabelling holds for all of them: runs tell of the same tasks, so that more runs do not make more tasks of them.
    The mean is that of r, not of Fisher's z = artanh r. A permutation test is exact with either; all runs have the same
    tasks, so that neither weighting nor a common variance is wanted; and z is infinite at |r| = 1, which relabellings
    of few tasks reach, so that one run would decide.

    Args:
        first: shape (tasks, tasks), or (runs, tasks, tasks).
        second: likewise; one matrix serves all runs.
        draws: n.
        rng: draws the relabellings.
        kind: ``pearson`` or ``spearman``.

    Raises:
        ValueError: as ``agreement``; no draws; an unknown kind; or different numbers of runs.
    """
    one, other = _matrices(first, second)
    if draws < 1:
        raise ValueError(f"a permutation test needs a draw, not {draws}")
    n_tasks = one.shape[-1]
    exact = n_tasks <= EXHAUSTIVE_TASKS or math.factorial(n_tasks) <= draws
    identity = np.arange(n_tasks)
    if exact:
        orders = np.array(list(permutations(range(n_tasks))))
    else:
        orders = rng.permuted(np.tile(identity, (draws, 1)), axis=1)
    value = float(_mean(_values(one, other, identity[None], kind))[0])
    if math.isnan(value):
        return Relabelling(math.nan, math.nan, math.nan, len(orders), exact, len(orders))
    chunks = (orders[start : start + CHUNK] for start in range(0, len(orders), CHUNK))
    others = np.concatenate([_mean(_values(one, other, chunk, kind)) for chunk in chunks])
    undefined = np.isnan(others)

    def p_value(extreme: NDArray[np.bool_]) -> float:
        count = int((extreme | undefined).sum())
        return count / len(orders) if exact else (1 + count) / (1 + len(orders))

    return Relabelling(
        value=value,
        p_two_sided=p_value(np.abs(others) >= abs(value) - TIE),
        p_greater=p_value(others >= value - TIE),
        relabellings=len(orders),
        exact=exact,
        undefined=int(undefined.sum()),
    )


def over_runs(
    first: ArrayLike, second: ArrayLike, draws: int, rng: np.random.Generator, alpha: float, kind: str = PEARSON
) -> OverRuns:
    """Mean correlation of runs on the same tasks, with Student's t interval and ``relabelling_test``.

    Both answer different questions. The interval says where the mean lies for other runs on these tasks; the p-value
    whether these tasks agree more than tasks at random would. An interval without 0 is no evidence of agreement beyond
    the tasks at hand. Its ends may lie outside -1 to 1.

    Args:
        first: shape (runs, tasks, tasks).
        second: likewise, or (tasks, tasks) for all runs.
        draws: as ``relabelling_test``.
        rng: as ``relabelling_test``.
        alpha: 1 - coverage of the interval.
        kind: as ``relabelling_test``.

    Raises:
        ValueError: as ``relabelling_test``, or alpha is not in (0, 1).
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
    test = relabelling_test(first, second, draws, rng, kind)
    r = values(first, second, kind)
    defined = r[~np.isnan(r)]
    low = high = math.nan
    if defined.size > 1:
        t = paired_t(defined, np.zeros_like(defined), 1 - alpha)
        low, high = t.ci_low, t.ci_high
    return OverRuns(test.value, low, high, defined.size, r.size - defined.size, test)


def values(first: ArrayLike, second: ArrayLike, kind: str = PEARSON) -> NDArray[np.float64]:
    """Correlation of each run, shape (runs,); NaN where it has none.

    Arguments and errors as for ``relabelling_test``.
    """
    one, other = _matrices(first, second)
    return _values(one, other, np.arange(one.shape[-1])[None], kind)[:, 0]


def _matrices(first: ArrayLike, second: ArrayLike) -> tuple[Matrix, Matrix]:
    """Both as checked stacks of as many matrices, (runs, tasks, tasks)."""
    one, other = (_stack(m) for m in (first, second))
    if one.shape[1:] != other.shape[1:] or (len(one) != len(other) and 1 not in (len(one), len(other))):
        raise ValueError(f"matrices over the same tasks and runs have one shape, not {one.shape} and {other.shape}")
    runs = max(len(one), len(other))
    return np.broadcast_to(one, (runs, *one.shape[1:])), np.broadcast_to(other, (runs, *other.shape[1:]))


def _stack(matrix: ArrayLike) -> Matrix:
    m = np.asarray(matrix, dtype=float)
    m = m[None] if m.ndim == 2 else m
    if m.ndim != 3 or m.shape[1] != m.shape[2] or not m.size:
        raise ValueError(f"a matrix over tasks is square, not of shape {np.shape(matrix)}")
    if np.isinf(m).any():
        raise ValueError("a matrix over tasks holds finite values, or NaN where there is none")
    scale = np.nanmax(np.abs(m), initial=0.0)
    if not np.allclose(m, m.swapaxes(1, 2), rtol=0, atol=ASYMMETRY * scale, equal_nan=True):
        raise ValueError("a matrix over pairs of tasks is symmetric")
    return m


def _values(one: Matrix, other: Matrix, orders: NDArray[np.int64], kind: str) -> NDArray[np.float64]:
    """Correlation of each run under each order of the second matrix's tasks, shape (runs, orders)."""
    rows, columns = np.triu_indices(one.shape[-1], 1)
    moved = orders[:, rows], orders[:, columns]
    return np.stack([_correlation(x[rows, columns], y[moved], kind) for x, y in zip(one, other, strict=True)])


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the runs that have a value, shape (orders,); NaN where none has."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=0)
    total = np.where(defined, values, 0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """Correlation along the last axis over what is defined in both; NaN where there is none (see ``Agreement``)."""
    if kind not in KINDS:
        raise ValueError(f"a correlation is one of {', '.join(KINDS)}, not {kind!r}")
    x, y = np.broadcast_arrays(x, y)
    defined = ~np.isnan(x) & ~np.isnan(y)
    n = defined.sum(axis=-1)
    enough = (n >= FEWEST_PAIRS) & _varies(x, defined) & _varies(y, defined)
    if kind == SPEARMAN:
        # What is left out ranks last, where it disturbs no other rank.
        x, y = (rankdata(np.where(defined, v, np.inf), axis=-1) for v in (x, y))
    means = (np.where(defined, v, 0).sum(axis=-1) / np.maximum(n, 1) for v in (x, y))
    x, y = (np.where(defined, v - mean[..., None], 0) for v, mean in zip((x, y), means, strict=True))
    product = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    return np.where(enough, np.clip((x * y).sum(axis=-1) / np.where(enough, product, 1), -1, 1), np.nan)


def _varies(v: NDArray[np.float64], defined: NDArray[np.bool_]) -> NDArray[np.bool_]:
    highest = np.where(defined, v, -np.inf).max(axis=-1, initial=-np.inf)
    lowest = np.where(defined, v, np.inf).min(axis=-1, initial=np.inf)
    return highest - lowest > CONSTANT
