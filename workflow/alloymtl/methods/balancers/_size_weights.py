"""Weights of the task losses from the sizes of their data sets."""

from __future__ import annotations

import numpy as np


def size_weights(sizes: np.ndarray, power: float) -> np.ndarray:
    """w_t = (N_max / N_t) ** power (arXiv:2512.22740, equation 3, where the power is 1).

    Args:
        sizes: labelled alloys of each task, all partitions, as the level keeps them, each at least 1.
        power: 1 weighs by inverse size, 0.5 by its square root, 0 not at all.

    Returns:
        One weight a task, without a unit; the largest data set's is 1.
    """
    return (sizes.max() / sizes) ** power
