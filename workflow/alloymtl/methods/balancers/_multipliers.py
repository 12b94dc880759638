"""What balancers that weigh losses have in common."""

from __future__ import annotations

import math

import numpy as np
from numba.extending import register_jitable


@register_jitable
def of_losses(weights: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Multipliers (2 x tasks) of a method that weighs losses: shared parameters and heads alike, 0 where absent."""
    multipliers = np.zeros((2, len(weights)))
    for i in range(len(weights)):
        if present[i]:
            multipliers[0, i] = weights[i]
            multipliers[1, i] = weights[i]
    return multipliers


@register_jitable
def positive(losses: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Which tasks are present with a loss above 0 (tasks,), so that it has an inverse and a logarithm."""
    chosen = np.zeros(len(losses), dtype=np.bool_)
    for i in range(len(losses)):
        chosen[i] = present[i] and losses[i] > 0
    return chosen


@register_jitable
def softmax(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """exp(values) over its sum, taken over the chosen tasks; 0 for the others.

    The largest value is taken out first, so that no exponential overflows. With none chosen, all are 0.
    """
    n = len(values)
    found, largest, total = np.zeros(n), -np.inf, 0.0
    for i in range(n):
        if chosen[i] and values[i] > largest:
            largest = values[i]
    for i in range(n):
        if chosen[i]:
            found[i] = math.exp(values[i] - largest)
            total += found[i]
    for i in range(n):
        if chosen[i]:
            found[i] /= total
    return found


@register_jitable
def share(chosen: np.ndarray) -> float:
    """The chosen tasks' number over that of all tasks.

    Weights that sum to 1 over all tasks are made to sum to this where some are absent. Otherwise a task that is often
    alone would count as much in such a step as all of them together in another.
    """
    count = 0
    for i in range(len(chosen)):
        if chosen[i]:
            count += 1
    return count / len(chosen)
