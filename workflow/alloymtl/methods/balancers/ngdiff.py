"""Normalised sum: the tasks' gradients are divided by their norms and added (after NGDiff, arXiv:2410.22086).

NGDiff subtracts the normalised gradient of what a model is to unlearn from that of what it is to keep. With plus signs
it is a rule for tasks that are all to be learned: d = sum_i g_i / ||g_i|| on all shared parameters. Its automatic step
size is an optimiser of its own (``methods.optimisers.automatic``), with this balancer or with another. The rule is of
one family with gradient-norm scaling, which has another scale, and the heads' gradients scaled as well: here they stay
as they are.

Absent tasks are left out of the sum. So is a gradient of zero, or one of less than 1e-12 of the largest norm in the
step: it has no direction.
"""

from __future__ import annotations

import numpy as np

from alloymtl.methods.balancers._common import coefficients, initial_state, n_draws, settings

OPTIONS = {"power": 0.0}
GRADIENTS = "shared"
FAMILY = "normalised sum"

__all__ = ["balance", "coefficients", "initial_state", "n_draws", "settings"]

_NO_NORM = 1e-12  # relative to the largest norm of the step
_NO_DIRECTION = 1e-30  # norm below which single precision knows no direction


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Multipliers 1 / ||g_i|| for shared parameters, 1 for heads.

    Args:
        losses: statically weighted loss of each task (tasks,); only their number is used.
        gram: inner products of the gradients of these losses on all shared parameters (tasks x tasks).
        present: whether the batch holds a labelled row of the task (tasks,).
        draws: empty.
        state: empty.
        settings: empty.

    Returns:
        (2 x tasks): factors of each task's gradient, for shared parameters and for heads; 0 for absent tasks.
    """
    n = len(losses)
    norms, largest, multipliers = np.zeros(n), 0.0, np.zeros((2, n))
    for i in range(n):
        if present[i]:
            norms[i] = np.sqrt(max(gram[i, i], 0.0))
            largest = max(largest, norms[i])
            multipliers[1, i] = 1.0
    for i in range(n):
        if norms[i] > _NO_DIRECTION and norms[i] > _NO_NORM * largest:
            multipliers[0, i] = 1 / norms[i]
    return multipliers
