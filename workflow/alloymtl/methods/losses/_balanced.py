"""Balanced MSE (Ren et al., arXiv:2203.16427; arXiv:2512.22740, equation 2).

A network trained by squared error learns the labels of the training set, rare ones too rarely. Balanced MSE takes the
network's output as the label under a balanced distribution and asks how likely the observed label is under the training
distribution: with a noise of SD sigma,

    L = -log N(y; p, sigma^2) + log integral N(y'; p, sigma^2) p_train(y') dy'

Here p_train is a mixture of Gaussians. Components of variance 0 make it a histogram, so that one formula serves both
closed forms of the paper, GAI and BNI; BMC takes the labels of the batch instead and has its own form. The loss is
multiplied by 2 sigma^2, through which no gradient flows: its size is then that of a squared error. It may be negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SMALLEST_SIGMA = 0.01  # of a label's SD; at 0 the loss is not defined


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


def table(mixtures: Sequence[Mixture]) -> np.ndarray:
    """Logarithms of the weights, means and variances of the tasks' mixtures, (3 x tasks x components) float64.

    Shorter mixtures end in components of weight 0, whose logarithm is -inf.
    """
    width = max((len(m.weights) for m in mixtures), default=0)
    found = np.zeros((3, len(mixtures), width))
    for task, m in enumerate(mixtures):
        found[:, task, : len(m.weights)] = m.weights, m.means, m.variances
    with np.errstate(divide="ignore"):
        found[0] = np.log(found[0])
    return found
