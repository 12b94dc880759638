"""What optimisers have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from alloymtl.training.reference.engine import Engine

Forward = Callable[[], tuple[Tensor, Tensor]]
"""A pass of the step's batch through the network as it is: outputs (rows x tasks), coefficient x loss of each task."""


class Base:
    """Takes the steps of an engine.

    Args:
        engine: it has ``optimiser``, torch's Adam.
        options: of the part.

    Attributes:
        scheduled: whether the learning rate follows the schedule of the training loop.
    """

    scheduled = True

    def __init__(self, engine: Engine, options: Mapping[str, Any]) -> None:
        self.engine, self.options = engine, options

    def begin_epoch(self, number: int, passes: Sequence[tuple[Forward, Tensor]]) -> None:
        """Do what there is to do before the steps of an epoch.

        Args:
            number: of the epoch, from 1.
            passes: of each of its batches, a pass and where there is a label (rows x tasks).
        """

    def step(self, forward: Forward, labelled: Tensor, draws: np.ndarray, measured: bool) -> Tensor:
        """Take one step; the outputs (rows x tasks) that it began with.

        Args:
            forward: a pass of the batch.
            labelled: 1 where there is a label (rows x tasks).
            draws: random numbers for the balancer.
            measured: whether to keep the Gram matrix of the tasks' gradients.
        """
        raise NotImplementedError

    def state(self) -> dict[str, np.ndarray]:
        """A copy of what the next step depends on, beside Adam's moments."""
        return {}

    def load_state(self, values: Mapping[str, np.ndarray]) -> None:
        """Take back what ``state`` gave."""


@contextmanager
def unchanged(network: nn.Module) -> Iterator[None]:
    """Leave the parameters and running statistics of a network as they were, whatever is tried in between."""
    kept = [(tensor, tensor.detach().clone()) for tensor in (*network.parameters(), *network.buffers())]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in kept:
                tensor.copy_(value)
