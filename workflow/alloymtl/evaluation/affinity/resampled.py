"""Intervals of means over splits of the same alloys, which have most of their training alloys in common."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from alloymtl.evaluation.statistics import holm, paired_t

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` splits, its interval, and the two-sided p-value of 0.

    Without a value ``mean`` is NaN; with fewer than two the interval and the p-value are. ``identical`` says that every
    value is exactly zero.
    """

    mean: float
    low: float
    high: float
    p_value: float
    n: int
    identical: bool = False


def resampled_t(values: ArrayLike, ratio: float, alpha: float) -> Estimate:
    """The t-test of a mean over splits, corrected for what splits have in common.

    Values of splits drawn anew from one set of alloys are correlated, and the variance of their mean is not s^2 / n. It
    is taken as s^2 (1 / n + ratio) (Nadeau and Bengio, Mach. Learn. 52, 239, 2003, section 5), which does not go to
    zero with the number of splits: no number of them makes more alloys. Degrees of freedom are n - 1.

    The paper's own tests over splits speak of these splits alone and have no such term; advice is about networks to be
    trained.

    Args:
        values: one for each split; those that are NaN are left out.
        ratio: test alloys over training alloys.
        alpha: 1 - coverage of the interval. It excludes 0 exactly where p < alpha.

    Raises:
        ValueError: a negative ratio, an infinite value, or alpha outside (0, 1).
    """
    if not ratio >= 0:
        raise ValueError(f"a ratio of alloys is not negative, unlike {ratio}")
    v = np.asarray(values, dtype=float)
    v = v[~np.isnan(v)]
    if v.size < 2:
        mean = float(v[0]) if v.size else math.nan
        return Estimate(mean, math.nan, math.nan, math.nan, int(v.size))
    plain = paired_t(v, np.zeros_like(v), 1 - alpha)
    wider = math.sqrt(1 + v.size * ratio)
    half = wider * (plain.ci_high - plain.mean_difference)
    p_value = min(1.0, 2 * float(stdtr(plain.df, -abs(plain.t) / wider)))
    mean = plain.mean_difference
    return Estimate(mean, mean - half, mean + half, p_value, plain.n, plain.identical)


def signs(estimates: Mapping[Key, Estimate], alpha: float) -> dict[Key, int]:
    """Which means of a family are shown to lie above 0 (1), below it (-1), or neither (0).

    Shown is what Holm's method leaves of the family: the chance that any sign is wrong is below alpha. The interval of
    a mean whose sign is shown excludes 0. Means without an interval, and those of values that are all zero, are not
    counted in the family.
    """
    tested = [key for key, e in estimates.items() if not (math.isnan(e.p_value) or e.identical)]
    corrected = dict(zip(tested, holm([estimates[key].p_value for key in tested]), strict=True))
    return {key: int(np.sign(e.mean)) if corrected.get(key, 1.0) < alpha else 0 for key, e in estimates.items()}
