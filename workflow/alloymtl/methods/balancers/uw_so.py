"""UW-SO: weights are the softmax of the inverse losses over a temperature (Kirchdorfer et al. 2024).

It takes the analytical weights 1 / L of uncertainty weighting through a softmax, so that no small loss takes all
without bound. The weights are held constant in the step. ``temperature`` is to be tuned: near 0 the task with the
smallest loss takes all, a large one weighs all alike.

Absent tasks: the softmax goes over the tasks present and sums to their share of all tasks, 1 when none is absent. A
loss that is not positive has no inverse that means anything: the task counts as absent in that step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.balancers._common import coefficients, initial_state, n_draws
from alloymtl.methods.balancers._multipliers import of_losses, positive, share, softmax

OPTIONS = {"temperature": 1.0, "power": 0.0}
GRADIENTS = "none"

__all__ = ["balance", "coefficients", "initial_state", "n_draws", "settings"]

_COLDEST = 1e-6


def settings(options: Mapping[str, Any]) -> np.ndarray:
    """What ``balance`` needs to know: ``temperature``, at least 1e-6."""
    return np.array([max(float(options["temperature"]), _COLDEST)])


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Weights softmax_i(1 / (temperature L_i)), for shared parameters and heads alike.

    Args:
        losses: statically weighted loss of each task (tasks,).
        gram: not used.
        present: whether the batch holds a labelled row of the task (tasks,).
        draws: empty.
        state: empty.
        settings: as the function of that name gives.

    Returns:
        (2 x tasks): the weights, twice the same row; 0 for absent tasks.
    """
    counted = positive(losses, present)
    inverses = np.zeros(len(losses))
    for i in range(len(losses)):
        if counted[i]:
            inverses[i] = 1 / losses[i] / settings[0]
    return of_losses(share(counted) * softmax(inverses, counted), counted)
