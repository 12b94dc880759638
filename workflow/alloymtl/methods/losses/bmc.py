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
import torch
from torch import Tensor

from alloymtl.methods.losses._balanced import LearnedNoise
from alloymtl.methods.losses._common import equal_weights, labelled_mean

OPTIONS = {"sigma": 1.0, "sigma_rate": 0.01}


def row_weights(x: np.ndarray, y: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """1 for each label, whatever its value, 0 where there is none, (rows x tasks)."""
    return equal_weights(y)


class Loss(LearnedNoise):
    """Balanced MSE against the labels of the batch; sigma of each task is learned.

    Args:
        y: standardised training targets (rows x tasks), NaN where there is no label; only the tasks are counted.
        options: ``sigma`` of the noise at the start, in SDs of the training labels; ``sigma_rate``, its learning rate.
    """

    def __init__(self, y: np.ndarray, options: Mapping[str, Any]) -> None:
        super().__init__(y.shape[1], options)

    def forward(self, prediction: Tensor, target: Tensor, labelled: Tensor, weight: Tensor) -> Tensor:
        """Mean loss over the labelled rows of each task, (tasks,); 0 for an absent task or a single labelled row.

        Args:
            prediction: outputs of the network (batch x tasks).
            target: standardised targets, 0 where there is no label.
            labelled: 1 where there is a label, else 0.
            weight: row weights, 0 where there is no label.
        """
        variance = self.variance()[:, None]
        distance = (prediction.T[:, :, None] - target.T[:, None, :]).square()
        logits = -distance / (2 * variance[:, None])
        # A row's own label is always a candidate, so that rows without one stay finite; their weight is 0.
        candidate = labelled.T[:, None, :].bool() | torch.eye(len(target), dtype=torch.bool)
        among = logits.masked_fill(~candidate, -torch.inf).logsumexp(-1)
        each = (among - logits.diagonal(dim1=1, dim2=2)) * (2 * variance).detach()
        return labelled_mean(each.T, labelled, weight)
