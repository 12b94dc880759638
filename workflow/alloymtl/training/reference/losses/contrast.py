"""The form ``contrast``: Balanced MSE against the labels of the batch (see ``methods/losses/bmc.py``)."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alloymtl.training.reference.losses._common import labelled_mean
from alloymtl.training.reference.losses._noise import LearnedNoise


class Loss(LearnedNoise):
    """Balanced MSE against the labels of the batch; sigma of each task is learned.

    Args:
        y: standardised training targets (rows x tasks), NaN where there is no label; only the tasks are counted.
        part: module of the loss; not looked at.
        options: ``sigma`` of the noise at the start, in SDs of the training labels; ``sigma_rate``, its learning rate.
    """

    def __init__(self, y: np.ndarray, part: ModuleType, options: Mapping[str, Any]) -> None:
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
        candidate = labelled.T[:, None, :].bool() | torch.eye(len(target), dtype=torch.bool, device=target.device)
        among = logits.masked_fill(~candidate, -torch.inf).logsumexp(-1)
        each = (among - logits.diagonal(dim1=1, dim2=2)) * (2 * variance).detach()
        return labelled_mean(each.T, labelled, weight)
