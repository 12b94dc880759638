"""The noise of Balanced MSE, whose SD is learned with the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from alloymtl.methods.losses._balanced import SMALLEST_SIGMA


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
