"""What losses share: rows that count alike, and the mean over a task's labelled rows."""

from __future__ import annotations

import numpy as np
from torch import Tensor


def equal_weights(y: np.ndarray) -> np.ndarray:
    """1 where there is a label, 0 where there is none, (rows x tasks) float64."""
    return (~np.isnan(y)).astype(np.float64)


def labelled_mean(each: Tensor, labelled: Tensor, weight: Tensor) -> Tensor:
    """Mean of weight x loss over each task's labelled rows (arXiv:2512.22740, equation 7); 0 for an absent task.

    Args:
        each: loss of each entry, (batch x tasks), finite everywhere.
        labelled: 1 where there is a label, else 0.
        weight: weight of each entry, 0 where there is no label.
    """
    return (weight * each).sum(0) / labelled.sum(0).clamp(min=1)
