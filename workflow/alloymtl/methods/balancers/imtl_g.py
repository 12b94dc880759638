"""IMTL-G: the combination of the gradients with equal projections onto all of them (Liu et al., ICLR 2021).

Weights sum to 1 and may be negative. For independent gradients they are proportional to G^-1 n with G the Gram matrix
and n the norms, computed on the unit gradients, so that the units of the losses do not change the direction. Dependent
gradients, to a millionth of their norms, have no such combination: theirs is that of the pseudo-inverse of G, which
drops eigenvalues below T x 2^-40 of the largest, with T the tasks. Weights that cancel out cannot be made to sum to 1:
the shared parameters then rest.

Absent tasks: projections onto the gradients of the tasks present are equal. A gradient of zero has no projections and
gets weight 0. The heads follow their own gradients; IMTL-L, the method's balance of losses, is left out.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from alloymtl.methods.balancers._common import coefficients, initial_state, n_draws, settings
from alloymtl.methods.balancers._gram import ROUNDING, cosines_of, directed, eigen, heads_of, norms_of, solve_on

OPTIONS = {"power": 0.0}
GRADIENTS = "shared"

__all__ = ["balance", "coefficients", "initial_state", "n_draws", "settings"]

_CANCELLED = 1e-12  # sum of the weights below which, relative to their sizes, it is rounding


@register_jitable
def _least_squares(gram: np.ndarray, tasks: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """The pseudo-inverse of the Gram matrix times the norms, for some tasks, in units of the largest gradient."""
    n, largest = len(tasks), norms.max()
    products, weights = np.empty((n, n)), np.zeros(n)
    for a in range(n):
        for b in range(n):
            products[a, b] = gram[tasks[a], tasks[b]] / largest / largest
    values, vectors = eigen(products)
    cut = n * ROUNDING * values.max()
    for k in range(n):
        if values[k] > cut:
            part = 0.0
            for a in range(n):
                part += vectors[a, k] * norms[a] / largest
            for a in range(n):
                weights[a] += vectors[a, k] * part / values[k]
    return weights


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Weights of the combination with equal projections onto all gradients.

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
    n = len(tasks)
    if n == 0:
        return multipliers
    norms = norms_of(gram, tasks)
    weights = solve_on(cosines_of(gram, tasks, norms), np.ones(n), np.arange(n))
    if len(weights) == n:
        weights /= norms / norms.max()
    else:
        weights = _least_squares(gram, tasks, norms)
    total = weights.sum()
    if abs(total) > _CANCELLED * np.abs(weights).sum():
        for a in range(n):
            multipliers[0, tasks[a]] = weights[a] / total
    return multipliers
