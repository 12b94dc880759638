"""Balanced MSE by the labels of the batch, BMC (Ren et al., arXiv:2203.16427; arXiv:2512.22740, equation 2).

The distribution of the training labels is that of the batch's own labels, up to a constant: each row's loss is a cross-
entropy over logits -(p_i - y_j)^2 / (2 sigma^2), in which its own label is the right one among those of the batch,
multiplied by 2 sigma^2 without gradient.

A task with a single labelled row in the batch has nothing to tell that row's label from: loss and gradient are exactly
0, as for an absent task. With uniform batches of 32 a task that has 2 % of the rows learns from few of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.losses._common import equal_weights

OPTIONS = {"sigma": 1.0, "sigma_rate": 0.01}
FORM = "contrast"


def row_weights(x: np.ndarray, y: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """1 for each label, whatever its value, 0 where there is none, (rows x tasks)."""
    return equal_weights(y)
