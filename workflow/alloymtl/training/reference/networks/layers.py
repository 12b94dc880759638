"""Layers that networks are built of, and the numbers that they start from.

Dropout masks come from outside, so that every engine drops the same units.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from alloymtl.training.initial import draw


class Backbone(nn.Module):
    """Linear, batch normalisation, ReLU, dropout; once per width.

    The linear maps carry no bias: batch normalisation subtracts it again, and its gradient would be rounding noise that
    Adam blows up to full steps.

    Args:
        n_features: width of the input.
        widths: widths of the hidden layers.
        dropout: probability of dropping a unit; kept ones are scaled by 1 / (1 - dropout).
    """

    def __init__(self, n_features: int, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        sizes = [n_features, *widths]
        pairs = list(itertools.pairwise(sizes))
        self.linear = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairs)
        self.norm = nn.ModuleList(nn.BatchNorm1d(b) for b in widths)
        self.widths = tuple(widths)
        self.scale = 1.0 / (1.0 - dropout)
        self.frozen = False
        self.drops_last = True

    @torch.no_grad()
    def calibrate(self, x: Tensor) -> None:
        """Take the running statistics of batch normalisation from some rows, as if they were one batch.

        A backbone of random weights needs this before it is frozen: its untouched statistics (mean 0, variance 1) leave
        its layers many times smaller than those of a trained one, and no head would get a fair chance.
        """
        momenta = [norm.momentum for norm in self.norm]
        for norm in self.norm:
            norm.momentum = 1.0
        self.train()
        self(x, None)
        for norm, momentum in zip(self.norm, momenta, strict=True):
            norm.momentum = momentum

    def freeze(self) -> None:
        """From here on a fixed map: parameters and running statistics stay as they are.

        No unit inside is dropped. Those of the last layer are, in training, since the head is trained as ever.
        """
        self.frozen = True
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Backbone:
        """As for any module, except that a frozen backbone stays in evaluation mode."""
        return super().train(mode and not self.frozen)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """Representation (rows x last width) of features (rows x n_features).

        Args:
            x: standardised features.
            keep: 1 for a unit that is kept, 0 for one that is dropped, (rows x sum of widths); None in evaluation.
        """
        start = 0
        factors = None if keep is None else keep * self.scale
        for linear, norm, width in zip(self.linear, self.norm, self.widths, strict=True):
            # As functions: in a step this small the call of a module costs as much as what it does.
            a = functional.linear(x, linear.weight)
            running = norm.running_mean, norm.running_var
            x = functional.relu(
                functional.batch_norm(a, *running, norm.weight, norm.bias, norm.training, norm.momentum, norm.eps)
            )
            last = linear is self.linear[-1]
            if keep is not None and (self.drops_last if last else not self.frozen):
                x = x * factors[:, start : start + width]
            start += width
        return x

    def drop_last(self, h: Tensor, keep: Tensor) -> Tensor:
        """Dropout of the last layer, for those who set ``drops_last`` to False and do it later themselves.

        Args:
            h: (rows x last width), or (tasks x rows x last width).
            keep: as for ``forward``.
        """
        return h * keep[:, -self.widths[-1] :] * self.scale


class Heads(nn.Module):
    """One head per task, stacked into one tensor: Linear(width, hidden), ReLU, Linear(hidden, 1).

    Args:
        n_tasks: number of heads.
        width: width of the representation.
        hidden: hidden units of a head; 0 makes each head a single Linear(width, 1).
    """

    def __init__(self, n_tasks: int, width: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        if hidden:
            self.weight_in = nn.Parameter(torch.empty(n_tasks, width, hidden))
            self.weight_in.fan_in = width
            self.bias_in = nn.Parameter(torch.empty(n_tasks, 1, hidden))
        last = hidden or width
        self.weight_out = nn.Parameter(torch.empty(n_tasks, last, 1))
        self.weight_out.fan_in = last
        self.bias_out = nn.Parameter(torch.empty(n_tasks, 1, 1))

    def forward(self, h: Tensor) -> Tensor:
        """Outputs (rows x tasks) of a representation: (rows x width), or (tasks x rows x width), one for each head."""
        h = h.expand(self.weight_out.shape[0], -1, -1)
        if self.hidden:
            h = functional.relu(torch.baddbmm(self.bias_in, h, self.weight_in))
        return torch.baddbmm(self.bias_out, h, self.weight_out).squeeze(-1).T


def initialise(network: nn.Module, rng: np.random.Generator) -> None:
    """Draw all weights and biases of linear maps, and all embeddings (see ``training.initial.draw``).

    NumPy draws, so that an engine without torch can start from the same numbers. Scales and shifts of batch
    normalisation keep 1 and 0; parameters with an ``init_scale`` attribute are normal with that SD (embeddings). The
    last dimension of a weight is its fan in, unless an attribute ``fan_in`` says otherwise.
    """
    norms = {id(p) for m in network.modules() if isinstance(m, nn.BatchNorm1d) for p in m.parameters()}
    fan_in = 1
    for name, parameter in network.named_parameters():
        if id(parameter) in norms:
            continue
        if "weight" in name:  # a bias follows its weight and shares its fan in
            fan_in = getattr(parameter, "fan_in", parameter.shape[-1])
        values = draw(tuple(parameter.shape), rng, fan_in, getattr(parameter, "init_scale", None))
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(values))
