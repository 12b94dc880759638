"""What printed numbers imply: pure functions, no tables.

A printed number stands for all values that round to it; ``half`` is half a unit of its last digit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.special import gammaln, nctdtr, stdtr, stdtrit


@dataclass(frozen=True)
class Printed:
    """A printed mean and standard deviation over runs, and by how much each may be off."""

    mean: float
    sd: float
    mean_half: float = 0.0
    sd_half: float = 0.0


@dataclass(frozen=True)
class PairedRange:
    """P-values of a paired t-test that printed means and standard deviations allow, whatever pairs with what.

    ``low`` belongs to a correlation of 1 between the pairs, ``none`` to 0 and ``high`` to -1.
    """

    low: float
    none: float
    high: float


def paired_range(first: Printed, second: Printed, n: int, population: bool = False) -> PairedRange:
    """Two-sided p-values that a paired t-test on n pairs can have, given means and standard deviations alone.

    The standard deviation of the differences lies between |s1 - s2| and s1 + s2. The outer two p-values take rounding
    into account, the middle one is that of the printed digits.

    Args:
        first: of one method.
        second: of the other.
        n: number of pairs.
        population: whether the printed deviations have the divisor n instead of n - 1.
    """
    scale = math.sqrt(n / (n - 1)) if population else 1.0
    gap, off = abs(first.mean - second.mean), first.mean_half + second.mean_half
    sd_off = first.sd_half + second.sd_half
    least = scale * max(0.0, abs(first.sd - second.sd) - sd_off)
    most = scale * (first.sd + second.sd + sd_off)
    return PairedRange(
        low=paired_p(gap + off, least, n),
        none=paired_p(gap, scale * math.hypot(first.sd, second.sd), n),
        high=paired_p(max(0.0, gap - off), most, n),
    )


def paired_p(difference: float, sd: float, n: int) -> float:
    """Two-sided p-value of a paired t-test with a mean difference and the standard deviation of the differences."""
    if sd == 0:
        return 1.0 if difference == 0 else 0.0
    return 2 * float(stdtr(n - 1, -abs(difference) * math.sqrt(n) / sd))


def implied_correlation(first: Printed, second: Printed, n: int, p_value: float, population: bool = False) -> float:
    """Correlation between the pairs that a reported p-value needs; beyond -1 or 1 there is none.

    Raises:
        ValueError: a p-value outside (0, 1), or a deviation of zero.
    """
    if not 0 < p_value < 1 or not first.sd * second.sd > 0:
        raise ValueError("a correlation needs a p-value between 0 and 1 and deviations above zero")
    t = -float(stdtrit(n - 1, p_value / 2))
    needed = abs(first.mean - second.mean) * math.sqrt(n) / t
    scale = n / (n - 1) if population else 1.0
    return (scale * (first.sd**2 + second.sd**2) - needed**2) / (2 * scale * first.sd * second.sd)


def percent_range(before: float, after: float, before_half: float, after_half: float) -> tuple[float, float]:
    """Least and largest percentage change that two printed positive values allow."""
    low = (after - after_half) / (before + before_half) - 1
    high = (after + after_half) / (before - before_half) - 1
    return 100 * low, 100 * high


def implied_sd(rmse: float, r2: float) -> float:
    """Standard deviation of the test labels that RMSE and R2 of the same predictions imply, in the unit of the RMSE."""
    return rmse / math.sqrt(1 - r2)


def r2_sampling_sd(r2: float, n: int) -> float:
    """Standard deviation of R2 over test sets of n rows, 2 sqrt(R2 / n) (1 - R2) for large n and normal errors."""
    return 2 * math.sqrt(r2 / n) * (1 - r2)


@dataclass(frozen=True)
class Confusion:
    """What accuracy, F1 and recall on n rows imply; counts are means over runs and so no whole numbers."""

    precision: float
    positives: float
    true_positives: float
    false_positives: float


def confusion(accuracy: float, f1: float, recall: float, n: int) -> Confusion:
    """Precision and counts of a two-class task from its accuracy, F1 and recall on n rows.

    With F1 = 2 p r / (p + r), precision is p = F1 r / (2 r - F1); a positive makes (1 - r) + r (1 - p) / p mistakes,
    and all together make (1 - accuracy) n.
    """
    precision = f1 * recall / (2 * recall - f1)
    positives = (1 - accuracy) * n / (1 - recall + recall * (1 - precision) / precision)
    found = recall * positives
    return Confusion(precision, positives, found, found * (1 - precision) / precision)


def presence(rows: int, total: int, batch: int) -> float:
    """Probability that a batch, drawn without replacement from ``total`` rows, holds one of ``rows`` of them."""
    if rows + batch > total:
        return 1.0
    absent = gammaln(total - rows + 1) - gammaln(total - rows - batch + 1) - gammaln(total + 1)
    return 1 - math.exp(float(absent + gammaln(total - batch + 1)))


def detectable_effect(n: int, alpha: float = 0.05, power: float = 0.8) -> float:
    """Mean difference, in SDs of the differences, that a paired t-test on n pairs finds with this power."""
    critical = float(stdtrit(n - 1, 1 - alpha / 2))

    def missed(d: float) -> float:
        # Significance on the wrong side is left out: at any power worth asking for it has no weight.
        return float(nctdtr(n - 1, d * math.sqrt(n), critical)) - (1 - power)

    return float(brentq(missed, 0.0, 4 * critical / math.sqrt(n)))
