"""The compiled engine: the reference engine's steps written out and compiled, an epoch in one call.

It computes what the reference engine computes, in the same order of batches and with the same dropout decisions. The
kernels hold one arithmetic for every architecture, loss and balancer.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401 - the kernels' matrix products; loaded before its threads are counted
from threadpoolctl import threadpool_limits

from alloymtl.methods.losses._balanced import SMALLEST_SIGMA
from alloymtl.run import Part
from alloymtl.training.compiled import evaluation
from alloymtl.training.compiled.jit import BALANCE, entry, exact
from alloymtl.training.compiled.kernels import epoch as kernels
from alloymtl.training.compiled.kernels import losses
from alloymtl.training.compiled.kernels.graph import graph_forward, graph_room
from alloymtl.training.compiled.kernels.tasks import Calibration, Dropout, Rows
from alloymtl.training.compiled.layout import plan, without_backbone
from alloymtl.training.dataset import TrainingRows

threadpool_limits(1)  # one thread a job: many jobs run side by side, and results do not depend on the cores

LOSSES = {"squared": losses.squared, "contrast": losses.contrast, "mixture": losses.mixture}
"""The loss of each form."""
_ASKS = {
    None: kernels.NO_GRADIENTS,
    "none": kernels.NO_BUT_LOSSES,
    "last": kernels.LAST_SHARED,
    "shared": kernels.ALL_SHARED,
}
_STEPS = {"adam": kernels.PLAIN, "automatic": kernels.AUTOMATIC, "flat": kernels.FLAT}
_BLOCK = 1 << 12  # rows evaluated at a time


@cache
def compiled_balancer(module: str) -> Callable:
    """A balancer's ``balance`` as machine code."""
    return exact(BALANCE)(importlib.import_module(module).balance)


def aligned(values: np.ndarray) -> np.ndarray:
    """A copy that begins at a line of the processor's cache (64 bytes), so that no load straddles two."""
    room = np.empty(values.nbytes + 64, np.uint8)
    copy = room[-room.ctypes.data % 64 :][: values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


class Engine:
    """Takes optimiser steps on the network of one stage.

    Args:
        rows: the training rows.
        coefficients: static weight of each task's loss.
        parts: the parts of the method by kind.
        training: settings of the training loop.
        rng: stream that draws the initial parameters.
        start: parameters of a backbone to start from, as ``backbone`` gave them; None: as drawn.
        frozen: whether the backbone stays as it starts.
        measure_every: keep the Gram matrix of the tasks' gradients of every so many-th step; 0: of none.
        real: precision of the network.

    Attributes:
        units: dropout decisions that a row needs.
        n_draws: uniform random numbers that the balancer needs for a step.
        grams: of the steps measured in the last epoch, inner products of the tasks' gradients on the shared parameters
            (tasks x tasks), NaN for a task that was absent.
        views: parameters and running statistics by name, as the steps change them.
    """

    name = "compiled"

    def __init__(
        self,
        rows: TrainingRows,
        coefficients: np.ndarray,
        parts: Mapping[str, Part],
        training: Mapping[str, Any],
        rng: np.random.Generator,
        start: Mapping[str, np.ndarray] | None = None,
        frozen: bool = False,
        measure_every: int = 0,
        real: type = np.float32,
    ) -> None:
        modules = {kind: importlib.import_module(part.module) for kind, part in parts.items()}
        self.training, self.options = training, parts["architecture"].options
        self.regression = np.asarray(rows.regression)
        self.coefficients = np.asarray(coefficients, np.float64)
        self.form = parts["architecture"].form
        self.x = np.ascontiguousarray(rows.x, real)
        n_tasks = len(self.regression)
        self.layout, self.net = plan(self.form, self.x.shape[1], n_tasks, training, self.options)
        self.units = self.net.n_backbones * int(self.net.width[1:].sum())
        self.w, self.statistics = (aligned(values.astype(real)) for values in self.layout.initial(rng))
        self.views = self.layout.views(self.w, self.statistics)
        self._set_start(start, frozen)
        self._set_rows(rows, modules["loss"], parts["loss"])
        self._set_smoothing(rows, modules["smoothing"], parts["smoothing"].options)
        self._set_balancer(n_tasks, modules["balancer"], parts["balancer"])
        if frozen and (self.asks is not None or measure_every):
            raise ValueError("a frozen backbone has no shared gradients to weigh or to measure")
        self._set_steps(measure_every, parts["loss"].options, parts["optimiser"])
        self.grams: list[np.ndarray] = []
        self.multipliers: list[np.ndarray] = []

    def _set_start(self, start: Mapping[str, np.ndarray] | None, frozen: bool) -> None:
        """The backbone's parameters, where they are not as drawn, and what there is to train."""
        if start is not None:
            for name, value in start.items():
                self.views[f"backbone.{name}"][...] = value
        self.frozen = frozen
        self.trained, self.first, self.inputs = self.net, 0, self.x
        if frozen:
            if start is None:
                evaluation.calibrate(self.views, len(self.net.width) - 1, self.x)
            # A fixed map need not be computed again in each step: the heads are trained on what it gives.
            self.inputs = evaluation.represent(self.views, self.net, 0, self.x)
            self.trained, self.first = without_backbone(self.layout, self.net)

    def _set_rows(self, rows: TrainingRows, loss: Any, part: Part) -> None:
        """The training rows as the kernels see them, the loss of the regression tasks, and its sigma."""
        columns = np.flatnonzero(self.regression)
        weights = rows.labelled.astype(np.float64)
        mixtures = np.zeros((max(len(columns), 1), 3, 0))
        if len(columns):
            weights[:, columns] = loss.row_weights(rows.x, rows.y[:, columns], part.options)
            if part.form == "mixture":
                mixtures = loss.mixtures(rows.y[:, columns], part.options).transpose(1, 0, 2)
        noise = np.full(len(self.regression), -1)
        noise[columns] = np.arange(len(columns))
        self.rows = Rows(
            self.inputs,
            np.ascontiguousarray(np.where(rows.labelled, rows.y, 0), np.float64),
            np.ascontiguousarray(rows.labelled),
            np.ascontiguousarray(weights),
            noise,
            np.ascontiguousarray(mixtures),
        )
        self.loss = LOSSES[part.form]
        self.learns_noise = "sigma" in part.options and part.form != "squared"
        self.sigma = np.full(max(len(columns), 1), float(part.options["sigma"] if self.learns_noise else 1.0))

    def _set_smoothing(self, rows: TrainingRows, module: Any, options: Mapping[str, Any]) -> None:
        """Smoothing of the representation by label, where the method has one."""
        self.smoothing = None
        n_tasks, width = len(self.regression), int(self.net.width[-1])
        self.uncalibrated = Calibration(
            False, np.zeros((n_tasks, 0), np.int64), *np.zeros((3, n_tasks, 0, width), self.w.dtype)
        )
        if module.Smoothing is not None:
            y = np.where(self.regression, rows.y, np.nan).astype(np.float32)
            self.smoothing = module.Smoothing(y, width, options)

    def _set_balancer(self, n_tasks: int, module: Any, part: Part) -> None:
        """The rule that weighs gradients step by step, where the method has one."""
        self.balancer, self.asks = module, getattr(module, "GRADIENTS", None)
        self.n_draws, self.balance = 0, kernels.unweighed
        self.balancing, self.balancer_state = np.zeros(0), np.zeros(0)
        if self.asks is not None:
            self.balance, self.balancing = compiled_balancer(part.module), module.settings(part.options)
            self.balancer_state, self.n_draws = module.initial_state(n_tasks, part.options), module.n_draws(n_tasks)

    def _set_steps(self, measure_every: int, loss_options: Mapping[str, Any], optimiser: Part) -> None:
        """Settings and state of the optimiser."""
        options, of_steps = self.options, optimiser.options
        self.scheduled = optimiser.form != "automatic"
        self.settings = kernels.Settings(
            decay=float(self.training["weight_decay"]),
            sigma_rate=float(loss_options["sigma_rate"]) if self.learns_noise else 0.0,
            smallest_sigma=SMALLEST_SIGMA if self.learns_noise else 0.0,
            alpha=float(options.get("alpha", 0.0)),
            sparse=float(options.get("lambda_sparse", 0.0)),
            self_=float(options.get("lambda_self", 0.0)),
            coupling=float(options.get("coupling", 0.0)),
            label_mean=self.training["reduction"] == "label_mean",
            asks=_ASKS[self.asks],
            measure_every=int(measure_every),
            steps=_STEPS[optimiser.form],
            every=max(int(of_steps.get("every", 1)), 1),
            memory=float(of_steps.get("memory", 0.0)),
            radius_shared=float(of_steps.get("radius_shared", 0.0)),
            radius_own=float(of_steps.get("radius_own", 0.0)),
        )
        w = self.w[self.first :]
        self.state = kernels.State(
            w=w,
            g=aligned(np.zeros_like(w)),
            m=aligned(np.zeros_like(w)),
            v=aligned(np.zeros_like(w)),
            statistics=self.statistics,
            sigma=self.sigma,
            sigma_g=np.zeros_like(self.sigma),
            sigma_m=np.zeros_like(self.sigma),
            sigma_v=np.zeros_like(self.sigma),
            balancer=self.balancer_state,
            second=self.balancer_state.copy(),
            rate=np.array([float(self.training["learning_rate"])]),
            steps=np.zeros(1, np.int64),
        )

    def epoch(self, batches: Sequence[np.ndarray], keep: np.ndarray, draws: np.ndarray, number: int) -> np.ndarray:
        """Take the steps of one epoch; as the reference engine's, which says what a step is.

        Args:
            batches: row numbers of each step.
            keep: dropout decisions (rows of all batches x units), in the order of the batches.
            draws: random numbers for the balancer (steps x n_draws).
            number: number of the epoch, from 1.

        Returns:
            Mean plain loss of each task over the labelled rows seen.

        Raises:
            ValueError: a batch of a single row.
        """
        if min(map(len, batches)) < 2:
            raise ValueError("batch normalisation needs at least two rows in a batch")
        order = np.concatenate(batches)
        starts = np.concatenate([[0], np.cumsum([len(batch) for batch in batches])])
        n_tasks, every = len(self.regression), self.settings.measure_every
        measured = -(-len(batches) // every) + 1 if every else 1
        grams, multipliers = np.full((measured, n_tasks, n_tasks), np.nan), np.ones((measured, n_tasks))
        late = self.frozen or self.smoothing is not None
        n_layers = len(self.trained.width) - 1
        dropout = Dropout(
            np.ascontiguousarray(keep, np.uint8),
            1.0 / (1.0 - self.training["dropout"]),
            max(n_layers - 1, 0) if late else n_layers,
            late,
        )
        arguments = (
            self.trained, self.rows, order, starts, draws, self._calibration(number - 1), dropout, self.coefficients,
            self.loss, self.balance, self.balancing, self.settings, self.state, grams, multipliers,
        )  # fmt: skip
        sums, measured = entry(kernels.train, *arguments)(*arguments)
        self.grams, self.multipliers = list(grams[:measured]), list(multipliers[:measured])
        if self.smoothing is not None:
            self.smoothing.end_of_epoch(evaluation.represent(self.views, self.net, 0, self.x), number - 1)
        means = sums / self.rows.labelled[order].sum(0)
        if hasattr(self.balancer, "end_of_epoch"):
            self.balancer.end_of_epoch(means, self.state.balancer, self.balancing)
        return means

    def _calibration(self, epoch: int) -> Calibration:
        """Smoothing of features in an epoch, counted from 0."""
        tables = None if self.smoothing is None else self.smoothing.calibration(epoch)
        if tables is None:
            return self.uncalibrated
        return Calibration(True, self.smoothing.bins, *(np.ascontiguousarray(t, self.w.dtype) for t in tables))

    def task_gradients(self, rows: np.ndarray) -> np.ndarray:
        """Gradient of each task's loss on the shared parameters (tasks x numbers), float64, for one large batch.

        Batch normalisation uses the statistics of these rows, as it does in training, no unit is dropped, and nothing
        of the network changes.
        """
        n_tasks = len(self.regression)
        shared = [name for name in self.layout.parameters if name.startswith(("backbone.", "graph."))]
        if self.frozen or not shared:
            return np.zeros((n_tasks, 0))
        undropped = Dropout(np.zeros((0, self.units), np.uint8), 1.0, 0, False)
        arguments = (
            self.trained, self.rows, rows, self.uncalibrated, undropped, np.ones(n_tasks), self.loss, self.settings,
            self.state,
        )  # fmt: skip
        found = entry(kernels.task_gradients, *arguments)(*arguments).astype(np.float64)
        places = [self.layout.starts[name] + np.arange(self.views[name].size) for name in shared]
        return found[:, np.concatenate(places)]

    def _messages(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Relations and messages of the task graph, where there is one."""
        if not self.net.embedding:
            return None, None
        graph = graph_room(self.net, self.w)
        graph_forward(self.net, self.w, graph)
        return graph.relations, graph.messages

    def _outputs(self, x: np.ndarray, asked: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Task, rows and outputs for the rows that are asked for (rows x tasks), some rows at a time."""
        _, messages = self._messages()
        for start in range(0, len(x), _BLOCK):
            block = np.ascontiguousarray(x[start : start + _BLOCK], self.w.dtype)
            h = None
            for task in range(asked.shape[1]):
                rows = np.flatnonzero(asked[start : start + _BLOCK, task])
                if not len(rows):
                    continue
                if self.net.n_backbones > 1:
                    of_task = evaluation.represent(self.views, self.net, task, block[rows])
                else:
                    h = evaluation.represent(self.views, self.net, 0, block) if h is None else h
                    of_task = h[rows]
                output = evaluation.output(self.views, task, of_task, self.settings.alpha, messages)
                yield task, start + rows, output

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Outputs (rows x tasks) without dropout: standardised values, logits for a class."""
        found = np.empty((len(x), len(self.regression)), self.w.dtype)
        for task, rows, output in self._outputs(x, np.ones(found.shape, bool)):
            found[rows, task] = output
        return found

    def losses(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Mean plain loss of each task over its labelled rows, without dropout."""
        labelled = ~np.isnan(y)
        sums = np.zeros(y.shape[1])
        for task, rows, output in self._outputs(x, labelled):
            z, target = output.astype(np.float64), y[rows, task].astype(np.float64)
            if self.regression[task]:
                sums[task] += np.square(z - target).sum()
            else:
                sums[task] += (np.maximum(z, 0) - z * target + np.log1p(np.exp(-np.abs(z)))).sum()
        return sums / labelled.sum(0)

    def relations(self) -> np.ndarray | None:
        """Learned relations (tasks x tasks) where the architecture has them."""
        relations, _ = self._messages()
        return None if relations is None else relations.astype(np.float64)

    def backbones(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Where each task has a backbone of its own: their weights (tasks x weights) and what they make of ``x``.

        The representations have the shape (tasks x rows x width). None where tasks share one backbone or none.
        """
        if self.form != "soft":
            return None
        n_tasks, x = self.net.n_backbones, np.ascontiguousarray(x, self.w.dtype)
        weights = [v.reshape(n_tasks, -1) for name, v in self.views.items() if name.startswith("backbones.weight.")]
        h = np.stack([evaluation.represent(self.views, self.net, k, x) for k in range(n_tasks)])
        return np.concatenate(weights, axis=1).astype(np.float64), h.astype(np.float64)

    def backbone(self) -> dict[str, np.ndarray]:
        """Parameters and running statistics of the backbone, for another stage to start from."""
        prefix = "backbone."
        return {n.removeprefix(prefix): v.copy() for n, v in self.views.items() if n.startswith(prefix)}

    def set_learning_rate(self, rate: float) -> None:
        """Learning rate of the steps to come, where it is not the optimiser's own; a loss's parameters keep theirs."""
        if self.scheduled:
            self.state.rate[0] = rate

    def learning_rate(self) -> float:
        """Learning rate of the last step."""
        return float(self.state.rate[0])

    def parameters(self) -> dict[str, np.ndarray]:
        """A copy of all parameters and running statistics of the network."""
        return {name: value.copy() for name, value in self.views.items()}

    def load_parameters(self, values: Mapping[str, np.ndarray]) -> None:
        """Take back what ``parameters`` gave."""
        for name, view in self.views.items():
            view[...] = values[name]
        if self.frozen:
            self.inputs[...] = evaluation.represent(self.views, self.net, 0, self.x)

    def _moments(self) -> dict[str, np.ndarray]:
        """Arrays that steps change, beside the parameters, by name."""
        names = ("m", "v", "steps", "sigma", "sigma_m", "sigma_v", "balancer", "second", "rate")
        return {name: getattr(self.state, name) for name in names}

    def moments(self) -> dict[str, np.ndarray]:
        """A copy of all else that the next step depends on: of Adam, the loss, the smoothing and the balancer."""
        smoothing = {} if self.smoothing is None else self.smoothing.state()
        return {
            **{name: value.copy() for name, value in self._moments().items()},
            **{f"smoothing.{name}": value for name, value in smoothing.items()},
        }

    def load_moments(self, values: Mapping[str, np.ndarray]) -> None:
        """Take back what ``moments`` gave."""
        for name, array in self._moments().items():
            array[...] = values[name]
        if self.smoothing is not None:
            prefix = "smoothing."
            own = {name.removeprefix(prefix): v for name, v in values.items() if name.startswith(prefix)}
            self.smoothing.load_state(own)
