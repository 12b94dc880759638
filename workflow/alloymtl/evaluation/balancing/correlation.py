"""Correlations of points that come in clusters, with intervals that draw whole clusters."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

PEARSON, SPEARMAN = "pearson", "spearman"
KINDS = (PEARSON, SPEARMAN)
RESAMPLES = 10_000
SEED = 0
CONSTANT = 1e-9
"""Range below which numbers of the size of one do not vary but for rounding."""


@dataclass(frozen=True)
class Correlation:
    """A correlation with its interval, the number of points, and that of the clusters that they come in.

    ``value`` is NaN where one of both does not vary, the ends of the interval where the bootstrap cannot give one.
    """

    value: float
    ci_low: float
    ci_high: float
    points: int
    clusters: int


def clustered(x: ArrayLike, y: ArrayLike, kind: str, alpha: float) -> Correlation:
    """Correlation over all points, with the interval of a cluster bootstrap.

    Clusters are drawn with replacement, each with all of its points (Efron and Tibshirani, An Introduction to the
    Bootstrap, 1993, ch. 8 and 13): points of one cluster are no independent evidence. See ``interval`` for where there
    is none.

    Args:
        x: shape (clusters, points of each).
        y: likewise.
        kind: ``pearson`` or ``spearman``.
        alpha: 1 - coverage.
    """
    first, second = np.asarray(x, dtype=float), np.asarray(y, dtype=float)

    def of_drawn(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        flat = (*drawn.shape[:-1], -1)
        return correlation(first[drawn].reshape(flat), second[drawn].reshape(flat), kind)

    value = float(correlation(first.ravel(), second.ravel(), kind))
    low, high = interval(of_drawn, len(first), alpha) if math.isfinite(value) else (math.nan, math.nan)
    return Correlation(value, low, high, first.size, len(first))


def averaged(values: ArrayLike, points: int, alpha: float) -> Correlation:
    """Mean of some correlations on Fisher's scale, z = artanh r, with its interval as ``clustered`` has it.

    Args:
        values: correlations by cluster, shape (clusters, correlations of each); one of NaN leaves no mean.
        points: number of points behind all of them.
        alpha: 1 - coverage.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.arctanh(np.asarray(values, dtype=float)).mean(axis=1)
    value = float(np.tanh(z.mean()))
    low, high = math.nan, math.nan
    if math.isfinite(value):
        low, high = interval(lambda drawn: np.tanh(z[drawn].mean(axis=-1)), len(z), alpha)
    return Correlation(value, low, high, points, len(z))


def correlation(x: NDArray[np.float64], y: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """Pearson's correlation along the last axis, or Spearman's: that of the ranks, with ties halved.

    Returns:
        The shape without the last axis; NaN where one of both does not vary by more than ``CONSTANT``.
    """
    varies = (np.ptp(x, axis=-1) > CONSTANT) & (np.ptp(y, axis=-1) > CONSTANT)
    if kind == SPEARMAN:
        x, y = stats.rankdata(x, axis=-1), stats.rankdata(y, axis=-1)
    x, y = (v - v.mean(axis=-1, keepdims=True) for v in (x, y))
    product = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    return np.where(varies, np.clip((x * y).sum(axis=-1) / np.where(varies, product, 1), -1, 1), np.nan)


def interval(
    statistic: Callable[[NDArray[np.int64]], NDArray[np.float64]], clusters: int, alpha: float
) -> tuple[float, float]:
    """Expanded percentile interval of a statistic of drawn clusters; NaN where the bootstrap cannot give one.

    The plain percentile interval of few clusters is too short, as a normal interval with the divisor n is beside
    Student's. Its tails alpha / 2 are therefore those of a normal distribution beyond t sqrt(n / (n - 1)), with t the
    quantile of Student's distribution with n - 1 degrees of freedom (Hesterberg, Am. Stat. 69, 371, 2015).

    There is none where the clusters are too few for such a tail: the rarest draw, one cluster every time, has the
    probability n^-n. And none where the statistic of some draw is undefined. The draws are those of ``SEED``, the same
    for each statistic.

    Args:
        statistic: of clusters by number, shape (draws, clusters), one value for each draw.
        clusters: how many there are.
        alpha: 1 - coverage.
    """
    if clusters < 2:
        return math.nan, math.nan
    student = float(stats.t.ppf(1 - alpha / 2, clusters - 1))
    tail = float(stats.norm.sf(student * math.sqrt(clusters / (clusters - 1))))
    if float(clusters) ** -clusters >= tail:
        return math.nan, math.nan
    drawn = np.random.default_rng(SEED).integers(clusters, size=(RESAMPLES, clusters))
    values = statistic(drawn)
    if not np.isfinite(values).all():
        return math.nan, math.nan
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
