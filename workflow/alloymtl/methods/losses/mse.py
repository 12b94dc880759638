"""Squared error, all rows alike (arXiv:2512.22740, equation 10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from alloymtl.methods.losses._common import equal_weights, labelled_mean

OPTIONS = {}


def row_weights(x: np.ndarray, y: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """1 for each label, whatever its value, 0 where there is none, (rows x tasks)."""
    return equal_weights(y)


class Loss(nn.Module):
    """Weighted squared error, in squared units of the standardised target.

    Args:
        y: standardised training targets (rows x tasks), NaN where there is no label; not looked at.
        options: none are used.
    """

    def __init__(self, y: np.ndarray, options: Mapping[str, Any]) -> None:
        super().__init__()

    def forward(self, prediction: Tensor, target: Tensor, labelled: Tensor, weight: Tensor) -> Tensor:
        """Mean of weight x squared error over the labelled rows of each task, (tasks,); 0 for an absent task.

        Args:
            prediction: outputs of the network (batch x tasks).
            target: standardised targets, 0 where there is no label.
            labelled: 1 where there is a label, else 0.
            weight: row weights, 0 where there is no label.
        """
        return labelled_mean(elementwise(prediction, target), labelled, weight)


def elementwise(prediction: Tensor, target: Tensor) -> Tensor:
    """Squared error of each entry; shapes as given, in squared units of the standardised target."""
    return (prediction - target).square()
