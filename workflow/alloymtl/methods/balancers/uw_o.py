"""UW-O: every loss is weighed by its inverse, what uncertainty weighting tends to (Kirchdorfer et al. 2024).

The noise that is best for a loss L is L itself, so no parameter has to be learned. The weights 1 / L are held constant
in the step: its gradient is that of the sum of the losses' logarithms. A loss below 1e-8 is weighed by the inverse of
that, the number which the authors' code for their related method adds to each loss: the loss of a few rows of a class
that is told for certain comes so near to zero that its inverse is beyond single precision.

Absent tasks change nothing for the others. A loss that is not positive has no inverse that means anything: the task
counts as absent in that step. Losses that turn negative (GAI, BNI) are none for this method.
"""

from __future__ import annotations

import numpy as np

from alloymtl.methods.balancers._common import coefficients, initial_state, n_draws, settings
from alloymtl.methods.balancers._multipliers import of_losses, positive

OPTIONS = {"power": 0.0}
GRADIENTS = "none"

__all__ = ["balance", "coefficients", "initial_state", "n_draws", "settings"]

_SMALLEST = 1e-8  # loss


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Weights 1 / L_i, at most 1e8, for shared parameters and heads alike.

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
            weights[i] = 1 / max(losses[i], _SMALLEST)
    return of_losses(weights, counted)
