"""SLAW: losses are weighed by the inverse of their standard deviation over time (Crawshaw and Kosecka 2021).

The standard deviation of the loss from step to step stands for the norm of its gradient, at no cost. It comes from
running means of the loss and its square: plain means over a task's first 1 / (1 - beta) steps, moving averages of
memory ``beta`` after that. The weights are 1 / s_i, scaled to sum to the number of tasks, and weigh the losses of the
step that updated them. They are one family with gradient-norm scaling.

Absent tasks: their statistics stay as they are, and so do their places in the sum, so that who is absent changes
nobody's weight. A task has a standard deviation from the second step that holds it; until then its weight is 1, and
those of the others sum to their own number. Standard deviations below 1e-5 are raised to it, as in the released code:
this is the one unit in the method.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.balancers._common import coefficients, n_draws
from alloymtl.methods.balancers._multipliers import of_losses

OPTIONS = {"beta": 0.99, "power": 0.0}
GRADIENTS = "none"
FAMILY = "normalised sum"

__all__ = ["balance", "coefficients", "initial_state", "n_draws", "settings"]

_FLOOR = 1e-5  # smallest standard deviation
_LONGEST = 1 - 1e-6  # largest memory: with 1 every mean would stay a plain one


def settings(options: Mapping[str, Any]) -> np.ndarray:
    """What ``balance`` needs to know: the memory ``beta``, and the steps with plain means."""
    beta = min(float(options["beta"]), _LONGEST)
    return np.array([beta, float(round(1 / (1 - beta)))])


def initial_state(n_tasks: int, options: Mapping[str, Any]) -> np.ndarray:
    """Blocks of one number a task: mean of its losses, their variance, the steps that held it."""
    return np.zeros(3 * n_tasks)


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Weights inverse to the losses' standard deviations.

    The variance is updated in a form that equals mean of squares - square of mean and cannot be negative: with k the
    weight of the newest loss L, var <- (1 - k) (var + k (L - mean) ** 2), mean <- mean + k (L - mean).

    Args:
        losses: statically weighted loss of each task (tasks,).
        gram: not used.
        present: whether the batch holds a labelled row of the task (tasks,).
        draws: empty.
        state: as ``initial_state`` lays it out; changed in place.
        settings: as the function of that name gives.

    Returns:
        (2 x tasks): the weights, twice the same row; 0 for absent tasks.
    """
    n = len(losses)
    means, variances, seen = state[:n], state[n : 2 * n], state[2 * n :]
    weights, known, total = np.ones(n), 0, 0.0
    for i in range(n):
        if present[i]:
            newest = 1 / (seen[i] + 1) if seen[i] < settings[1] else 1 - settings[0]
            distance = losses[i] - means[i]
            variances[i] = (1 - newest) * (variances[i] + newest * distance * distance)
            means[i] += newest * distance
            seen[i] += 1
        if seen[i] > 1:
            weights[i] = 1 / max(np.sqrt(variances[i]), _FLOOR)
            known += 1
            total += weights[i]
    for i in range(n):
        if seen[i] > 1:
            weights[i] *= known / total
    return of_losses(weights, present)
