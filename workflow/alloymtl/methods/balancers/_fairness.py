"""The weights of alpha-fair combinations of gradients, to which Nash's bargaining solution belongs (alpha 1)."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from alloymtl.methods.balancers._gram import cosines_of, directed, norms_of

# Added to the squares of unit gradients. Where no direction serves all tasks, the equations have no root without it;
# the weights of unit gradients then stay below a million or so, which single precision can still add up.
_RIDGE = 1e-12
_STEPS = 200
_ENOUGH = 1e-13
_DECLINE = -5.0  # largest change of a weight's logarithm in one step: from far below its root it comes back slowly


@register_jitable
def fair_weights(gram: np.ndarray, present: np.ndarray, alpha: float) -> np.ndarray:
    """The positive w with (G w)_i = w_i ** (-1 / alpha), for the tasks present with a gradient; 0 for the others.

    They are where a strictly convex function is least. Newton's steps on it are shortened by what bounds its third
    derivative, so that each step takes it down from any start, and steps near the root are whole.

    Args:
        gram: inner products of the tasks' gradients (tasks x tasks).
        present: whether the batch holds a labelled row of the task (tasks,).
        alpha: positive.
    """
    weights = np.zeros(len(present))
    tasks = directed(gram, present)
    n = len(tasks)
    if n == 0:
        return weights
    norms = norms_of(gram, tasks)
    cosines = cosines_of(gram, tasks, norms)
    power = 1.0 / alpha
    largest = norms.max()
    # In unit gradients, x_i = scale_i z_i: the root for orthogonal gradients is z = 1, whatever their norms.
    scale = np.empty(n)
    for a in range(n):
        scale[a] = (norms[a] / largest) ** ((power - 1) / (power + 1))
    z, step = np.ones(n), np.zeros(n)
    lower = np.zeros((n, n))
    for _ in range(_STEPS):
        for a in range(n):
            rest = scale[a] * z[a] ** -power - _RIDGE * scale[a] * z[a]
            for b in range(n):
                rest -= cosines[a, b] * scale[b] * z[b]
            for b in range(a + 1):
                entry = cosines[a, b]
                if a == b:
                    entry += _RIDGE + power * z[a] ** (-power - 1)
                for c in range(b):
                    entry -= lower[a, c] * lower[b, c]
                lower[a, b] = entry / lower[b, b] if b < a else np.sqrt(max(entry, _RIDGE))
            for b in range(a):
                rest -= lower[a, b] * step[b]
            step[a] = rest / lower[a, a]
        for a in range(n - 1, -1, -1):
            rest = step[a]
            for b in range(a + 1, n):
                rest -= lower[b, a] * step[b]
            step[a] = rest / lower[a, a]
        largest_cut, largest_change = 0.0, 0.0
        for a in range(n):
            change = step[a] / (scale[a] * z[a])
            largest_cut = max(largest_cut, -change)
            largest_change = max(largest_change, abs(change))
        share = 1.0
        if largest_cut > 0:
            decline = max(-np.log1p(power * largest_cut) / power, _DECLINE)
            share = min(1.0, -np.expm1(decline) / largest_cut)
        for a in range(n):
            z[a] += share * step[a] / scale[a]
        if largest_change < _ENOUGH:
            break
    unit = largest ** (-2 / (1 + power))
    for a in range(n):
        weights[tasks[a]] = unit * scale[a] * z[a] * largest / norms[a]
    return weights
