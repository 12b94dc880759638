"""The training loop that everyone writes, in plain PyTorch, alone and with the PCGrad of torchjd.

These are what the engines are measured against, so they are written as their user would write them: with care for what
they compute, and no thought for speed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchjd.aggregation import PCGrad
from torchjd.autojac import jac_to_grad, mtl_backward

from alloymtl.training.dataset import TrainingRows


class Network(nn.Module):
    """A backbone and a head for each task.

    Args:
        n_features: number of features.
        n_tasks: number of heads.
        hidden: widths of the backbone.
        head: hidden units of a head.
        dropout: probability of dropping a unit of the backbone.
    """

    def __init__(self, n_features: int, n_tasks: int, hidden: Sequence[int], head: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = n_features
        for units in hidden:
            layers += [nn.Linear(width, units), nn.BatchNorm1d(units), nn.ReLU(), nn.Dropout(dropout)]
            width = units
        self.backbone = nn.Sequential(*layers)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, head), nn.ReLU(), nn.Linear(head, 1)) for _ in range(n_tasks)
        )

    def read_out(self, h: Tensor) -> list[Tensor]:
        """Output (rows,) of each head."""
        return [head(h).squeeze(-1) for head in self.heads]


class NaiveLoop:
    """A DataLoader, a mask of labels for each task, Adam as it comes, and the loss read after each step.

    Args:
        rows: the training rows.
        weights: weight of each task's loss.
        network: what to train.
        training: settings of the training loop.
    """

    def __init__(
        self, rows: TrainingRows, weights: Sequence[float], network: Network, training: Mapping[str, Any]
    ) -> None:
        self.data = TensorDataset(torch.from_numpy(rows.x), torch.from_numpy(rows.y))
        self.loader = DataLoader(self.data, batch_size=training["batch_size"], shuffle=True)
        kinds = [nn.MSELoss if regression else nn.BCEWithLogitsLoss for regression in rows.regression]
        self.criteria = [kind(reduction="sum") for kind in kinds]
        self.weights = list(weights)
        self.network = network
        self.optimiser = torch.optim.Adam(
            network.parameters(), lr=training["learning_rate"], weight_decay=training["weight_decay"]
        )
        self.batches = self._forever()

    def _forever(self) -> Iterator[list[Tensor]]:
        while True:
            yield from self.loader

    def losses(self, h: Tensor, y: Tensor) -> list[Tensor]:
        """The weighted mean loss of each task over its labelled rows; 0 for a task without any.

        Args:
            h: what the backbone made of the batch (rows x width).
            y: targets, NaN where there is no label (rows x tasks).
        """
        found = []
        for task, output in enumerate(self.network.read_out(h)):
            mask = ~torch.isnan(y[:, task])
            total = self.criteria[task](output[mask], y[mask, task])
            found.append(self.weights[task] * total / mask.sum().clamp(min=1))
        return found

    def step(self, x: Tensor, y: Tensor) -> float:
        """Take one optimiser step; the sum of the weighted losses."""
        self.optimiser.zero_grad()
        loss = sum(self.losses(self.network.backbone(x), y))
        loss.backward()
        self.optimiser.step()
        return loss.item()


class TorchjdLoop(NaiveLoop):
    """The same with PCGrad (Yu et al. 2020) on the backbone, by torchjd as its documentation shows."""

    aggregator = PCGrad()

    def step(self, x: Tensor, y: Tensor) -> float:
        """Take one optimiser step; the sum of the weighted losses."""
        self.optimiser.zero_grad()
        h = self.network.backbone(x)
        losses = self.losses(h, y)
        mtl_backward(losses, features=h)
        jac_to_grad(self.network.backbone.parameters(), self.aggregator)
        self.optimiser.step()
        return sum(losses).item()


class NaiveTurn:
    """Takes some steps of a loop at each call, and goes on where the last call left off."""

    def __init__(self, loop: NaiveLoop, steps: int) -> None:
        self.loop, self.steps = loop, steps

    def __call__(self) -> float:
        """Microseconds a step."""
        # The reference engine switches this on for the whole process. A user would not have it, and it costs time.
        switched_on = torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(False)
        try:
            began = time.perf_counter()
            losses = [self.loop.step(*next(self.loop.batches)) for _ in range(self.steps)]
            seconds = time.perf_counter() - began
        finally:
            torch.use_deterministic_algorithms(switched_on)
        if not np.isfinite(losses).all():
            raise ArithmeticError("the naive loop diverged, and its time says nothing")
        return 1e6 * seconds / self.steps
