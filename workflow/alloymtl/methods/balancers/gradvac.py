"""Gradient vaccine: gradients less alike than usual are turned towards each other (Wang et al. 2021, algorithm 1).

Each pair of tasks has a target, the moving average of its cosine with memory 1 - ``beta``. Task i's gradient meets the
original gradients of the others in a random order; where its cosine with g_j, after the changes so far, is below the
target, as much of g_j is added as makes them meet it. PCGrad is the case of a target that stays 0. The modified
gradients are summed.

Computed on the Gram matrix alone, as a modified gradient is a combination of the original ones.

Absent tasks: no pair with one of them is looked at, and its target stays. The same holds for a gradient of zero, and
for one that the changes have cancelled: they have no cosine. A target is kept below 1, which no sum with g_j reaches.
These rules stand in for the 1e-8 that the released code adds to its denominators, so the method knows no unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.balancers._common import coefficients

OPTIONS = {"beta": 0.01, "power": 0.0}
GRADIENTS = "shared"

__all__ = ["balance", "coefficients", "initial_state", "n_draws", "settings"]

_NO_DIRECTION = 1e-60  # squared norm below which single precision knows no direction
_CANCELLED = 1e-14  # squared norm of a modified gradient, relative to those it is made of, that is rounding alone
_HIGHEST = 1 - 1e-8  # target


def settings(options: Mapping[str, Any]) -> np.ndarray:
    """What ``balance`` needs to know: ``beta``, the weight of the newest cosine in its target, at most 1."""
    return np.array([min(float(options["beta"]), 1.0)])


def initial_state(n_tasks: int, options: Mapping[str, Any]) -> np.ndarray:
    """Target cosines (tasks x tasks), row by row: row i is that of task i's modified gradient."""
    return np.zeros(n_tasks * n_tasks)


def n_draws(n_tasks: int) -> int:
    """A square of uniforms (tasks x tasks); sorted, row i is the order in which task i meets the others."""
    return n_tasks * n_tasks


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Multipliers that turn the gradients of the tasks into the sum of the modified ones; 1 for the heads.

    Args:
        losses: statically weighted loss of each task (tasks,); only their number is used.
        gram: inner products of the gradients of these losses on all shared parameters (tasks x tasks).
        present: whether the batch holds a labelled row of the task (tasks,).
        draws: uniforms in [0, 1), as ``n_draws`` describes.
        state: as ``initial_state`` lays it out; changed in place.
        settings: as the function of that name gives.

    Returns:
        (2 x tasks): factors of each task's gradient, for shared parameters and for heads; 0 for absent tasks.
    """
    n, beta = len(losses), settings[0]
    multipliers = np.zeros((2, n))
    for i in range(n):
        if not present[i]:
            continue
        modified = np.zeros(n)  # coefficients of task i's modified gradient in the original ones
        modified[i] = 1.0
        order = np.argsort(draws[i * n : (i + 1) * n])
        for place in range(n):
            j = order[place]
            if j == i or not present[j] or gram[j, j] < _NO_DIRECTION:
                continue
            product, square, parts = 0.0, 0.0, 0.0
            for k in range(n):
                product += modified[k] * gram[k, j]
                parts += modified[k] * modified[k] * gram[k, k]
                for m in range(n):
                    square += modified[k] * gram[k, m] * modified[m]
            if square < _NO_DIRECTION or square <= _CANCELLED * parts:
                continue
            cosine = min(max(product / np.sqrt(square * gram[j, j]), -1.0), 1.0)
            target = min(state[i * n + j], _HIGHEST)
            if cosine < target:
                sine, sine_of_target = np.sqrt(1 - cosine * cosine), np.sqrt(1 - target * target)
                turn = (target * sine - cosine * sine_of_target) / sine_of_target
                modified[j] += turn * np.sqrt(square / gram[j, j])
            state[i * n + j] = (1 - beta) * state[i * n + j] + beta * cosine
        for k in range(n):
            multipliers[0, k] += modified[k]
        multipliers[1, i] = 1.0
    return multipliers
