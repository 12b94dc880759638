"""Uncertainty weighting: each task learns the noise of its loss (Kendall et al. 2018, equation 7).

Minimised by network and noise together is the sum of exp(-s_i) L_i / 2 + s_i / 2, where s_i is the logarithm of task
i's noise variance. The s_i start at 0 and have an Adam of their own; ``rate`` is by default the network's in this
study, as the paper has one optimiser for both. The weights of a step are exp(-s_i) / 2 before the update that the step
makes, for shared parameters and heads alike. The cross-entropy of a class is weighed like a squared error; the paper
leaves out its factor 1/2, which its s_i takes in.

Absent tasks: their terms are left out, so s_i, its moments and its step count stay to the last bit. With the term s_i /
2 alone it would fall, and the weight rise, for nothing but absence. A loss that is not positive (Balanced MSE of a
single row is exactly 0) says nothing of its noise either: s_i stays, and the weight is as before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.balancers._adam import adam_change
from alloymtl.methods.balancers._common import coefficients, n_draws
from alloymtl.methods.balancers._multipliers import of_losses

OPTIONS = {"rate": 0.001, "power": 0.0}
GRADIENTS = "none"

__all__ = ["balance", "coefficients", "initial_state", "n_draws", "settings"]

_BOUND = 50.0  # of |s|: single precision holds exp(50) and its inverse
# Blocks of the state, of one number a task: s, Adam's two moments, its steps.
_BLOCKS = 4


def settings(options: Mapping[str, Any]) -> np.ndarray:
    """What ``balance`` needs to know: ``rate``, Adam's learning rate."""
    return np.array([float(options["rate"])])


def initial_state(n_tasks: int, options: Mapping[str, Any]) -> np.ndarray:
    """Blocks of one number a task: log variance, Adam's two moments, its steps."""
    return np.zeros(_BLOCKS * n_tasks)


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Weights exp(-s_i) / 2, and one step of the s_i.

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
    logs, means, squares, steps = state[:n], state[n : 2 * n], state[2 * n : 3 * n], state[3 * n :]
    weights = np.zeros(n)
    for i in range(n):
        weights[i] = math.exp(-logs[i]) / 2
        if present[i] and losses[i] > 0:
            slope = 0.5 - weights[i] * losses[i]
            moved = logs[i] + adam_change(i, slope, settings[0], means, squares, steps)
            logs[i] = min(max(moved, -_BOUND), _BOUND)
    return of_losses(weights, present)
