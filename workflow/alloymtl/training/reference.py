"""The reference engine: plain PyTorch autograd. It is the definition that any faster engine is held to."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from alloymtl.methods.layers import initialise
from alloymtl.run import Part

torch.set_num_threads(1)  # one thread a job: many jobs run side by side, and results do not depend on the cores
torch.use_deterministic_algorithms(True)


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Count numbers below the smallest normal one as zero.

    Moments of units that have died sink there, where arithmetic is many times slower: without this a step of the
    structured network took three times as long at epoch 40 as at epoch 1.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class Engine:
    """Takes optimiser steps on the network of one group of tasks.

    Args:
        x: standardised training features (rows x features), float32.
        y: standardised training targets (rows x tasks), float32, NaN where there is no label.
        regression: whether each task is a regression.
        coefficients: weight of each task's loss.
        architecture: its part of the method.
        loss: its part of the method.
        training: settings of the training loop.
        rng: stream that draws the initial parameters.
    """

    name = "reference"

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        regression: Sequence[bool],
        coefficients: np.ndarray,
        architecture: Part,
        loss: Part,
        training: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> None:
        labelled = ~np.isnan(y)
        self.x = torch.from_numpy(x)
        self.y = torch.from_numpy(np.where(labelled, y, 0).astype(np.float32))
        self.labelled = torch.from_numpy(labelled.astype(np.float32))
        self.regression = torch.tensor(list(regression))
        self.coefficients = torch.from_numpy(coefficients.astype(np.float32))
        module = importlib.import_module(architecture.module)
        self.network = module.Network(x.shape[1], y.shape[1], training, architecture.options)
        initialise(self.network, rng)
        self.loss = importlib.import_module(loss.module)
        self.units = sum(training["hidden"])
        self.optimiser = torch.optim.Adam(
            self.network.parameters(),
            lr=training["learning_rate"],
            weight_decay=training["weight_decay"],
            fused=True,
        )

    def elementwise(self, output: Tensor, y: Tensor) -> Tensor:
        """Loss of each entry (rows x tasks).

        The method's own loss for a regression task, cross-entropy of the logit for a class.
        """
        if self.regression.all():
            return self.loss.elementwise(output, y)
        cross_entropy = functional.binary_cross_entropy_with_logits(output, y.clamp(0, 1), reduction="none")
        if not self.regression.any():
            return cross_entropy
        return torch.where(self.regression, self.loss.elementwise(output, y), cross_entropy)

    @denormals_as_zero()
    def epoch(self, batches: Sequence[np.ndarray], keep: np.ndarray) -> np.ndarray:
        """One pass over the batches.

        The loss of a step is the sum over tasks of coefficient x mean over the batch's rows labelled for the task
        (arXiv:2512.22740, equations 3 and 7). A task that is absent from the batch adds nothing: its head has a
        gradient of zero, on which Adam's momentum and weight decay still act, as they do under a masked loss.

        Args:
            batches: row numbers of each step.
            keep: dropout decisions (rows of all batches x units), in the order of the batches.

        Returns:
            Mean unweighted loss of each task over the labelled rows seen.
        """
        self.network.train()
        order = torch.from_numpy(np.concatenate(batches))
        x, y, labelled = self.x[order], self.y[order], self.labelled[order]
        kept = torch.from_numpy(keep)
        sums = torch.zeros(y.shape[1])
        start = 0
        for batch in batches:
            rows = slice(start, start + len(batch))
            start += len(batch)
            output = self.network(x[rows], kept[rows].to(torch.float32))
            task_sums = (self.elementwise(output, y[rows]) * labelled[rows]).sum(0)
            losses = task_sums / labelled[rows].sum(0).clamp(min=1)
            total = (self.coefficients * losses).sum()
            penalty = self.network.penalty()
            if penalty is not None:
                total = total + penalty
            self.optimiser.zero_grad(set_to_none=True)
            total.backward()
            self.optimiser.step()
            sums += task_sums.detach()
        return (sums / labelled.sum(0)).double().numpy()

    @torch.no_grad()
    def predict(self, x: np.ndarray) -> np.ndarray:
        """Outputs (rows x tasks) without dropout: standardised values, logits for a class."""
        self.network.eval()
        return self.network(torch.from_numpy(x), None).numpy()

    @torch.no_grad()
    def losses(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Mean unweighted loss of each task over its labelled rows, without dropout."""
        labelled = ~np.isnan(y)
        output = torch.from_numpy(self.predict(x)).double()
        target = torch.from_numpy(np.where(labelled, y, 0)).double()
        each = self.elementwise(output, target).numpy()
        return (each * labelled).sum(0) / labelled.sum(0)

    def relations(self) -> np.ndarray | None:
        """Learned relations (tasks x tasks) where the architecture has them."""
        learned = getattr(self.network, "relations", None)
        return None if learned is None else learned().double().numpy()

    def set_learning_rate(self, rate: float) -> None:
        """Learning rate of the steps to come."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def parameters(self) -> dict[str, np.ndarray]:
        """A copy of all parameters and running statistics."""
        return {name: value.numpy().copy() for name, value in self.network.state_dict().items()}

    def load_parameters(self, values: Mapping[str, np.ndarray]) -> None:
        """Take back what ``parameters`` gave."""
        self.network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in values.items()})

    def moments(self) -> dict[str, np.ndarray]:
        """A copy of Adam's state."""
        state = self.optimiser.state_dict()["state"]
        return {f"{i}.{key}": value.numpy().copy() for i, part in state.items() for key, value in part.items()}

    def load_moments(self, values: Mapping[str, np.ndarray]) -> None:
        """Take back what ``moments`` gave."""
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in values.items():
            index, key = name.split(".")
            state.setdefault(int(index), {})[key] = torch.from_numpy(np.array(value))
        whole = self.optimiser.state_dict()
        self.optimiser.load_state_dict({"state": state, "param_groups": whole["param_groups"]})
