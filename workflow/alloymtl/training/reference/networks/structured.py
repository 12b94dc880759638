"""The network of the architecture ``structured``: a shared backbone, and heads fed by a learned task relation graph.

Equations and their reading are told in ``methods/architectures/structured.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from alloymtl.training.reference.networks.layers import Backbone, Heads


class RelationGraph(nn.Module):
    """Task embeddings, edge predictor and two graph convolutions; depends on no alloy.

    Args:
        n_tasks: nodes of the graph.
        width: dimension of an embedding.
    """

    def __init__(self, n_tasks: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(n_tasks, width))
        self.embedding.init_scale = 1.0
        self.edge = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1))
        self.convolution = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.register_buffer("identity", torch.eye(n_tasks), persistent=False)

    def relations(self) -> Tensor:
        """A (tasks x tasks), entries in (0, 1); row: the task that receives."""
        n, width = self.embedding.shape
        receiver = self.embedding[:, None].expand(n, n, width)
        giver = self.embedding[None].expand(n, n, width)
        return torch.sigmoid(self.edge(torch.cat((receiver, giver), dim=-1)).squeeze(-1))

    def forward(self) -> tuple[Tensor, Tensor]:
        """(A, messages): message of t is the sum over s != t of A_ts e'_s, (tasks x width)."""
        relations = self.relations()
        # Kipf and Welling's propagation: self-loops added, rows normalised by the nodes' degrees.
        adjacency = relations * (1 - self.identity) + self.identity
        adjacency = adjacency / adjacency.sum(1, keepdim=True)
        first, second = self.convolution
        nodes = adjacency @ second(functional.relu(adjacency @ first(self.embedding)))
        return relations, (relations * (1 - self.identity)) @ nodes


class Network(nn.Module):
    """Shared backbone, primary heads, and auxiliary networks fed by the relation graph.

    Args:
        n_features: number of features.
        n_tasks: number of tasks.
        training: ``hidden`` and ``dropout``.
        options: ``head``, ``embedding``, ``alpha``, ``lambda_sparse``, ``lambda_self``.

    Attributes:
        units: dropout decisions that a row needs.
    """

    def __init__(self, n_features: int, n_tasks: int, training: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        super().__init__()
        width = training["hidden"][-1]
        self.options = dict(options)
        self.units = sum(training["hidden"])
        self.backbone = Backbone(n_features, training["hidden"], training["dropout"])
        self.heads = Heads(n_tasks, width, options["head"])
        self.graph = RelationGraph(n_tasks, options["embedding"])
        self.auxiliary = Heads(n_tasks, options["embedding"] + width, options["head"])
        self._relations: Tensor | None = None

    def represent(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """The shared representation (rows x width)."""
        return self.backbone(x, keep)

    def read_out(self, h: Tensor) -> Tensor:
        """Outputs (rows x tasks) of a representation, (rows x width) or one per task (equation 5)."""
        self._relations, messages = self.graph()
        h = h.expand(len(messages), *h.shape[-2:])
        fused = torch.cat((messages[:, None].expand(-1, h.shape[1], -1), h), dim=-1)
        return self.heads(h) + self.options["alpha"] * self.auxiliary(fused)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """Outputs (rows x tasks): standardised values, or logits of class 1."""
        return self.read_out(self.represent(x, keep))

    def shared_parameters(self) -> list[nn.Parameter]:
        """Backbone and relation graph: every task's loss depends on them."""
        return [*self.backbone.parameters(), *self.graph.parameters()]

    def last_shared(self) -> list[nn.Parameter]:
        """Weights of the backbone's last linear map."""
        return [self.backbone.linear[-1].weight]

    def penalty(self) -> Tensor | None:
        """lambda_sparse * sum of |A| + lambda_self * trace of A (equation 6), for the last forward pass."""
        a = self._relations
        return self.options["lambda_sparse"] * a.abs().sum() + self.options["lambda_self"] * a.trace()

    def relations(self) -> Tensor:
        """A (tasks x tasks) as learned so far; row: the task that receives."""
        return self.graph.relations().detach()
