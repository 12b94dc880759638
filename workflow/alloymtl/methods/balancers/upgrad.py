"""UPGrad: every gradient is projected onto the dual cone of all, and the projections are averaged (arXiv:2406.16232).

The dual cone holds the directions along which no task's loss rises, to first order; the projection of a gradient is the
nearest of them, and so is in no conflict with any task. Projections are exact, by active sets on the Gram matrix and
without the released regularisation, which decides the outcome where norms differ a hundredfold.

Absent tasks: the cone is that of the tasks present, and the mean is over their projections. A gradient of zero
restricts nothing and counts in the mean, as zero.
"""

from __future__ import annotations

import numpy as np

from alloymtl.methods.balancers._common import coefficients, initial_state, n_draws, settings
from alloymtl.methods.balancers._gram import cosines_of, directed, heads_of, nonnegative, norms_of

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
    """Weights of the mean of the projected gradients.

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
    share = 1.0 / max(multipliers[1].sum(), 1.0)
    multipliers[0] = share * multipliers[1]
    tasks = directed(gram, present)
    n = len(tasks)
    norms = norms_of(gram, tasks)
    cosines = cosines_of(gram, tasks, norms)
    for a in range(n):
        added = nonnegative(cosines, -cosines[a])
        for b in range(n):
            multipliers[0, tasks[b]] += share * added[b] * norms[a] / norms[b]
    return multipliers
