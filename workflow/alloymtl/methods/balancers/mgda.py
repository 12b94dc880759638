"""MGDA: the shortest vector in the convex hull of the tasks' gradients (arXiv:1810.04650, equation 3).

The weights are positive and sum to 1, and no task's loss rises along the direction, to first order. They are exact, by
active sets on the Gram matrix, not by a number of Frank-Wolfe steps.

Absent tasks: the hull is that of the tasks present. A task that is present with a gradient of zero is at its optimum,
so the shortest vector is zero: the weight is its own (shared with others like it) and the shared parameters rest.
"""

from __future__ import annotations

import numpy as np

from alloymtl.methods.balancers._common import coefficients, initial_state, n_draws, settings
from alloymtl.methods.balancers._gram import NO_DIRECTION, cosines_of, directed, heads_of, nonnegative, norms_of

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
    tasks = directed(gram, present)
    n_present, n = 0, len(tasks)
    for i in range(len(present)):
        if present[i]:
            n_present += 1
    if n < n_present:
        for i in range(len(present)):
            if present[i] and gram[i, i] < NO_DIRECTION:
                multipliers[0, i] = 1.0 / (n_present - n)
        return multipliers
    if n == 0:
        return multipliers
    norms = norms_of(gram, tasks)
    cosines = cosines_of(gram, tasks, norms)
    # The constraint is that x / norm sums to 1. It enters as one more coordinate of the gradients, which those of
    # nonnegative least squares are to bring to 1: what they leave is the shortest vector, but for its length.
    shares = norms.min() / norms
    for a in range(n):
        for b in range(n):
            cosines[a, b] += shares[a] * shares[b]
    weights = nonnegative(cosines, shares) * shares
    total = weights.sum()
    if total > 0:
        for a in range(n):
            multipliers[0, tasks[a]] = weights[a] / total
    return multipliers
