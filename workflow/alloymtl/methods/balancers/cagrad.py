"""CAGrad: near the mean gradient, the direction that serves the worst-off task best (arXiv:2110.14048).

With g_0 the mean of the tasks' gradients, d maximises min_i <g_i, d> among the vectors with |d - g_0| <= c |g_0|. The
solution is exact: the distance from g_0 at which every <g_i, d> reaches some mark is a convex function of the mark,
computed by active sets on the Gram matrix, and Newton's steps find the mark at which it is c |g_0|. Where several
vectors serve the worst-off task equally well (the gradients can cancel out), d is the one nearest to g_0; what only
weights of over a million can reach, on unit gradients and in units of |g_0|, counts as out of reach. The paper
divides the loss by no constant and neither does this; released code multiplies d by tasks / (1 + c^2), which Adam does
not feel.

Absent tasks: g_0 is the mean over the tasks present and only they are served. A task that is present with a gradient of
zero, which nothing can serve, counts as absent. A g_0 of zero, to the precision of gradients, is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba.extending import register_jitable

from alloymtl.methods.balancers._common import coefficients, initial_state, n_draws
from alloymtl.methods.balancers._gram import ROUNDING, cosines_of, directed, heads_of, nonnegative, norms_of, quadratic

OPTIONS = {"c": 0.4, "power": 0.0}
GRADIENTS = "shared"

__all__ = ["balance", "coefficients", "initial_state", "n_draws", "settings"]

_STEPS = 100
_ENOUGH = 1e-14


def settings(options: Mapping[str, Any]) -> np.ndarray:
    """What ``balance`` needs to know: ``c``, the radius about the mean gradient in units of its norm."""
    return np.array([float(options["c"])])


@register_jitable
def _detour(cosines: np.ndarray, slopes: np.ndarray, shares: np.ndarray, radius: float) -> np.ndarray:
    """Weights of unit gradients whose sum leads from the unit vector along g_0 to the best one within a radius.

    Args:
        cosines: inner products of unit gradients (tasks x tasks).
        slopes: their inner products with the unit vector along g_0 (tasks,).
        shares: smallest norm / norm of each gradient (tasks,): slopes may fall to mark x share.
        radius: c.
    """
    n = len(slopes)
    best, bounded = np.zeros(n), np.empty((n, n))
    low, high = (slopes / shares).min(), ((slopes + radius) / shares).min()
    mark = high
    for _ in range(_STEPS):
        lacking = mark * shares - slopes
        for a in range(n):
            for b in range(n):
                bounded[a, b] = cosines[a, b] + lacking[a] * lacking[b]
        # Shortest vector whose slopes are at least ``lacking``: what nonnegative least squares leave, scaled.
        weights = nonnegative(bounded, lacking)
        left = 1.0
        for a in range(n):
            left -= lacking[a] * weights[a]
        following = low
        steepness = 0.0
        for a in range(n):
            steepness += weights[a] * shares[a]
        if left > np.sqrt(ROUNDING) * weights.sum() and left > ROUNDING:
            weights /= left
            steepness /= left
            distance = np.sqrt(max(1 - left, 0.0) / left)
            if distance <= radius * (1 + _ENOUGH):
                best = weights
                low = mark
                if distance >= radius * (1 - _ENOUGH):
                    break
            else:
                high = mark
            if steepness > 0:
                following = mark - (distance - radius) * distance / steepness
        else:
            high = mark
        if high - low <= _ENOUGH * (abs(high) + abs(low)):
            break
        mark = following if low < following < high else (low + high) / 2
    return best


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """The mean of the gradients and the detour that serves the worst-off task.

    Args:
        losses: statically weighted loss of each task (tasks,); not looked at.
        gram: inner products of the gradients of these losses on all shared parameters (tasks x tasks).
        present: whether the batch holds a labelled row of the task (tasks,).
        draws: empty.
        state: empty.
        settings: as the function of that name gives.

    Returns:
        (2 x tasks): the weights for the shared parameters, and 1 for the heads; 0 for absent tasks.
    """
    multipliers = heads_of(present)
    tasks = directed(gram, present)
    n = len(tasks)
    if n == 0:
        return multipliers
    norms = norms_of(gram, tasks)
    cosines = cosines_of(gram, tasks, norms)
    length = np.sqrt(quadratic(cosines, norms)) / n
    detour = np.zeros(n)
    if length > np.sqrt(ROUNDING) * norms.mean():
        slopes = np.zeros(n)  # of the unit gradients along that of the mean
        for a in range(n):
            for b in range(n):
                slopes[a] += cosines[a, b] * norms[b] / n / length
        detour = _detour(cosines, slopes, norms.min() / norms, settings[0])
    for a in range(n):
        multipliers[0, tasks[a]] = 1.0 / n + detour[a] * length / norms[a]
    return multipliers
