"""The network of the architecture ``soft``: a backbone and a head per task, and the coupling of the backbones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from alloymtl.training.reference.networks.layers import Heads


class Backbones(nn.Module):
    """One backbone per task, stacked: linear (tasks x out x in), batch normalisation, ReLU, dropout; once per width.

    Args:
        n_tasks: number of backbones.
        n_features: width of the input.
        widths: widths of the hidden layers.
        dropout: probability of dropping a unit.
    """

    def __init__(self, n_tasks: int, n_features: int, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.weight = nn.ParameterList(
            nn.Parameter(torch.empty(n_tasks, b, a)) for a, b in pairwise([n_features, *widths])
        )
        # Normalised channel by channel, all tasks' channels side by side.
        self.norm = nn.ModuleList(nn.BatchNorm1d(n_tasks * width) for width in widths)
        self.n_tasks, self.widths, self.scale = n_tasks, tuple(widths), 1.0 / (1.0 - dropout)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """Representations (tasks x rows x last width).

        Args:
            x: standardised features (rows x n_features).
            keep: 1 for a unit that is kept, (rows x tasks * sum of widths), layer by layer and in it task by task.
        """
        rows, start = len(x), 0
        h = x.expand(self.n_tasks, -1, -1)
        for weight, norm, width in zip(self.weight, self.norm, self.widths, strict=True):
            flat = torch.bmm(h, weight.transpose(1, 2)).transpose(0, 1).reshape(rows, self.n_tasks * width)
            flat = functional.relu(norm(flat))
            if keep is not None:
                flat = flat * (keep[:, start : start + flat.shape[1]] * self.scale)
            start += flat.shape[1]
            h = flat.reshape(rows, self.n_tasks, width).transpose(0, 1)
        return h

    def vectors(self) -> Tensor:
        """All trained parameters of each backbone as one row (tasks x parameters)."""
        norms = [p for norm in self.norm for p in (norm.weight, norm.bias)]
        return torch.cat([p.reshape(self.n_tasks, -1) for p in (*self.weight, *norms)], dim=1)


class Network(nn.Module):
    """Backbones that are drawn to each other, and a head on each.

    Args:
        n_features: number of features.
        n_tasks: number of tasks.
        training: ``hidden`` and ``dropout``.
        options: ``head``, ``coupling``.

    Attributes:
        units: dropout decisions that a row needs.
    """

    def __init__(self, n_features: int, n_tasks: int, training: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        super().__init__()
        self.coupling = options["coupling"]
        self.units = n_tasks * sum(training["hidden"])
        self.backbones = Backbones(n_tasks, n_features, training["hidden"], training["dropout"])
        self.heads = Heads(n_tasks, training["hidden"][-1], options["head"])

    def represent(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """Each task's representation (tasks x rows x width)."""
        return self.backbones(x, keep)

    def read_out(self, h: Tensor) -> Tensor:
        """Outputs (rows x tasks) of the representations: standardised values, or logits of class 1."""
        return self.heads(h)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """Outputs (rows x tasks) of features."""
        return self.read_out(self.represent(x, keep))

    def shared_parameters(self) -> list[nn.Parameter]:
        """None: every parameter belongs to one task."""
        return []

    def last_shared(self) -> list[nn.Parameter]:
        """None."""
        return []

    def penalty(self) -> Tensor:
        """coupling * sum over pairs of the squared distance of their backbones.

        The sum over pairs of T vectors is T times the sum of squared distances from their mean.
        """
        vectors = self.backbones.vectors()
        return self.coupling * len(vectors) * (vectors - vectors.mean(0)).square().sum()

    @torch.no_grad()
    def backbone_vectors(self) -> Tensor:
        """Weights of the linear maps of each backbone (tasks x weights), for the similarity of backbones.

        The scales of batch normalisation are left out: they all start at one, which alone would make any two backbones
        look alike.
        """
        n_tasks = self.backbones.n_tasks
        return torch.cat([weight.reshape(n_tasks, -1) for weight in self.backbones.weight], dim=1)
