"""PCGrad: gradients of tasks in conflict are projected onto each other's normal planes (Yu et al. 2020, algorithm 1).

Computed on the Gram matrix alone: a projected gradient is a combination of the original ones, and its coefficients in
them are what is kept. Options that are not the paper's are controls of it: ``projection: off`` takes the same way
through the code and projects nothing, ``random_sign`` lets a coin say which pairs are in conflict, ``reduction: mean``
divides by the number of tasks present, ``power: 0`` leaves out the weights by size.

An absent task has no gradient: it is not projected, nothing is projected against it, and it does not count in the mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.balancers._size_weights import size_weights

OPTIONS = {"power": 1.0, "projection": "on", "reduction": "sum"}
CHOICES = {"projection": ["on", "off", "random_sign"], "reduction": ["sum", "mean"]}
GRADIENTS = "shared"

_OFF, _RANDOM_SIGN = 1.0, 2.0  # places in CHOICES["projection"]
_NO_DIRECTION = 1e-60  # squared norm below which single precision knows no direction to project on


def coefficients(sizes: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Static weights w_t = (N_max / N_t) ** power, on the losses before their gradients are projected.

    Args:
        sizes: labelled alloys of each task, all partitions, as the level keeps them.
        options: ``power``: 1 projects the gradients of the paper's weighted losses, 0 those of the raw ones.
    """
    return size_weights(sizes, options["power"])


def settings(options: Mapping[str, Any]) -> np.ndarray:
    """What ``balance`` needs to know: the places of ``projection`` and ``reduction`` among their choices."""
    return np.array([float(values.index(options[name])) for name, values in CHOICES.items()])


def initial_state(n_tasks: int, options: Mapping[str, Any]) -> np.ndarray:
    """Nothing is remembered from step to step."""
    return np.zeros(0)


def n_draws(n_tasks: int) -> int:
    """Two squares of uniforms, (tasks x tasks) each.

    Sorted, row i of the first gives the order in which task i meets the others (its own entry is not looked at). The
    second, above the diagonal, holds the coin of each pair for ``random_sign``.
    """
    return 2 * n_tasks * n_tasks


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Multipliers that turn the gradients of the tasks into the sum (or mean) of the projected ones.

    Each task's gradient meets the original gradients of the others in a random order and loses its component along
    any with which its inner product, after the projections so far, is negative. With ``random_sign`` a pair is in
    conflict, for both of its tasks, with probability 1/2, whatever its product. A gradient of zero projects nothing.

    Heads belong to one task each, so nothing conflicts there: they get 1, or with ``mean`` the same 1 / (tasks
    present) as the shared parameters, so that without projection the step is that of the mean loss in all parameters
    and heads and backbone keep the ratio that they have under ``sum``.

    Args:
        losses: statically weighted loss of each task (tasks,); only their number is used.
        gram: inner products of the gradients of these losses on all shared parameters (tasks x tasks).
        present: whether the batch holds a labelled row of the task (tasks,).
        draws: uniforms in [0, 1), as ``n_draws`` describes.
        state: empty.
        settings: as the function of that name gives.

    Returns:
        (2 x tasks): factors of each task's gradient, for shared parameters and for heads; 0 for absent tasks.
    """
    n = len(losses)
    n_present = 0
    for i in range(n):
        if present[i]:
            n_present += 1
    share = 1.0
    if settings[1] > 0 and n_present > 0:
        share = 1.0 / n_present
    multipliers = np.zeros((2, n))
    for i in range(n):
        if not present[i]:
            continue
        projected = np.zeros(n)  # coefficients of task i's projected gradient in the original ones
        projected[i] = 1.0
        order = np.argsort(draws[i * n : (i + 1) * n])
        for place in range(n):
            j = order[place]
            if settings[0] == _OFF or j == i or not present[j] or gram[j, j] < _NO_DIRECTION:
                continue
            product = 0.0
            for k in range(n):
                product += projected[k] * gram[k, j]
            conflict = product < 0
            if settings[0] == _RANDOM_SIGN:
                conflict = draws[n * n + min(i, j) * n + max(i, j)] < 0.5
            if conflict:
                projected[j] -= product / gram[j, j]
        for k in range(n):
            multipliers[0, k] += share * projected[k]
        multipliers[1, i] = share
    return multipliers
