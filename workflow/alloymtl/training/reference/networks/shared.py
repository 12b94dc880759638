"""The network of the architectures that share all or nothing: one backbone, and a head for each task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from alloymtl.training.reference.networks.layers import Backbone, Heads


class Network(nn.Module):
    """One backbone, one head per task.

    Args:
        n_features: number of features.
        n_tasks: number of outputs.
        training: ``hidden`` and ``dropout``.
        options: ``head``, hidden units of each head.

    Attributes:
        units: dropout decisions that a row needs.
    """

    def __init__(self, n_features: int, n_tasks: int, training: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        super().__init__()
        self.units = sum(training["hidden"])
        self.backbone = Backbone(n_features, training["hidden"], training["dropout"])
        self.heads = Heads(n_tasks, training["hidden"][-1], options["head"])

    def represent(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """What the heads are given: (rows x width), or (tasks x rows x width), one for each head."""
        return self.backbone(x, keep)

    def read_out(self, h: Tensor) -> Tensor:
        """Outputs (rows x tasks) of a representation: standardised values, or logits of class 1."""
        return self.heads(h)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """Outputs (rows x tasks) of features."""
        return self.read_out(self.represent(x, keep))

    def shared_parameters(self) -> list[nn.Parameter]:
        """Parameters that every task's loss depends on."""
        return [p for p in self.backbone.parameters() if p.requires_grad]

    def last_shared(self) -> list[nn.Parameter]:
        """Weights of the last linear map that all tasks share."""
        return [self.backbone.linear[-1].weight]

    def penalty(self) -> Tensor | None:
        """What is added to the loss: nothing."""
        return None
