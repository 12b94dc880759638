"""Loss weights by inverse data-set size (arXiv:2512.22740, equation 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

OPTIONS = {"power": 1.0}


def coefficients(sizes: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """w_t = (N_max / N_t) ** power; an absent task has loss 0 and so adds nothing.

    Args:
        sizes: labelled alloys of each task, all partitions, as the level keeps them.
        options: ``power``: 1 gives the paper's weights, 0.5 their square root, 0 equal ones.
    """
    return (sizes.max() / sizes) ** options["power"]
