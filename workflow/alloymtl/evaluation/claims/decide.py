"""Verdicts on claims: pure decisions from a confidence interval, and the intervals that other modules do not have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from alloymtl.evaluation.statistics import paired_t

CONFIRMED = "confirmed"
CONTRADICTED = "contradicted"
UNDECIDED = "undecided"
NOT_TESTABLE = "not testable here"
VERDICTS = (CONFIRMED, CONTRADICTED, UNDECIDED, NOT_TESTABLE)


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` runs with its t interval; ``p_value`` tests it against zero."""

    value: float
    low: float
    high: float
    p_value: float
    n: int


def mean_estimate(values: ArrayLike, confidence: float) -> Estimate:
    """Mean of independent values, shape (n,), with its t interval.

    Raises:
        ValueError: fewer than two values, or one that is not finite.
    """
    sample = np.asarray(values, dtype=float)
    t = paired_t(sample, np.zeros_like(sample), confidence)
    return Estimate(t.mean_difference, t.ci_low, t.ci_high, t.p_value, t.n)


def relative_change(values: ArrayLike, baseline: ArrayLike, confidence: float) -> Estimate | None:
    """Percent by which the mean of some values differs from the mean of their baseline, with its t interval.

    With r = mean(x) / mean(b), the delta method linearises r around the two means: its error is that of the mean of
    (x - r b) / mean(b) over the pairs, whose t interval is moved to r - 1. Ratios of single runs would not do: a run
    with a score near zero would decide them.

    Args:
        values: shape (n,), paired with ``baseline`` by position.
        baseline: shape (n,).
        confidence: coverage of the interval.

    Returns:
        The change in percent; None where the interval of the baseline's mean reaches zero, so that a percentage of it
        means nothing.

    Raises:
        ValueError: as ``mean_estimate``.
    """
    x, b = np.asarray(values, dtype=float), np.asarray(baseline, dtype=float)
    if mean_estimate(b, confidence).low <= 0:
        return None
    scale = b.mean()
    ratio = x.mean() / scale
    t = paired_t(x / scale, ratio * b / scale, confidence)
    half = (t.ci_high - t.ci_low) / 2
    change = float(ratio - 1)
    p_value = paired_t(x, b, confidence).p_value
    return Estimate(100 * change, 100 * (change - half), 100 * (change + half), p_value, t.n)


def on_side(low: float, high: float, sign: int) -> str:
    """Verdict on a claimed sign: confirmed if the whole interval has it, contradicted if no inner part of it has."""
    if sign < 0:
        low, high = -high, -low
    if low > 0:
        return CONFIRMED
    return CONTRADICTED if high <= 0 else UNDECIDED


@dataclass(frozen=True)
class Size:
    """A claimed size of an effect, and how near to it a reproduction has to come.

    ``value`` carries the sign of the effect. ``rounding`` is by how much its printed digits may be off. ``margin`` is
    the share of the size by which an interval may miss it and still leave the claim open. ``matched`` says that an
    effect much larger than the claimed one counts as a miss too; otherwise the size only has to be reached.
    """

    value: float
    rounding: float
    margin: float
    matched: bool = False


def by_size(low: float, high: float, sign: int, size: Size | None) -> tuple[str, str]:
    """Verdict on an effect of a claimed sign and, where there is one, a claimed size; and its reason.

    Confirmed: the interval lies wholly on the claimed side and contains the size, or lies beyond it where it only has
    to be reached. Contradicted: no part of the interval lies on the claimed side, or the interval misses the size by
    more than the margin. Undecided: all else.

    Args:
        low: lower end of the interval of the effect.
        high: its upper end.
        sign: +1 or -1, the claimed side.
        size: the claimed size, in the unit of the interval.
    """
    side = on_side(low, high, sign)
    if side == CONTRADICTED:
        return CONTRADICTED, "no part of the interval lies on the claimed side"
    if size is None:
        shown = "the interval lies on the claimed side" if side == CONFIRMED else "the interval holds both signs"
        return side, shown
    if sign < 0:
        low, high = -high, -low
    direction = "the direction holds" if side == CONFIRMED else "the direction is open"
    claimed = abs(size.value)
    short, beyond = claimed - size.rounding - high, low - claimed - size.rounding
    if short > size.margin * claimed:
        return CONTRADICTED, f"{direction}, the size does not: the interval stays more than the margin below it"
    if size.matched and beyond > size.margin * claimed:
        return CONTRADICTED, f"{direction}, the size does not: the interval lies more than the margin beyond it"
    if short > 0 or (size.matched and beyond > 0):
        return UNDECIDED, f"{direction}, the interval misses the size by less than the margin"
    if side == UNDECIDED:
        return UNDECIDED, "the interval allows the size and holds both signs"
    return CONFIRMED, "the direction holds and the size is " + ("reached" if beyond <= 0 else "exceeded")


def inside(low: float, high: float, bounds: tuple[float, float]) -> tuple[str, str]:
    """Verdict on a claim of equality: confirmed only if the whole interval lies within the bounds, and its reason."""
    within = _shown(bounds)
    if bounds[0] <= low and high <= bounds[1]:
        return CONFIRMED, f"the interval lies within {within}"
    if high < bounds[0] or low > bounds[1]:
        return CONTRADICTED, f"the interval lies outside {within}"
    return UNDECIDED, f"the interval reaches out of {within}"


def without_difference(low: float, high: float, bounds: tuple[float, float], significant: bool) -> tuple[str, str]:
    """Verdict on a claim that two things do not differ, and its reason.

    As ``inside``; a significant difference that may be larger than the bounds contradicts the claim as well, since its
    maker says that there is none. One within the bounds is of no account.

    Args:
        low: lower end of the interval of the difference.
        high: its upper end.
        bounds: differences that are of no account; zero lies within.
        significant: whether the difference is significant after correction for the number of tests.
    """
    verdict, why = inside(low, high, bounds)
    if verdict == UNDECIDED and significant:
        return CONTRADICTED, f"the difference is significant and may lie outside {_shown(bounds)}"
    return verdict, why


def all_of(verdicts: Sequence[str]) -> str:
    """Verdict on a claim with several parts: it holds if all hold and falls with any.

    Raises:
        ValueError: there is no part.
    """
    if not verdicts:
        raise ValueError("a claim has at least one part")
    return next((v for v in (CONTRADICTED, NOT_TESTABLE, UNDECIDED) if v in verdicts), CONFIRMED)


def _shown(bounds: tuple[float, float]) -> str:
    """Bounds in words, of which one may be infinite."""
    low, high = bounds
    if math.isinf(low):
        return f"what is below {high:g}"
    return f"what is above {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"
