"""How methods rank over many comparisons: Friedman's test and Nemenyi's critical difference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import friedmanchisquare, rankdata, studentized_range

FEWEST_METHODS = 3
FEWEST_BLOCKS = 2


@dataclass(frozen=True)
class Ranking:
    """Mean rank of each method (1 is best), Friedman's test of their equality, and Nemenyi's critical difference.

    ``mean_ranks`` has shape (methods,). ``statistic`` and ``p_value`` are NaN where there are too few methods or blocks
    for the test, or where no block tells any two methods apart.
    """

    mean_ranks: NDArray[np.float64]
    blocks: int
    statistic: float
    p_value: float
    critical_difference: float


def ranked(scores: ArrayLike, alpha: float) -> Ranking:
    """Rank methods within each block, and test whether their mean ranks differ (Demsar, JMLR 7, 2006, section 3.2).

    Args:
        scores: shape (blocks, methods), higher is better; equal scores share their mean rank. Blocks are to be
            independent measurements. Runs of one task that differ by seed are none: they share their training and test
            alloys, and counting each would call one task's preference a general one.
        alpha: two mean ranks that lie further apart than the critical difference differ at this level, which holds for
            all pairs together.

    Raises:
        ValueError: a score is not finite, there is no block, or there are fewer than two methods.
    """
    table = np.asarray(scores, dtype=float)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2 or not np.isfinite(table).all():
        raise ValueError("ranks need finite scores of two methods or more in one block or more")
    blocks, methods = table.shape
    ranks = rankdata(-table, axis=1)
    statistic = p_value = math.nan
    if methods >= FEWEST_METHODS and blocks >= FEWEST_BLOCKS and np.ptp(table, axis=1).any():
        statistic, p_value = (float(number) for number in friedmanchisquare(*(-table).T))
    return Ranking(ranks.mean(axis=0), blocks, statistic, p_value, critical_difference(methods, blocks, alpha))


def critical_difference(methods: int, blocks: int, alpha: float) -> float:
    """Difference of two mean ranks beyond which they differ: q sqrt(k (k + 1) / (6 N)) (Nemenyi 1963; Demsar, eq. 6).

    q is the upper alpha quantile of the studentised range of k independent normal values, divided by sqrt 2.

    Args:
        methods: k, how many are compared.
        blocks: N, how many times they were ranked.
        alpha: chance of any false difference among all pairs.
    """
    q = float(studentized_range.ppf(1 - alpha, methods, np.inf)) / math.sqrt(2)
    return q * math.sqrt(methods * (methods + 1) / (6 * blocks))


def cliques(mean_ranks: ArrayLike, critical_difference: float) -> list[tuple[int, int]]:
    """Largest groups of neighbours in rank that do not differ, as (first, last) places in the order of ranks.

    Args:
        mean_ranks: shape (methods,), sorted from the best upwards.
        critical_difference: see ``critical_difference``.

    Returns:
        Groups of two methods or more, none within another.
    """
    order = np.asarray(mean_ranks, dtype=float)
    last = np.searchsorted(order, order + critical_difference, side="right") - 1
    reached = [-1, *np.maximum.accumulate(last)[:-1]]
    return [
        (n, int(end)) for n, (end, before) in enumerate(zip(last, reached, strict=True)) if end > n and end > before
    ]
