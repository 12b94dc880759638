"""Turns of an engine: a slice of an epoch, with all that the training loop does for its steps."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence

import numpy as np

from alloymtl.run import Run, engine_module
from alloymtl.training.dataset import Dataset
from alloymtl.training.streams import dropout_keep, stream


class EngineTurn:
    """Takes the first steps of the next epoch at each call.

    Args:
        run: which method, by which engine.
        data: the rows.
        columns: the tasks that are trained together.
        steps: how many steps a turn has; None: a whole epoch.
        measure_every: keep the Gram matrix of the tasks' gradients of every so many-th step; 0: of none.

    Attributes:
        engine: the engine.
    """

    def __init__(
        self, run: Run, data: Dataset, columns: Sequence[int], steps: int | None, measure_every: int = 0
    ) -> None:
        modules = {kind: importlib.import_module(part.module) for kind, part in run.parts.items()}
        rows = data.training_rows(columns)
        self.run, self.steps = run, steps
        self.tasks = [run.tasks[column].name for column in columns]
        self.labelled = rows.labelled
        self.sampler = modules["sampler"]
        self.engine = importlib.import_module(engine_module(run.training)).Engine(
            rows=rows,
            coefficients=modules["balancer"].coefficients(data.sizes()[list(columns)], run.parts["balancer"].options),
            parts=run.parts,
            training=run.training,
            rng=stream(run.seed, self.tasks, "initialisation"),
            measure_every=measure_every,
        )
        self.number = 0

    def batches(self, number: int) -> list[np.ndarray]:
        """Row numbers of each step of an epoch."""
        rng = stream(self.run.seed, self.tasks, "batches", number)
        size, options = self.run.training["batch_size"], self.run.parts["sampler"].options
        return self.sampler.batches(self.labelled, size, rng, options)

    def __call__(self) -> float:
        """Microseconds a step; the drawing of batches, which is for a whole epoch, counts by the slice's share."""
        self.number += 1
        began = time.perf_counter()
        batches = self.batches(self.number)
        drawn = time.perf_counter() - began
        taken = batches[: self.steps]
        began = time.perf_counter()
        self._take(taken)
        seconds = time.perf_counter() - began + drawn * len(taken) / len(batches)
        return 1e6 * seconds / len(taken)

    def _take(self, batches: Sequence[np.ndarray]) -> None:
        run, tasks, number = self.run, self.tasks, self.number
        dropout_rng = stream(run.seed, tasks, "dropout", number)
        keep = dropout_keep(dropout_rng, sum(len(b) for b in batches), self.engine.units, run.training["dropout"])
        draws = stream(run.seed, tasks, "balancer", number).random((len(batches), self.engine.n_draws))
        with np.errstate(invalid="ignore"):  # a short slice may hold no row of some task
            losses = self.engine.epoch(batches, keep, draws, number)
        if np.isinf(losses).any():
            raise ArithmeticError(f"{run.method} diverged, and its time says nothing")
