"""Nash-MTL: the bargaining solution of tasks that each want their own gradient (arXiv:2202.01017).

The weights are the positive root of G w = 1 / w with G the Gram matrix: the direction maximises the product of the
<g_i, d> at its length, which is the root of the number of tasks, and the units of the losses do not matter. The root is
exact, by damped Newton steps, not by the released sequence of convex problems, and found anew in every step.
The equations are those of a strictly convex function's minimum, so their root is unique, also for dependent gradients,
and there is one unless the gradients can cancel out: no direction then serves all tasks, and a ridge of 1e-12 on the
unit gradients keeps the weights finite.

Absent tasks: those present bargain. A task that is present with a gradient of zero cannot gain and counts as absent.
The released clipping to norm 1 multiplies by a constant and is left out.
"""

from __future__ import annotations

import numpy as np

from alloymtl.methods.balancers._common import coefficients, initial_state, n_draws, settings
from alloymtl.methods.balancers._fairness import fair_weights
from alloymtl.methods.balancers._gram import heads_of

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
    """Weights of the bargaining solution.

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
    multipliers[0] = fair_weights(gram, present, 1.0)
    return multipliers
