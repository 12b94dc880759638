"""Loss weights by inverse data-set size (arXiv:2512.22740, equation 3).

An absent task has loss 0 in the step and so adds nothing to it; the other tasks keep their weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.balancers._size_weights import size_weights

OPTIONS = {"power": 1.0}


def coefficients(sizes: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Static weights w_t = (N_max / N_t) ** power.

    Args:
        sizes: labelled alloys of each task, all partitions, as the level keeps them.
        options: ``power``: 1 gives the paper's weights, 0.5 their square root, 0 equal ones.
    """
    return size_weights(sizes, options["power"])
