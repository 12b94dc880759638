"""Adam for the few numbers that a balancer learns beside the network."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8  # Adam's own defaults (Kingma and Ba 2015)


@register_jitable
def adam_change(i: int, slope: float, rate: float, means: np.ndarray, squares: np.ndarray, steps: np.ndarray) -> float:
    """What Adam adds to number i for one slope; its moments and its count of steps are updated in place.

    Args:
        i: place of the number.
        slope: derivative of what is minimised by it.
        rate: learning rate.
        means, squares, steps: first moments, second moments and counts of steps of all numbers.
    """
    steps[i] += 1
    means[i] = _BETA_1 * means[i] + (1 - _BETA_1) * slope
    squares[i] = _BETA_2 * squares[i] + (1 - _BETA_2) * slope * slope
    speed = np.sqrt(squares[i] / (1 - _BETA_2 ** steps[i])) + _EPSILON
    return -rate * means[i] / (1 - _BETA_1 ** steps[i]) / speed
