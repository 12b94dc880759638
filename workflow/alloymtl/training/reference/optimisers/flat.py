"""The steps of ``methods.optimisers.flat``, which says what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from alloymtl.training.reference.optimisers._common import Base, Forward, unchanged

if TYPE_CHECKING:
    from alloymtl.training.reference.engine import Engine


class Optimiser(Base):
    """Two passes for each task: one where the network is, one where the task's loss is sharpest nearby."""

    def __init__(self, engine: Engine, options: Mapping[str, Any]) -> None:
        super().__init__(engine, options)
        self.second = engine.state.copy()

    def step(self, forward: Forward, labelled: Tensor, draws: np.ndarray, measured: bool) -> Tensor:
        """Take one step; the outputs (rows x tasks) that it began with (see ``Base.step``)."""
        engine = self.engine
        shared, own, noise = self._parameters()
        present = labelled.any(0).cpu()
        output, weighted = forward()
        gradients, of_own, of_noise = (engine.gradients(weighted, present, p) for p in (shared, own, noise))
        # Now, since a network may keep what its penalty is made of from its last pass.
        penalty = engine.network.penalty()
        one = torch.ones(1, dtype=torch.bool)
        of_penalty = 0.0 if penalty is None else engine.gradients(penalty[None], one, shared)[0]
        sharp, sharp_own = torch.zeros_like(gradients), torch.zeros_like(of_own)
        for task in np.flatnonzero(present.numpy()):
            with unchanged(engine.network):
                climb(shared, gradients[task], self.options["radius_shared"])
                climb(own, of_own[task], self.options["radius_own"])
                losses = forward()[1]
                alone = torch.zeros_like(present)
                alone[task] = True
                found = engine.gradients(losses, alone, [*shared, *own])[task]
            sharp[task], sharp_own[task] = found[: gradients.shape[1]], found[gradients.shape[1] :]
        multipliers = engine.weigh(weighted, gradients, present, draws, engine.state)
        of_flat = engine.weigh(weighted, sharp - gradients, present, draws, self.second)
        if measured and present.sum() > 1:
            engine.keep(gradients, present, multipliers)
        m, flat = (torch.from_numpy(values).to(weighted) for values in (multipliers, of_flat))
        engine.clear()
        put(shared, m[0] @ gradients + flat[0] @ (sharp - gradients) + of_penalty)
        put(own, m[1] @ sharp_own)
        put(noise, m[1] @ of_noise)
        engine.optimiser.step()
        return output.detach()

    def _parameters(self) -> tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]]:
        """Those that tasks share, those that a task has to itself, and those of the losses."""
        shared = self.engine.network.shared_parameters()
        of_loss = [*self.engine.loss.parameters()]
        apart = {id(p) for p in of_loss}
        return shared, [p for p in self.engine.specific if id(p) not in apart], of_loss

    def state(self) -> dict[str, np.ndarray]:
        """The balancer's state for the second sum."""
        return {"second": self.second.copy()}

    def load_state(self, values: Mapping[str, np.ndarray]) -> None:
        """Take back what ``state`` gave."""
        self.second = values["second"]


@torch.no_grad()
def climb(parameters: Sequence[nn.Parameter], gradient: Tensor, radius: float) -> None:
    """Move parameters up a gradient (numbers,) by a length; not at all where it is zero."""
    norm = gradient.norm()
    if norm > 0:
        start = 0
        for parameter in parameters:
            part = gradient[start : start + parameter.numel()]
            parameter += (radius / norm) * part.view_as(parameter)
            start += parameter.numel()


def put(parameters: Sequence[nn.Parameter], gradient: Tensor) -> None:
    """Set the gradients of parameters from one vector (numbers,)."""
    start = 0
    for parameter in parameters:
        parameter.grad.copy_(gradient[start : start + parameter.numel()].view_as(parameter))
        start += parameter.numel()
