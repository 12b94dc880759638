"""Paired comparison of two methods: t-test with its interval, effect size, correction for many tests."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, stdtr, stdtrit


@dataclass(frozen=True)
class PairedT:
    """Result of a paired t-test on differences d = x - y, in the unit of x.

    ``sd`` is the sample standard deviation of d (divisor n - 1), ``ci_low`` and ``ci_high`` the confidence interval of
    its mean, ``p_value`` two-sided. ``identical`` says that every difference is exactly zero.
    """

    n: int
    mean_difference: float
    sd: float
    ci_low: float
    ci_high: float
    t: float
    df: int
    p_value: float
    identical: bool


def paired_t(x: ArrayLike, y: ArrayLike, confidence: float) -> PairedT:
    """Two-sided paired t-test with a confidence interval of the mean difference x - y.

    t = mean(d) / (sd(d) / sqrt(n)) with n - 1 degrees of freedom (Student, Biometrika 6, 1908). Where the differences
    do not vary, the formula divides by zero and its limits are taken: all zero gives t = 0 and p = 1 (nothing to tell
    apart), all equal to some other number gives t = +-infinity, p = 0 and an interval of width zero.

    Args:
        x: values, shape (n,), paired with y by position.
        y: values, shape (n,).
        confidence: coverage of the interval, for example 0.95. It excludes 0 exactly where p < 1 - confidence.

    Raises:
        ValueError: fewer than two pairs, unequal shapes, a value that is not finite, or a confidence outside (0, 1).
    """
    first, second = _pairs(x, y)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    d = first - second
    n, df = d.size, d.size - 1
    # The mean of equal numbers can differ from them in the last digit, which would pass for a spread.
    constant = bool(np.ptp(d) == 0)
    mean, sd = (float(d[0]), 0.0) if constant else (float(d.mean()), float(d.std(ddof=1)))
    error = sd / math.sqrt(n)
    t = _ratio(mean, error)
    p = min(1.0, 2 * float(stdtr(df, -abs(t))))
    half = float(stdtrit(df, (1 + confidence) / 2)) * error
    return PairedT(n, mean, sd, mean - half, mean + half, t, df, p, identical=constant and mean == 0)


def hedges_g(x: ArrayLike, y: ArrayLike) -> float:
    """Effect size of paired data: Hedges' g_av, the mean difference x - y in average standard deviations.

    g = J(n - 1) mean(x - y) / sqrt((var x + var y) / 2), with the exact correction for small samples
    J(m) = Gamma(m/2) / (sqrt(m/2) Gamma((m-1)/2)) (Hedges, J. Educ. Stat. 6, 1981, eq. 6e). The standardiser is that of
    d_av (Cumming, Understanding the New Statistics, 2012, ch. 11; Lakens, Front. Psychol. 4, 863, 2013), for two
    reasons: unlike d_z, which divides by the spread of the differences, it does not grow with the correlation that
    common seeds give the pairs, so that sizes compare between experiments and with unpaired studies; and it stays
    finite where all differences are equal. n - 1 degrees of freedom are the fewest that can be argued for, hence the
    strongest shrinkage. At n = 2 the correction is exactly 0, and so is g: two pairs tell nothing about a size in SDs.

    Returns:
        g; 0 where x equals y, +-infinity where x and y are two different constants and n > 2.

    Raises:
        ValueError: as ``paired_t``.
    """
    first, second = _pairs(x, y)
    mean = float((first - second).mean())
    correction = _small_sample_correction(first.size - 1)
    if correction == 0:
        return 0.0
    return correction * _ratio(mean, math.sqrt((_variance(first) + _variance(second)) / 2))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """P-values corrected for the size of their family (Holm, Scand. J. Stat. 6, 1979, step-down).

    The k-th smallest of m becomes the running maximum of (m - k + 1) p, at most 1. Rejecting where the result is below
    alpha keeps the chance of any false rejection in the family below alpha, however the tests depend on each other.

    Args:
        p_values: shape (m,), in any order; may be empty.

    Returns:
        Corrected p-values, shape (m,), in the given order.

    Raises:
        ValueError: a value outside [0, 1], or not a vector.
    """
    p = np.asarray(p_values, dtype=float)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p-values must be a vector of numbers from 0 to 1")
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(steps, 1.0)
    return corrected


def _ratio(mean: float, spread: float) -> float:
    """A mean in units of its spread; with no spread its limit, 0 or an infinity of the mean's sign."""
    if spread > 0:
        return mean / spread
    return math.copysign(math.inf, mean) if mean else 0.0


def _small_sample_correction(df: int) -> float:
    """Hedges' exact J: the factor that takes the bias out of a standardised mean difference."""
    if df == 1:
        return 0.0  # Gamma has a pole at 0
    return math.exp(float(gammaln(df / 2) - gammaln((df - 1) / 2))) / math.sqrt(df / 2)


def _variance(values: NDArray[np.float64]) -> float:
    """Sample variance; exactly zero where all values are equal, which rounding of their mean could hide."""
    return 0.0 if np.ptp(values) == 0 else float(values.var(ddof=1))


def _pairs(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as float64 vectors of one length, at least two, in which every value is a number."""
    first, second = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"pairs must be two vectors of one length, not {first.shape} and {second.shape}")
    if first.size < 2:
        raise ValueError(f"a paired comparison needs at least two pairs, not {first.size}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("a paired comparison takes finite values only")
    return first, second
