"""Random loss weighting: in each step the losses are weighed by chance (Lin et al. 2022, arXiv:2111.10603).

``normal`` is the softmax of independent standard normals, ``dirichlet`` the uniform distribution on all weights that
are not negative and sum to 1. A method that does not beat this one has not shown that its weights mean anything.

Absent tasks: the weights are those of the tasks present and sum to their share of all tasks, 1 when none is absent, so
that in expectation every task counts 1 / tasks in each step that holds it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.balancers._common import coefficients, initial_state
from alloymtl.methods.balancers._multipliers import of_losses, share, softmax

OPTIONS = {"distribution": "normal", "power": 0.0}
CHOICES = {"distribution": ["normal", "dirichlet"]}
GRADIENTS = "none"

__all__ = ["balance", "coefficients", "initial_state", "n_draws", "settings"]

_NORMAL = 0.0  # place in CHOICES["distribution"]
_SMALLEST = 1e-300  # a uniform of exactly 0 has no exponential variable above 0


def settings(options: Mapping[str, Any]) -> np.ndarray:
    """What ``balance`` needs to know: the place of ``distribution`` among its choices."""
    return np.array([float(CHOICES["distribution"].index(options["distribution"]))])


def n_draws(n_tasks: int) -> int:
    """Two uniforms a task: its radius (or exponential variable) in the first half, its angle in the second."""
    return 2 * n_tasks


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Weights drawn anew, for shared parameters and heads alike.

    Normals are made of two uniforms each (Box and Muller 1958). Exponential variables over their sum have the flat
    Dirichlet distribution, so here their logarithms go into the softmax.

    Args:
        losses: statically weighted loss of each task (tasks,); only their number is used.
        gram: not used.
        present: whether the batch holds a labelled row of the task (tasks,).
        draws: uniforms in [0, 1), as ``n_draws`` describes.
        state: empty.
        settings: as the function of that name gives.

    Returns:
        (2 x tasks): the weights, twice the same row; 0 for absent tasks.
    """
    n = len(losses)
    values = np.zeros(n)
    for i in range(n):
        exponential = max(-math.log(1 - draws[i]), _SMALLEST)
        if settings[0] == _NORMAL:
            values[i] = math.sqrt(2 * exponential) * math.cos(2 * math.pi * draws[n + i])
        else:
            values[i] = math.log(exponential)
    return of_losses(share(present) * softmax(values, present), present)
