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
from alloymtl.training import checkpoint, probe
from alloymtl.training.dataset import TrainingRows
from alloymtl.training.interruption import Asked
from alloymtl.training.schedule import EarlyStopping, Plateau
from alloymtl.training.streams import dropout_keep, stream

log = logging.getLogger("alloymtl")

JOINT = "(joint)"  # no task can have this name


class Engine(Protocol):
    """What the loop asks of an engine."""

    name: str
    units: int
    n_draws: int
    grams: list[np.ndarray]
    multipliers: list[np.ndarray]

    def epoch(self, batches: Sequence[np.ndarray], keep: np.ndarray, draws: np.ndarray, number: int) -> np.ndarray:
        """Take the steps of one epoch; mean plain training loss of each task."""

    def task_gradients(self, rows: np.ndarray) -> np.ndarray:
        """Gradient of each task's loss on the shared parameters (tasks x numbers) for one large batch."""

    def losses(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Mean plain loss of each task over labelled rows, without dropout."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Outputs (rows x tasks) without dropout: standardised values, logits for a class."""

    def relations(self) -> np.ndarray | None:
        """Learned relations (tasks x tasks) where the architecture has them."""

    def backbones(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Parameters and representations of each task's backbone where tasks have one each."""

    def backbone(self) -> dict[str, np.ndarray]:
        """Parameters and running statistics of the backbone."""

    def set_learning_rate(self, rate: float) -> None:
        """Learning rate of the steps to come."""

    def learning_rate(self) -> float:
        """Learning rate of the last step."""

    def parameters(self) -> dict[str, np.ndarray]:
        """A copy of all parameters and running statistics."""

    def load_parameters(self, values: Mapping[str, np.ndarray]) -> None:
        """Take back what ``parameters`` gave."""

    def moments(self) -> dict[str, np.ndarray]:
        """A copy of all else that the next step depends on."""

    def load_moments(self, values: Mapping[str, np.ndarray]) -> None:
        """Take back what ``moments`` gave."""


class Observer(Protocol):
    """Who is told of each epoch."""

    def update(self, epoch: int, values: Mapping[str, float]) -> None:
        """Take in an epoch's number and what there is to show of it."""


@dataclass
class Fit:
    """The course of one stage's training.

    Attributes:
        history: one dict per epoch, task and partition: epoch, task, partition, loss, learning_rate.
        gradients: one dict per epoch, pair of tasks and measure (see ``training.probe``), where they are measured.
        best_epoch: for each task, the epoch whose parameters predict it.
        epochs: epochs trained.
        steps: optimiser steps taken.
        task_steps: steps whose batch held a labelled row of the task.
        spent: seconds that earlier processes trained, up to the checkpoint that this one went on from.
        trainings: how many times a network was trained for it; the numbers above are of the one that was kept.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    gradients: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: dict[str, int] = field(default_factory=dict)
    epochs: int = 0
    steps: int = 0
    task_steps: dict[str, int] = field(default_factory=dict)
    spent: float = 0.0
    trainings: int = 1


@dataclass(frozen=True)
class Plan:
    """What one stage is trained on and how.

    Attributes:
        tasks: names of the tasks, in the order of the targets' columns.
        rows: the training rows.
        validation: features and targets of the validation rows.
        coefficients: weights of the tasks' losses in the joint validation loss.
        sampler: module with ``batches``.
        sampler_options: its options.
        settings: the training settings.
        probe: settings of the gradient measurements; None where there are none.
        seed: the run's seed.
    """

    tasks: Sequence[str]
    rows: TrainingRows
    validation: tuple[np.ndarray, np.ndarray]
    coefficients: np.ndarray
    sampler: ModuleType
    sampler_options: Mapping[str, Any]
    settings: Mapping[str, Any]
    probe: Mapping[str, Any] | None
    seed: int


class Loop:
    """Trains one stage to the end.

    Args:
        engine: takes the steps.
        plan: what it is trained on and how.
    """

    def __init__(self, engine: Engine, plan: Plan) -> None:
        self.engine, self.plan = engine, plan
        self.labelled = plan.rows.labelled
        settings = plan.settings
        self.plateau = Plateau(settings["learning_rate"], settings["plateau_factor"], settings["plateau_patience"])
        goals = [*plan.tasks] if settings["checkpoint"] == "per_task" else [JOINT]
        self.stopping = {goal: EarlyStopping(settings["patience"]) for goal in goals}
        self.best: dict[str, dict[str, np.ndarray]] = {}
        self.fit = Fit(task_steps=dict.fromkeys(plan.tasks, 0))

    def run(
        self, observer: Observer, checkpoint_path: Path, key: str, checkpoint_seconds: float, asked_to_stop: Asked
    ) -> Fit:
        """Train until the patience or the epochs are used up; the end is saved too.

        The joint validation loss, which decides about the learning rate, is the sum over tasks of coefficient x mean
        loss over the task's validation rows (arXiv:2512.22740, section 3.3), or x the sum over them by all labels where
        training reduces so. With ``checkpoint: joint`` it also decides about the best epoch. With ``per_task`` each
        task keeps the parameters of the epoch in which its own validation loss is lowest, and training ends when no
        task has improved for its patience.

        Args:
            observer: told of each epoch.
            checkpoint_path: where to save and where to resume from.
            key: fingerprint that a checkpoint must carry to be resumed from.
            checkpoint_seconds: at least this long between checkpoints.
            asked_to_stop: whether the process is to end (see ``training.interruption``).

        Raises:
            UserError: training diverged, or the process was asked to stop and a checkpoint is saved.
        """
        self._resume(checkpoint_path, key)
        began = saved = time.monotonic()
        epoch = self.fit.epochs
        while epoch < self.plan.settings["max_epochs"] and not (epoch and self._should_stop(epoch)):
            epoch += 1
            joint = self._epoch(epoch)
            observer.update(epoch, {"validation loss": joint})
            if reason := asked_to_stop():
                whole = self._save(checkpoint_path, key, began)
                where = f"{'+'.join(self.plan.tasks)}, seed {self.plan.seed}"
                mend = "start again; it goes on there." if whole else "make room and start again."
                raise UserError(where, f"stopped by {reason} after epoch {epoch}.", mend)
            if time.monotonic() - saved >= checkpoint_seconds:
                self._save(checkpoint_path, key, began)
                saved = time.monotonic()
        self._save(checkpoint_path, key, began)
        self.fit.best_epoch = {task: self.stopping[self._goal(task)].best_epoch for task in self.plan.tasks}
        return self.fit

    def load_best(self, task: str) -> None:
        """Take back the parameters that predict a task."""
        self.engine.load_parameters(self.best[self._goal(task)])

    def _goal(self, task: str) -> str:
        return task if task in self.stopping else JOINT

    def _should_stop(self, epoch: int) -> bool:
        return all(stopping.should_stop(epoch) for stopping in self.stopping.values())

    def _batches(self, epoch: int) -> list[np.ndarray]:
        """The batches of an epoch: one pass of the sampler, or a fixed number of steps across passes.

        Each pass draws from a stream of its own number, so that nothing is carried from one epoch to the next.
        """
        plan, steps = self.plan, self.plan.settings["steps_per_epoch"]

        def one_pass(number: int) -> list[np.ndarray]:
            rng = stream(plan.seed, plan.tasks, "batches", number)
            return plan.sampler.batches(self.labelled, plan.settings["batch_size"], rng, plan.sampler_options)

        if steps is None:
            return one_pass(epoch)
        # Every pass of one sampler has the same number of steps.
        length = len(one_pass(1))
        first = (epoch - 1) * steps
        passes = range(first // length, (first + steps - 1) // length + 1)
        batches = [batch for number in passes for batch in one_pass(number + 1)]
        begin = first - passes[0] * length
        return batches[begin : begin + steps]

    def _epoch(self, epoch: int) -> float:
        plan, settings = self.plan, self.plan.settings
        batches = self._batches(epoch)
        sizes = [len(b) for b in batches]
        rows = sum(sizes)
        dropout_rng = stream(plan.seed, plan.tasks, "dropout", epoch)
        keep = dropout_keep(dropout_rng, rows, self.engine.units, settings["dropout"])
        draws = stream(plan.seed, plan.tasks, "balancer", epoch).random((len(batches), self.engine.n_draws))
        train_losses = self.engine.epoch(batches, keep, draws, epoch)
        rate = self.engine.learning_rate()
        validation_losses = self.engine.losses(*plan.validation)
        joint = float((self._validation_weights() * validation_losses).sum())
        if not math.isfinite(joint):
            where = f"{'+'.join(plan.tasks)}, seed {plan.seed}, epoch {epoch}"
            raise UserError(where, "the validation loss is not finite.", "lower training.learning_rate in the config.")
        for partition, losses in (("train", train_losses), ("validation", validation_losses)):
            for task, loss in zip(plan.tasks, losses, strict=True):
                line = {"epoch": epoch, "task": task, "partition": partition, "loss": float(loss)}
                self.fit.history.append({**line, "learning_rate": rate})
        if plan.probe is not None and len(plan.tasks) > 1:
            rng = stream(plan.seed, plan.tasks, "probe", epoch)
            self.fit.gradients += probe.measure(self.engine, self.labelled, plan.tasks, plan.probe, epoch, rng)
        self.fit.epochs = epoch
        self.fit.steps += len(batches)
        starts = np.cumsum([0, *sizes[:-1]])
        present = np.logical_or.reduceat(self.labelled[np.concatenate(batches)], starts).sum(axis=0)
        for task, count in zip(plan.tasks, present, strict=True):
            self.fit.task_steps[task] += int(count)
        of_goal = dict(zip(plan.tasks, validation_losses, strict=True)) | {JOINT: joint}
        for goal, stopping in self.stopping.items():
            if stopping.update(epoch, float(of_goal[goal])):
                self.best[goal] = self.engine.parameters()
        self.engine.set_learning_rate(self.plateau.update(joint))
        return joint

    def _validation_weights(self) -> np.ndarray:
        """Weight of each task's mean validation loss in the joint one."""
        if self.plan.settings["reduction"] == "task_mean":
            return self.plan.coefficients
        counts = (~np.isnan(self.plan.validation[1])).sum(0)
        return self.plan.coefficients * counts / counts.sum()

    def _save(self, path: Path, key: str, began: float) -> bool:
        """Write a checkpoint; where there is no room for one, say so and go on. Whether it was written."""
        stopping = {goal: asdict(values) for goal, values in self.stopping.items()}
        fit = {**asdict(self.fit), "spent": self.fit.spent + time.monotonic() - began}
        meta = {"fit": fit, "plateau": asdict(self.plateau), "stopping": stopping}
        states = {"now": self.engine.parameters(), "moments": self.engine.moments()}
        states |= {f"best:{goal}": values for goal, values in self.best.items()}
        arrays = {f"{state}/{name}": value for state, values in states.items() for name, value in values.items()}
        try:
            checkpoint.save(path, key, meta, arrays)
        except UserError as no_room:
            log.warning("%s", no_room)
            return False
        return True

    def _resume(self, path: Path, key: str) -> None:
        found = checkpoint.load(path, key)
        if found is None:
            return
        meta, arrays = found
        log.info("%s resumes after epoch %d", "+".join(self.plan.tasks), meta["fit"]["epochs"])
        self.fit = Fit(**meta["fit"])
        self.plateau = Plateau(**meta["plateau"])
        self.stopping = {goal: EarlyStopping(**values) for goal, values in meta["stopping"].items()}
        states: dict[str, dict[str, np.ndarray]] = {"now": {}, "moments": {}}
        for name, value in arrays.items():
            state, _, rest = name.partition("/")
            states.setdefault(state, {})[rest] = value
        self.engine.load_parameters(states.pop("now"))
        self.engine.load_moments(states.pop("moments"))
        self.engine.set_learning_rate(self.plateau.learning_rate)
        self.best = {state.removeprefix("best:"): values for state, values in states.items()}
