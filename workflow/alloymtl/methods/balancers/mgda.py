"""MGDA: the shortest vector in the convex hull of the tasks' gradients (arXiv:1810.04650, equation 3).

The weights are positive and sum to 1, and no task's loss rises along the direction, to first order. They are exact, by
active sets on the Gram matrix, not by a number of Frank-Wolfe steps.

Absent tasks: the hull is that of the tasks present. A task that is present with a gradient of zero is at its optimum,
so the shortest vector is zero: the weight is its own (shared with others like it) and the shared parameters rest.
"""

from __future__ import annotations

import numpy as np

from alloymtl.methods.balancers._common import coefficients, initial_state, n_draws, settings
from alloymtl.methods.balancers._gram import heads_of, shortest

OPTIONS = {"power": 0.0}
GRADIENTS = "shared"

__all__ = ["balance", "coefficients", "initial_state", "n_draws", "settings"]


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Weights of the shortest convex combination of the gradients.

    Args:
        losses: statically weighted loss of each task (tasks,); not looked at.
        gram: inner products of the gradients of these losses on all shared parameters (tasks x tasks).
        present: whether the batch holds a labelled row of the task (tasks,).
        draws: empty.
        state: empty.
        settings: empty.

    Returns:
        (2 x tasks): the weights for the shared parameters, and 1 for the heads; 0 for absent tasks.
    """
    multipliers = heads_of(present)
    multipliers[0] = shortest(gram, present)
    return multipliers
