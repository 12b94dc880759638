"""The form ``squared``: a weighted squared error."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from torch import Tensor, nn

from alloymtl.training.reference.losses._common import labelled_mean


class Loss(nn.Module):
    """Weighted squared error, in squared units of the standardised target.

    Args:
        y: standardised training targets (rows x tasks), NaN where there is no label; not looked at.
        part: module of the loss; not looked at.
        options: none are used.
    """

    def __init__(self, y: np.ndarray, part: ModuleType, options: Mapping[str, Any]) -> None:
        super().__init__()

    def forward(self, prediction: Tensor, target: Tensor, labelled: Tensor, weight: Tensor) -> Tensor:
        """Mean of weight x squared error over the labelled rows of each task, (tasks,); 0 for an absent task.

        Args:
            prediction: outputs of the network (batch x tasks).
            target: standardised targets, 0 where there is no label.
            labelled: 1 where there is a label, else 0.
            weight: row weights, 0 where there is no label.
        """
        return labelled_mean((prediction - target).square(), labelled, weight)
