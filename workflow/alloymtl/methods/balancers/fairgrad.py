"""FairGrad: the alpha-fair combination of the tasks' gradients (arXiv:2402.15638).

The weights are the positive root of (G w)_i = w_i ** (-1 / alpha) with G the Gram matrix: ``alpha`` 1 is Nash's
bargaining solution, towards 0 all weights are 1, towards infinity the worst-off task decides; it is held between .01
and 10. The root is found by damped Newton steps, to rounding. The equations are those of a strictly convex function's
minimum, so their root is unique, also for dependent gradients, and there is one unless the gradients can cancel out: no
direction then serves all tasks, and a ridge of 1e-12 on the unit gradients keeps the weights finite.

Absent tasks: the equations are those of the tasks present. A task that is present with a gradient of zero has no root
and counts as absent. The released factor (number of tasks) and clipping to norm 1 are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.balancers._common import coefficients, initial_state, n_draws
from alloymtl.methods.balancers._fairness import fair_weights
from alloymtl.methods.balancers._gram import heads_of

OPTIONS = {"alpha": 1.0, "power": 0.0}
GRADIENTS = "shared"

__all__ = ["balance", "coefficients", "initial_state", "n_draws", "settings"]


def settings(options: Mapping[str, Any]) -> np.ndarray:
    """What ``balance`` needs to know: ``alpha``, the kind of fairness."""
    return np.array([min(max(float(options["alpha"]), 0.01), 10.0)])


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Weights of the alpha-fair combination.

    Args:
        losses: statically weighted loss of each task (tasks,); not looked at.
        gram: inner products of the gradients of these losses on all shared parameters (tasks x tasks).
        present: whether the batch holds a labelled row of the task (tasks,).
        draws: empty.
        state: empty.
        settings: as the function of that name gives.

    Returns:
        (2 x tasks): the weights for the shared parameters, and 1 for the heads; 0 for absent tasks.
    """
    multipliers = heads_of(present)
    multipliers[0] = fair_weights(gram, present, settings[0])
    return multipliers
