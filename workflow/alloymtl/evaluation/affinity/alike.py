"""Whether two tasks' alloys are of the same chemical systems, as far as chance would have them so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 999
ROUNDING = 1e-12


@dataclass(frozen=True)
class Alike:
    """Share of alloys whose chemical system the other task has too: that of the task with the lower one.

    ``chance`` is its mean where the same alloys are dealt to the tasks at random, ``p_value`` the share of ``draws``
    such deals, the observed one counted in, in which it is as low.
    """

    share: float
    chance: float
    p_value: float
    draws: int


def alike(first: Sequence[str], second: Sequence[str], rng: np.random.Generator, draws: int = DRAWS) -> Alike:
    """Compare the chemical systems of two tasks' alloys.

    Two small samples of the same alloys have few systems in common too, so that a share says nothing without that of
    chance. The test permutes which alloy belongs to which task and keeps both numbers of alloys.

    Args:
        first: chemical system of each alloy of one task.
        second: likewise; no alloy stands in both.
        rng: deals the alloys.
        draws: random deals.

    Raises:
        ValueError: a task has no alloys.
    """
    if not (len(first) and len(second)):
        raise ValueError("a task without alloys has no chemical systems")
    names, codes = np.unique(np.concatenate([np.asarray(first, str), np.asarray(second, str)]), return_inverse=True)
    total = np.bincount(codes, minlength=len(names))

    def share(order: NDArray[np.int64]) -> float:
        ours = np.bincount(order[: len(first)], minlength=len(names))
        theirs = total - ours
        return min(ours[theirs > 0].sum() / len(first), theirs[ours > 0].sum() / len(second))

    observed = share(codes)
    dealt = np.array([share(rng.permutation(codes)) for _ in range(draws)])
    p_value = (1 + int((dealt <= observed + ROUNDING).sum())) / (1 + draws)
    return Alike(float(observed), float(dealt.mean()), p_value, draws)
