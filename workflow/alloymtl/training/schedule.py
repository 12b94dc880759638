"""When to lower the learning rate and when to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Plateau:
    """Lower the learning rate when the loss has not fallen for more than ``patience`` epochs.

    Same rule as torch's ReduceLROnPlateau in its default mode: an epoch counts as better if its loss is below the best
    one times (1 - 1e-4).
    """

    learning_rate: float
    factor: float
    patience: int
    best: float = math.inf
    waited: int = 0

    def update(self, loss: float) -> float:
        """Take in an epoch's loss; returns the learning rate for the next epoch."""
        if loss < self.best * (1 - 1e-4):
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        if self.waited > self.patience:
            self.learning_rate *= self.factor
            self.waited = 0
        return self.learning_rate


@dataclass
class EarlyStopping:
    """Remember the epoch with the lowest validation loss; stop after ``patience`` epochs without a lower one."""

    patience: int
    best: float = math.inf
    best_epoch: int = 0

    def update(self, epoch: int, loss: float) -> bool:
        """Take in an epoch's loss; returns whether it is the lowest so far."""
        if loss < self.best:
            self.best, self.best_epoch = loss, epoch
            return True
        return False

    def should_stop(self, epoch: int) -> bool:
        """Whether the patience is used up."""
        return epoch - self.best_epoch >= self.patience
