"""The form ``mixture``: Balanced MSE against a known distribution of labels (see ``methods/losses/_balanced.py``)."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alloymtl.training.reference.losses._common import labelled_mean
from alloymtl.training.reference.losses._noise import LearnedNoise


def elementwise(prediction: Tensor, target: Tensor, variance: Tensor, mixture: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Balanced MSE of each entry, (batch x tasks), in squared units of the standardised target.

    Args:
        prediction: (batch x tasks).
        target: (batch x tasks), 0 where there is no label.
        variance: sigma^2 of the noise, (tasks,).
        mixture: logarithms of the weights, means and variances of the labels' distribution, each (tasks x components).
    """
    log_weights, means, variances = mixture
    spread = variances + variance[:, None]
    distance = (prediction[..., None] - means).square()
    marginal = (log_weights - 0.5 * spread.log() - distance / (2 * spread)).logsumexp(-1)
    own = (prediction - target).square() / (2 * variance) + 0.5 * variance.log()
    return (own + marginal) * (2 * variance).detach()


class Loss(LearnedNoise):
    """Balanced MSE against a distribution of labels that is known beforehand; sigma of each task is learned.

    Args:
        y: standardised training targets (rows x tasks), NaN where there is no label.
        part: module of the loss, whose ``mixtures`` gives the distribution of each task's labels.
        options: ``sigma`` of the noise at the start, in SDs of the training labels; ``sigma_rate``, its learning rate;
            those of the distribution.

    Raises:
        UserError: the options describe no distribution.
    """

    def __init__(self, y: np.ndarray, part: ModuleType, options: Mapping[str, Any]) -> None:
        super().__init__(y.shape[1], options)
        table = torch.as_tensor(part.mixtures(y, options), dtype=torch.get_default_dtype())
        self.register_buffer("mixture", table, persistent=False)

    def forward(self, prediction: Tensor, target: Tensor, labelled: Tensor, weight: Tensor) -> Tensor:
        """Mean loss over the labelled rows of each task, (tasks,); 0 for an absent task.

        Args:
            prediction: outputs of the network (batch x tasks).
            target: standardised targets, 0 where there is no label.
            labelled: 1 where there is a label, else 0.
            weight: row weights, 0 where there is no label.
        """
        each = elementwise(prediction, target, self.variance(), tuple(self.mixture))
        return labelled_mean(each, labelled, weight)
