"""Balanced MSE (Ren et al., arXiv:2203.16427; arXiv:2512.22740, equation 2).

A network trained by squared error learns the labels of the training set, rare ones too rarely. Balanced MSE takes the
network's output as the label under a balanced distribution and asks how likely the observed label is under the training
distribution: with a noise of SD sigma,

    L = -log N(y; p, sigma^2) + log integral N(y'; p, sigma^2) p_train(y') dy'

Here p_train is a mixture of Gaussians. Components of variance 0 make it a histogram, so that one formula serves both
closed forms of the paper, GAI and BNI; BMC takes the labels of the batch instead and has its own module. The loss is
multiplied by 2 sigma^2, through which no gradient flows: its size is then that of a squared error. It may be negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from alloymtl.methods.losses._common import labelled_mean

SMALLEST_SIGMA = 0.01  # of a label's SD; at 0 the loss is not defined


class _AtLeast(torch.autograd.Function):
    """The greater of a parameter and a floor. Below the floor a gradient passes only if a step along it leads back up.

    A plain clamp would keep a parameter that once fell below for ever.
    """

    @staticmethod
    def forward(ctx: Any, parameter: Tensor, floor: float) -> Tensor:
        ctx.save_for_backward(parameter < floor)
        return parameter.clamp(min=floor)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (below,) = ctx.saved_tensors
        return gradient.masked_fill(below & (gradient > 0), 0.0), None


class LearnedNoise(nn.Module):
    """The SD of the noise of each task, learned as such: ``sigma`` (tasks,), in SDs of the training labels.

    Args:
        n_tasks: number of regression tasks.
        options: ``sigma``, where it starts; ``sigma_rate``, its learning rate, is the optimiser's affair.
    """

    def __init__(self, n_tasks: int, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.sigma = nn.Parameter(torch.full((n_tasks,), float(options["sigma"])))

    def variance(self) -> Tensor:
        """sigma^2 (tasks,), sigma being at least ``SMALLEST_SIGMA`` wherever the steps have taken the parameter."""
        return _AtLeast.apply(self.sigma, SMALLEST_SIGMA).square()


@dataclass(frozen=True)
class Mixture:
    """A mixture of Gaussians as the distribution of one task's labels.

    Attributes:
        weights: share of each component, (components,); their sum is 1, some may be 0.
        means: in units of the standardised target.
        variances: likewise squared; 0 is a point mass.
    """

    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray


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


class MixtureLoss(LearnedNoise):
    """Balanced MSE against a distribution of labels that is known beforehand.

    Args:
        mixtures: distribution of the training labels of each task.
        options: ``sigma``.
    """

    def __init__(self, mixtures: list[Mixture], options: Mapping[str, Any]) -> None:
        super().__init__(len(mixtures), options)
        width = max((len(m.weights) for m in mixtures), default=0)
        table = np.zeros((3, len(mixtures), width))  # shorter mixtures end in components of weight 0
        for task, m in enumerate(mixtures):
            table[:, task, : len(m.weights)] = m.weights, m.means, m.variances
        with np.errstate(divide="ignore"):
            table[0] = np.log(table[0])
        self.register_buffer("mixture", torch.as_tensor(table, dtype=torch.get_default_dtype()), persistent=False)

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
