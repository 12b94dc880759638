"""Adam with the step size of ``methods.optimisers.automatic``, which says what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from alloymtl.methods.optimisers.automatic import step_size
from alloymtl.training.reference.optimisers._common import Base, Forward, unchanged

if TYPE_CHECKING:
    from alloymtl.training.reference.engine import Engine


class Optimiser(Base):
    """Every so often a parabola along Adam's step tells how long it should be."""

    scheduled = False

    def __init__(self, engine: Engine, options: Mapping[str, Any]) -> None:
        super().__init__(engine, options)
        self.taken = 0
        self.passes: list[Forward] = []

    def begin_epoch(self, number: int, passes: Sequence[tuple[Forward, Tensor]]) -> None:
        """Keep the passes, which of each step's next batch are asked for (see ``Base.begin_epoch``)."""
        following = [forward for forward, _ in (*passes[1:], passes[0])]
        self.passes = following[::-1]

    def step(self, forward: Forward, labelled: Tensor, draws: np.ndarray, measured: bool) -> Tensor:
        """Take one step; the outputs (rows x tasks) that it began with (see ``Base.step``)."""
        output, weighted = forward()
        self.engine.backward(weighted, labelled, draws, measured)
        following = self.passes.pop()
        if self.taken % max(self.options["every"], 1) == 0:
            group = self.engine.optimiser.param_groups[0]
            group["lr"] = step_size(group["lr"], *self._along(following), self.options["memory"])
        self.engine.optimiser.step()
        self.taken += 1
        return output.detach()

    @torch.no_grad()
    def _along(self, forward: Forward) -> tuple[float, float, float]:
        """The weighted sum of the losses of a pass here, one step of Adam ahead, and as far behind."""
        engine = self.engine
        with unchanged(engine.network), unchanged(engine.loss), self._forgotten():
            flat = engine.learned[0]
            start = flat.detach().clone()
            here = float(forward()[1].double().sum())
            own = [parameter.detach().clone() for parameter in engine.learned[1:]]
            engine.optimiser.step()
            for parameter, value in zip(engine.learned[1:], own, strict=True):
                parameter.copy_(value)
            ahead = float(forward()[1].double().sum())
            flat.copy_(2 * start - flat)
            behind = float(forward()[1].double().sum())
        return here, ahead, behind

    def _forgotten(self) -> Any:
        """Leave Adam's moments as they were."""
        return _Kept(self.engine.optimiser)

    def state(self) -> dict[str, np.ndarray]:
        """Step size and number of steps."""
        rate = self.engine.optimiser.param_groups[0]["lr"]
        return {"rate": np.array(rate), "taken": np.array(self.taken)}

    def load_state(self, values: Mapping[str, np.ndarray]) -> None:
        """Take back what ``state`` gave."""
        self.engine.optimiser.param_groups[0]["lr"] = float(values["rate"])
        self.taken = int(values["taken"])


class _Kept:
    """Puts the moments of an optimiser back."""

    def __init__(self, optimiser: torch.optim.Optimizer) -> None:
        self.optimiser = optimiser

    def __enter__(self) -> None:
        state = self.optimiser.state
        self.kept = {p: {name: value.clone() for name, value in of.items()} for p, of in state.items()}

    def __exit__(self, *fault: object) -> None:
        for parameter, of in self.optimiser.state.items():
            for name, value in of.items():
                value.copy_(self.kept.get(parameter, {}).get(name, torch.zeros_like(value)))
