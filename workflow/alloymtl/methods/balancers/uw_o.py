"""UW-O: every loss is weighed by its inverse, what uncertainty weighting tends to (Kirchdorfer et al. 2024).

The noise that is best for a loss L is L itself, so no parameter has to be learned. The weights 1 / L are held constant
in the step: its gradient is that of the sum of the losses' logarithms.

Absent tasks change nothing for the others. A loss that is not positive has no inverse that means anything: the task
counts as absent in that step. Losses that turn negative (GAI, BNI) are none for this method.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.balancers._multipliers import of_losses, positive
from alloymtl.methods.balancers._size_weights import size_weights

OPTIONS = {"power": 0.0}
GRADIENTS = "last"


def coefficients(sizes: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Static weights w_t = (N_max / N_t) ** power; the inverse takes any constant factor of a loss out again.

    Args:
        sizes: labelled alloys of each task, all partitions, as the level keeps them.
        options: ``power``: whatever it is, the steps are the same but for rounding.
    """
    return size_weights(sizes, options["power"])


def settings(options: Mapping[str, Any]) -> np.ndarray:
    """``balance`` needs to know nothing."""
    return np.zeros(0)


def initial_state(n_tasks: int, options: Mapping[str, Any]) -> np.ndarray:
    """Nothing is remembered from step to step."""
    return np.zeros(0)


def n_draws(n_tasks: int) -> int:
    """Nothing is drawn."""
    return 0


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Weights 1 / L_i, for shared parameters and heads alike.

    Args:
        losses: statically weighted loss of each task (tasks,).
        gram: not used.
        present: whether the batch holds a labelled row of the task (tasks,).
        draws: empty.
        state: empty.
        settings: empty.

    Returns:
        (2 x tasks): the weights, twice the same row; 0 for absent tasks.
    """
    counted = positive(losses, present)
    weights = np.zeros(len(losses))
    for i in range(len(losses)):
        if counted[i]:
            weights[i] = 1 / losses[i]
    return of_losses(weights, counted)
