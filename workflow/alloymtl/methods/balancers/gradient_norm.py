"""Gradient-norm scaling: every task's loss is divided by the norm of its gradient (arXiv:2509.23915).

The weights are w_i = S / ||g_i|| with S = ||sum_j g_j||, at the last shared linear map: what comes out has the length
scale of the plain sum and takes from each task a gradient of the same norm. The weights are held constant in the step
and multiply the losses, hence the heads' gradients too.

``smoothing`` is no part of the paper: with 0 < smoothing < 1 the norms below the fraction bar are moving averages of
that memory, corrected for their start as Adam's moments are; S stays that of the step.

Absent tasks: S is that of the tasks present, and an absent one keeps its average. A norm of zero, or one of less than
1e-12 of the largest in the step, has no direction to be scaled: the task counts as absent in that step.

Its direction is that of the normalised sum (``ngdiff``) on other parameters, and what ``slaw`` approximates from losses
alone: results of the three are no independent evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.balancers._common import coefficients, n_draws
from alloymtl.methods.balancers._multipliers import of_losses

OPTIONS = {"smoothing": 0.0, "power": 0.0}
GRADIENTS = "last"
FAMILY = "normalised sum"

__all__ = ["balance", "coefficients", "initial_state", "n_draws", "settings"]

_NO_NORM = 1e-12  # relative to the largest norm of the step
_LONGEST = 1 - 1e-6  # largest memory of the moving averages: 1 would never learn a norm


def settings(options: Mapping[str, Any]) -> np.ndarray:
    """What ``balance`` needs to know: ``smoothing``, the memory of the norms' moving averages."""
    return np.array([min(float(options["smoothing"]), _LONGEST)])


def initial_state(n_tasks: int, options: Mapping[str, Any]) -> np.ndarray:
    """Blocks of one number a task: moving average of the norm, not yet corrected, and the norms in it."""
    return np.zeros(2 * n_tasks)


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Weights S / ||g_i||, for shared parameters and heads alike.

    Args:
        losses: statically weighted loss of each task (tasks,); only their number is used.
        gram: inner products of the gradients of these losses (tasks x tasks).
        present: whether the batch holds a labelled row of the task (tasks,).
        draws: empty.
        state: as ``initial_state`` lays it out; changed in place.
        settings: as the function of that name gives.

    Returns:
        (2 x tasks): the weights, twice the same row; 0 for absent tasks.
    """
    n, memory = len(losses), settings[0]
    averages, seen = state[:n], state[n:]
    norms, weights, largest, squared = np.zeros(n), np.zeros(n), 0.0, 0.0
    for i in range(n):
        if present[i]:
            norms[i] = np.sqrt(max(gram[i, i], 0.0))
            largest = max(largest, norms[i])
            for j in range(n):
                if present[j]:
                    squared += gram[i, j]
    length = np.sqrt(max(squared, 0.0))
    for i in range(n):
        if norms[i] > _NO_NORM * largest:
            averages[i] = memory * averages[i] + (1 - memory) * norms[i]
            seen[i] += 1
            weights[i] = length * (1 - memory ** seen[i]) / averages[i]
    return of_losses(weights, present)
