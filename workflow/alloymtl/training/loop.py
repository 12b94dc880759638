"""The training loop that every engine shares.

It owns epochs, validation, learning rate, early stopping, history and checkpoints; an engine owns the steps.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from alloymtl.errors import UserError
from alloymtl.training import checkpoint
from alloymtl.training.schedule import EarlyStopping, Plateau
from alloymtl.training.streams import dropout_keep, stream

log = logging.getLogger("alloymtl")


class Engine(Protocol):
    """What the loop asks of an engine."""

    name: str
    units: int

    def epoch(self, batches: Sequence[np.ndarray], keep: np.ndarray) -> np.ndarray:
        """Take the steps of one epoch; mean unweighted training loss of each task."""

    def losses(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Mean unweighted loss of each task over labelled rows, without dropout."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Outputs (rows x tasks) without dropout: standardised values, logits for a class."""

    def relations(self) -> np.ndarray | None:
        """Learned relations (tasks x tasks) where the architecture has them."""

    def set_learning_rate(self, rate: float) -> None:
        """Learning rate of the steps to come."""

    def parameters(self) -> dict[str, np.ndarray]:
        """A copy of all parameters and running statistics."""

    def load_parameters(self, values: Mapping[str, np.ndarray]) -> None:
        """Take back what ``parameters`` gave."""

    def moments(self) -> dict[str, np.ndarray]:
        """A copy of the optimiser's state."""

    def load_moments(self, values: Mapping[str, np.ndarray]) -> None:
        """Take back what ``moments`` gave."""


class Observer(Protocol):
    """Who is told of each epoch."""

    def update(self, epoch: int, values: Mapping[str, float]) -> None:
        """Take in an epoch's number and what there is to show of it."""


@dataclass
class Fit:
    """The course of one group's training.

    Attributes:
        history: one dict per epoch, task and partition: epoch, task, partition, loss, learning_rate.
        best_epoch: the epoch whose parameters are kept.
        epochs: epochs trained.
        steps: optimiser steps taken.
        task_steps: steps whose batch held a labelled row of the task.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    epochs: int = 0
    steps: int = 0
    task_steps: dict[str, int] = field(default_factory=dict)


class Loop:
    """Trains one group of tasks to the end.

    Args:
        engine: takes the steps.
        group: names of the tasks, in the order of the targets' columns.
        sampler: module with ``batches``.
        train_y: standardised training targets (rows x tasks), NaN where there is no label.
        validation: features and targets of the validation rows.
        coefficients: weights of the tasks' losses in the joint validation loss.
        settings: the training settings.
        seed: the run's seed.
    """

    def __init__(
        self,
        engine: Engine,
        group: Sequence[str],
        sampler: ModuleType,
        train_y: np.ndarray,
        validation: tuple[np.ndarray, np.ndarray],
        coefficients: np.ndarray,
        settings: Mapping[str, Any],
        seed: int,
    ) -> None:
        self.engine, self.group, self.sampler, self.seed = engine, list(group), sampler, seed
        self.labelled = ~np.isnan(train_y)
        self.validation, self.coefficients, self.settings = validation, coefficients, settings
        self.plateau = Plateau(settings["learning_rate"], settings["plateau_factor"], settings["plateau_patience"])
        self.stopping = EarlyStopping(settings["patience"])
        self.fit = Fit(task_steps=dict.fromkeys(self.group, 0))
        self.best: dict[str, np.ndarray] = {}

    def run(self, observer: Observer, checkpoint_path: Path, key: str, checkpoint_seconds: float) -> Fit:
        """Train until the patience or the epochs are used up, then take back the best epoch's parameters.

        The joint validation loss, which decides about the best epoch and the learning rate, is the sum over tasks of
        coefficient x mean loss over the task's validation rows (arXiv:2512.22740, section 3.3).

        Args:
            observer: told of each epoch.
            checkpoint_path: where to save and where to resume from.
            key: fingerprint that a checkpoint must carry to be resumed from.
            checkpoint_seconds: at least this long between checkpoints.

        Raises:
            UserError: training diverged.
        """
        self._resume(checkpoint_path, key)
        saved = time.monotonic()
        epoch = self.fit.epochs
        while epoch < self.settings["max_epochs"] and not (epoch and self.stopping.should_stop(epoch)):
            epoch += 1
            joint = self._epoch(epoch)
            observer.update(epoch, {"validation loss": joint})
            if time.monotonic() - saved >= checkpoint_seconds:
                self._save(checkpoint_path, key)
                saved = time.monotonic()
        self.engine.load_parameters(self.best)
        self.fit.best_epoch = self.stopping.best_epoch
        return self.fit

    def _epoch(self, epoch: int) -> float:
        rng = stream(self.seed, self.group, "batches", epoch)
        batches = self.sampler.batches(len(self.labelled), self.settings["batch_size"], rng)
        rows = sum(len(b) for b in batches)
        dropout_rng = stream(self.seed, self.group, "dropout", epoch)
        keep = dropout_keep(dropout_rng, rows, self.engine.units, self.settings["dropout"])
        rate = self.plateau.learning_rate
        train_losses = self.engine.epoch(batches, keep)
        validation_losses = self.engine.losses(*self.validation)
        joint = float((self.coefficients * validation_losses).sum())
        if not math.isfinite(joint):
            where = f"{'+'.join(self.group)}, seed {self.seed}, epoch {epoch}"
            raise UserError(where, "the validation loss is not finite.", "lower training.learning_rate in the config.")
        for partition, losses in (("train", train_losses), ("validation", validation_losses)):
            for task, loss in zip(self.group, losses, strict=True):
                line = {"epoch": epoch, "task": task, "partition": partition, "loss": float(loss)}
                self.fit.history.append({**line, "learning_rate": rate})
        self.fit.epochs = epoch
        self.fit.steps += len(batches)
        present = np.stack([self.labelled[b].any(axis=0) for b in batches]).sum(axis=0)
        for task, count in zip(self.group, present, strict=True):
            self.fit.task_steps[task] += int(count)
        if self.stopping.update(epoch, joint):
            self.best = self.engine.parameters()
        self.engine.set_learning_rate(self.plateau.update(joint))
        return joint

    def _save(self, path: Path, key: str) -> None:
        meta = {"fit": asdict(self.fit), "plateau": asdict(self.plateau), "stopping": asdict(self.stopping)}
        states = {"now": self.engine.parameters(), "best": self.best, "moments": self.engine.moments()}
        arrays = {f"{state}/{name}": value for state, values in states.items() for name, value in values.items()}
        checkpoint.save(path, key, meta, arrays)

    def _resume(self, path: Path, key: str) -> None:
        found = checkpoint.load(path, key)
        if found is None:
            return
        meta, arrays = found
        log.info("%s resumes after epoch %d", "+".join(self.group), meta["fit"]["epochs"])
        self.fit = Fit(**meta["fit"])
        self.plateau = Plateau(**meta["plateau"])
        self.stopping = EarlyStopping(**meta["stopping"])
        states: dict[str, dict[str, np.ndarray]] = {"now": {}, "best": {}, "moments": {}}
        for name, value in arrays.items():
            state, _, rest = name.partition("/")
            states[state][rest] = value
        self.engine.load_parameters(states["now"])
        self.engine.load_moments(states["moments"])
        self.engine.set_learning_rate(self.plateau.learning_rate)
        self.best = states["best"]
