"""Adam as it comes."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from alloymtl.training.reference.optimisers._common import Base, Forward


class Optimiser(Base):
    """One gradient, one step of the learning rate of the schedule."""

    def step(self, forward: Forward, labelled: Tensor, draws: np.ndarray, measured: bool) -> Tensor:
        """Take one step; the outputs (rows x tasks) that it began with (see ``Base.step``)."""
        output, weighted = forward()
        self.engine.backward(weighted, labelled, draws, measured)
        self.engine.optimiser.step()
        return output.detach()
