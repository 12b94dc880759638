"""ConFIG: a direction with the same cosine to every task's gradient (Liu et al. 2025, arXiv:2408.11104).

With U the unit gradients in rows, the direction u is pinv(U) 1 brought to length 1, and the step is u times the sum of
the gradients' projections on it. All is computed on the Gram matrix: with C = U U' the combination is U' C+ 1.

Where the gradients are linearly dependent there may be no such direction; the pseudo-inverse then takes the one with
the least squared deviation. Where it is zero (two opposite gradients) no direction serves all, and the step of the
shared parameters is zero.

Absent tasks, and gradients of zero, ask for no direction: the method is that of the others.
"""

from __future__ import annotations

import numpy as np

from alloymtl.methods.balancers._common import coefficients, initial_state, n_draws, settings
from alloymtl.methods.balancers._gram import eigen

OPTIONS = {"power": 0.0}
GRADIENTS = "shared"

__all__ = ["balance", "coefficients", "initial_state", "n_draws", "settings"]

_NO_DIRECTION = 1e-60  # squared norm below which single precision knows no direction
_DEPENDENT = 1e-10  # eigenvalue of the cosines, relative to the largest, that counts as zero
_OPPOSED = 1e-10  # squared length of pinv(U) 1 that counts as zero; a direction that serves all has at least 1


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Multipliers that turn the gradients of the tasks into ConFIG's step; 1 for the heads.

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
    norms, cosines, multipliers = np.zeros(n), np.zeros((n, n)), np.zeros((2, n))
    for i in range(n):
        if present[i]:
            multipliers[1, i] = 1.0
            if gram[i, i] >= _NO_DIRECTION:
                norms[i] = np.sqrt(gram[i, i])
    for i in range(n):
        for j in range(n):
            if norms[i] > 0 and norms[j] > 0:
                cosines[i, j] = gram[i, j] / (norms[i] * norms[j])
    values, vectors = eigen(cosines)
    combination, squared = np.zeros(n), 0.0  # C+ 1, and 1' C+ 1, the squared length of pinv(U) 1
    for k in range(n):
        if values[k] > _DEPENDENT * values.max():
            along = 0.0
            for i in range(n):
                if norms[i] > 0:
                    along += vectors[i, k]
            squared += along * along / values[k]
            for i in range(n):
                combination[i] += along / values[k] * vectors[i, k]
    if squared < _OPPOSED:
        return multipliers
    length = 0.0  # sum of g_i . u
    for i in range(n):
        for j in range(n):
            length += norms[i] * cosines[i, j] * combination[j] / np.sqrt(squared)
    for i in range(n):
        if norms[i] > 0:
            multipliers[0, i] = length / np.sqrt(squared) * combination[i] / norms[i]
    return multipliers
