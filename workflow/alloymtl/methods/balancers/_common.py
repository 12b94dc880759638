"""What most balancers have in common: static weights by size, and nothing that is set, remembered or drawn.

A balancer that is so imports these functions under their names; the protocol asks for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.balancers._size_weights import size_weights


def coefficients(sizes: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Static weights w_t = (N_max / N_t) ** power, on the losses before the balancer sees them or their gradients.

    Args:
        sizes: labelled alloys of each task, all partitions, as the level keeps them.
        options: ``power``: 0 leaves all weighing to the balancer.
    """
    return size_weights(sizes, options["power"])


def settings(options: Mapping[str, Any]) -> np.ndarray:
    """Nothing that ``balance`` needs to know."""
    return np.zeros(0)


def initial_state(n_tasks: int, options: Mapping[str, Any]) -> np.ndarray:
    """Nothing is remembered from step to step."""
    return np.zeros(0)


def n_draws(n_tasks: int) -> int:
    """Nothing is drawn."""
    return 0
