"""The reference engine: plain PyTorch autograd. It is the definition that any faster engine is held to."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from alloymtl.run import Part, reference_module
from alloymtl.training.dataset import TrainingRows
from alloymtl.training.reference.device import device_of
from alloymtl.training.reference.networks.layers import initialise

torch.set_num_threads(1)  # one thread a job: many jobs run side by side, and results do not depend on the cores
torch.use_deterministic_algorithms(True)
torch.utils.deterministic.fill_uninitialized_memory = False  # it would fill every new tensor first; none is read unset


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


def plain_loss(output: Tensor, y: Tensor, regression: Tensor) -> Tensor:
    """Squared error of each entry of a regression task, cross-entropy of the logit of each entry of a class.

    This is what validation, early stopping and the history speak of, whatever loss a method trains with.

    Args:
        output: (rows x tasks).
        y: targets, 0 where there is no label (rows x tasks).
        regression: (tasks,) bool.
    """
    squared = (output - y).square()
    if regression.all():
        return squared
    cross_entropy = functional.binary_cross_entropy_with_logits(output, y.clamp(0, 1), reduction="none")
    return torch.where(regression, squared, cross_entropy)


def moved(h: Tensor, bins: Tensor, tables: Sequence[Tensor] | None) -> Tensor:
    """Features for each task's head, (tasks x batch x width), moved as ``Smoothing.calibration`` says.

    Args:
        h: representation (batch x width), or one for each task (tasks x batch x width).
        bins: bin of each row for each task, (tasks x batch), -1 where it has none.
        tables: ``own``, ``factor`` and ``smoothed``, each (tasks x bins x width); None: nothing is moved.
    """
    h = h.expand(len(bins), *h.shape[-2:])
    if tables is None:
        return h
    task = torch.arange(len(bins), device=bins.device)[:, None]
    own, factor, smoothed = (table[task, bins.clamp(min=0)] for table in tables)
    return torch.where((bins >= 0)[..., None], (h - own) * factor + smoothed, h)


def side_by_side(parameters: Sequence[nn.Parameter]) -> nn.Parameter:
    """One vector that holds some parameters: they become views of it, and their gradients views of its gradient.

    An optimiser then has one tensor to update, not some fourteen small ones.
    """
    whole = nn.Parameter(torch.cat([p.detach().reshape(-1) for p in parameters]))
    whole.grad = torch.zeros_like(whole)
    start = 0
    for parameter in parameters:
        part = slice(start, start + parameter.numel())
        parameter.data, parameter.grad = whole.data[part].view_as(parameter), whole.grad[part].view_as(parameter)
        start = part.stop
    return whole


class Engine:
    """Takes optimiser steps on the network of one stage.

    Args:
        rows: the training rows.
        coefficients: static weight of each task's loss.
        parts: the parts of the method by kind.
        training: settings of the training loop, and ``device``, where the steps are computed: ``cpu`` if left out.
        rng: stream that draws the initial parameters.
        start: parameters of a backbone to start from, as ``backbone`` gave them; None: as drawn.
        frozen: whether the backbone stays as it starts.
        measure_every: keep the Gram matrix of the tasks' gradients of every so many-th step; 0: of none.

    Attributes:
        units: dropout decisions that a row needs.
        n_draws: uniform random numbers that the balancer needs for a step.
        grams: of the steps measured in the last epoch, inner products of the tasks' gradients on the shared parameters
            (tasks x tasks), NaN for a task that was absent.
        multipliers: of the same steps, what the balancer multiplied each task's gradient by (tasks,).
        device: where the tensors lie. Whatever the device, arrays come in and go out.

    Raises:
        UserError: CUDA is asked for, and torch cannot use it here.
    """

    name = "reference"

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
    ) -> None:
        modules = {k: importlib.import_module(parts[k].module) for k in ("loss", "smoothing", "balancer")}
        optimiser = importlib.import_module(reference_module("optimisers", parts["optimiser"]))
        n_tasks = len(rows.regression)
        self.training, self.device = training, device_of(training)
        self.x = self._put(rows.x)
        self.y = self._put(np.where(rows.labelled, rows.y, 0).astype(np.float32))
        self.labelled = self._put(rows.labelled.astype(np.float32))
        self.regression = self._put(np.asarray(rows.regression))
        self.coefficients = self._put(coefficients.astype(np.float32))
        network = importlib.import_module(reference_module("networks", parts["architecture"])).Network
        self.network = network(rows.x.shape[1], n_tasks, training, parts["architecture"].options)
        initialise(self.network, rng)
        self.network.to(self.device)
        self.units = self.network.units
        if start is not None:
            self.network.backbone.load_state_dict({k: torch.from_numpy(v) for k, v in start.items()})
        if frozen:
            if start is None:
                self.network.backbone.calibrate(self.x)
            self.network.backbone.freeze()
        self.measure_every, self.grams, self.multipliers = measure_every, [], []
        self._set_loss(rows, modules["loss"], parts["loss"])
        self._set_smoothing(rows, modules["smoothing"], parts["smoothing"].options)
        self._set_balancer(n_tasks, modules["balancer"], parts["balancer"].options)
        self.sigma_rate = parts["loss"].options.get("sigma_rate", 0.0)
        self.set_optimiser()
        self.stepper = optimiser.Optimiser(self, parts["optimiser"].options)

    def _put(self, values: np.ndarray) -> Tensor:
        """An array as a tensor on the engine's device."""
        return torch.from_numpy(values).to(self.device)

    def _columns(self, numbers: np.ndarray) -> slice | Tensor:
        """Columns of a tensor; a slice where they are neighbours, which costs a fraction of taking them one by one."""
        if len(numbers) and numbers[-1] - numbers[0] == len(numbers) - 1:
            return slice(int(numbers[0]), int(numbers[-1]) + 1)
        return self._put(numbers)

    def set_optimiser(self) -> None:
        """Adam on all that is trained, as it lies and in the precision that it has."""
        own = list(self.loss.parameters())
        shared = {id(p) for p in self.network.shared_parameters()}
        trained = [p for p in self.network.parameters() if p.requires_grad]
        self.specific = [*(p for p in trained if id(p) not in shared), *own]
        self.learned = [side_by_side(trained), *own]
        groups: list[dict[str, Any]] = [{"params": self.learned[:1]}]
        if own:
            groups.append({"params": own, "lr": self.sigma_rate, "weight_decay": 0.0})
        for parameter in own:
            parameter.grad = torch.zeros_like(parameter)
        self.optimiser = torch.optim.Adam(
            groups, lr=self.training["learning_rate"], weight_decay=self.training["weight_decay"], fused=True
        )

    def _set_loss(self, rows: TrainingRows, module: Any, part: Part) -> None:
        """The loss of the regression tasks, and the weight of each row in it (1 for the classes)."""
        columns = np.flatnonzero(rows.regression)
        weights = rows.labelled.astype(np.float64)
        if len(columns):
            weights[:, columns] = module.row_weights(rows.x, rows.y[:, columns], part.options)
        self.weights = self._put(weights.astype(np.float32))
        form = importlib.import_module(reference_module("losses", part))
        self.loss: nn.Module = form.Loss(rows.y[:, columns], module, part.options).to(self.device)
        classes = np.flatnonzero(~np.asarray(rows.regression))
        self.continuous, self.classes = self._columns(columns), self._columns(classes)
        self.kinds = (len(columns) > 0, len(classes) > 0)
        places = np.argsort(np.concatenate([columns, classes]))
        self.places = None if (np.diff(places) > 0).all() else self._put(places)

    def _set_smoothing(self, rows: TrainingRows, module: Any, options: Mapping[str, Any]) -> None:
        """Smoothing of the representation by label, where the method has one."""
        self.smoothing = None
        if module.Smoothing is not None:
            y = np.where(np.asarray(rows.regression), rows.y, np.nan)
            self.smoothing = module.Smoothing(y, self.training["hidden"][-1], options)
            self.bins = self._put(self.smoothing.bins)
            self.network.backbone.drops_last = False  # units are dropped after smoothing, or it would fill them again

    def _set_balancer(self, n_tasks: int, module: Any, options: Mapping[str, Any]) -> None:
        """The rule that weighs gradients step by step, where the method has one."""
        self.scope: str | None = getattr(module, "GRADIENTS", None)
        self.n_draws = 0
        self.state = np.zeros(0)
        self.balancer = module
        if self.scope is not None:
            self.balance, self.settings = module.balance, module.settings(options)
            self.state, self.n_draws = module.initial_state(n_tasks, options), module.n_draws(n_tasks)

    def task_losses(self, output: Tensor, rows: Tensor | slice, y: Tensor, labelled: Tensor, weights: Tensor) -> Tensor:
        """Loss of each task (tasks,) in a batch, by the method's own loss; 0 for an absent task.

        With ``training.reduction: task_mean`` it is the mean over the task's labelled rows (arXiv:2512.22740, equation
        7); with ``label_mean`` their sum over the number of all labels in the batch, so that tasks count by their rows.
        """
        y, labelled, weights = y[rows], labelled[rows], weights[rows]
        counts = labelled.sum(0)
        parts = []
        if self.kinds[0]:
            r = self.continuous
            parts.append(self.loss(output[:, r], y[:, r], labelled[:, r], weights[:, r]))
        if self.kinds[1]:
            c = self.classes
            each = functional.binary_cross_entropy_with_logits(output[:, c], y[:, c], reduction="none")
            parts.append((each * labelled[:, c]).sum(0) / counts[c].clamp(min=1))
        losses = torch.cat(parts) if len(parts) > 1 else parts[0]
        if self.places is not None:  # tasks of both kinds stand in mixed order
            losses = losses[self.places]
        if self.training["reduction"] == "label_mean":
            losses = losses * counts / counts.sum()
        return losses

    @denormals_as_zero()
    def epoch(self, batches: Sequence[np.ndarray], keep: np.ndarray, draws: np.ndarray, number: int) -> np.ndarray:
        """Take the steps of one epoch.

        The loss of a step is the sum over tasks of coefficient x task loss (arXiv:2512.22740, equation 3), plus the
        architecture's penalty; a balancer that looks at gradients then decides how the tasks' gradients are added up.
        A task that is absent from the batch adds nothing: its head has a gradient of zero, on which Adam's momentum and
        weight decay still act, as they do under a masked loss.

        Args:
            batches: row numbers of each step.
            keep: dropout decisions (rows of all batches x units), in the order of the batches.
            draws: random numbers for the balancer (steps x n_draws).
            number: number of the epoch, from 1.

        Returns:
            Mean plain loss of each task over the labelled rows seen (see ``plain_loss``).
        """
        self.network.train()
        order = self._put(np.concatenate(batches))
        x, y, labelled, weights = self.x[order], self.y[order], self.labelled[order], self.weights[order]
        kept = torch.from_numpy(keep).to(x)
        tables = None
        if self.smoothing is not None:
            bins = self.bins[:, order]
            found = self.smoothing.calibration(number - 1)
            tables = None if found is None else [torch.from_numpy(table).to(x) for table in found]
        self.grams, self.multipliers = [], []

        def forward(rows: slice) -> tuple[Tensor, Tensor]:
            h = self.network.represent(x[rows], kept[rows])
            if self.smoothing is not None:
                h = moved(h, bins[:, rows], tables)
                h = self.network.backbone.drop_last(h, kept[rows])
            output = self.network.read_out(h)
            return output, self.coefficients * self.task_losses(output, rows, y, labelled, weights)

        ends = np.cumsum([0, *map(len, batches)]).tolist()
        places = [slice(*ends[step : step + 2]) for step in range(len(batches))]
        passes = [(partial(forward, rows), labelled[rows]) for rows in places]
        self.stepper.begin_epoch(number, passes)
        outputs = []
        for step, one in enumerate(passes):
            measured = self.measure_every and step % self.measure_every == 0
            outputs.append(self.stepper.step(*one, draws[step], bool(measured)))
        if self.smoothing is not None:
            self.network.eval()
            with torch.no_grad():
                self.smoothing.end_of_epoch(self.network.represent(self.x, None).cpu().numpy(), number - 1)
        sums = (plain_loss(torch.cat(outputs), y, self.regression) * labelled).double().sum(0)
        means = (sums / labelled.double().sum(0)).cpu().numpy()
        if hasattr(self.balancer, "end_of_epoch"):
            self.balancer.end_of_epoch(means, self.state, self.settings)
        return means

    def backward(self, weighted: Tensor, labelled: Tensor, draws: np.ndarray, measured: bool) -> None:
        """Set the gradients of all parameters for one step.

        Args:
            weighted: coefficient x loss of each task.
            labelled: 1 where there is a label (rows x tasks).
            draws: random numbers for the balancer.
            measured: whether to keep the Gram matrix, where there is more than one task.
        """
        self.clear()
        penalty = self.network.penalty()
        gradients = None
        if measured or self.scope is not None:
            shared, present = self.network.shared_parameters(), labelled.any(0).cpu()
            measured = bool(measured and present.sum() > 1)
        if measured or self.scope == "shared":
            gradients = self.gradients(weighted, present, shared)
        if self.scope is None:
            if measured:
                self.keep(gradients, present, np.ones((2, len(weighted))))
            total = weighted.sum()
            (total if penalty is None else total + penalty).backward()
            return
        narrow = gradients
        if self.scope == "last":
            narrow = self.gradients(weighted, present, self.network.last_shared())
        multipliers = self.weigh(weighted, narrow, present, draws, self.state)
        if measured:
            self.keep(gradients, present, multipliers)
        of_shared, of_heads = torch.from_numpy(multipliers).to(weighted)
        if self.scope == "shared":
            own = torch.autograd.grad((of_heads * weighted).sum(), self.specific, retain_graph=True, allow_unused=True)
            for parameter, gradient in zip(self.specific, own, strict=True):
                if gradient is not None:
                    parameter.grad.copy_(gradient)
            combined, start = of_shared @ gradients, 0
            for parameter in shared:
                parameter.grad.copy_(combined[start : start + parameter.numel()].view_as(parameter))
                start += parameter.numel()
        elif torch.equal(of_shared, of_heads):
            (of_shared * weighted).sum().backward(retain_graph=True)
        else:
            for multiplier, part in ((of_shared, shared), (of_heads, self.specific)):
                (multiplier * weighted).sum().backward(inputs=part, retain_graph=True)
        if penalty is not None:
            penalty.backward()

    def clear(self) -> None:
        """Set all gradients to zero."""
        for parameter in self.learned:
            parameter.grad.zero_()

    def weigh(
        self, weighted: Tensor, gradients: Tensor | None, present: Tensor, draws: np.ndarray, state: np.ndarray
    ) -> np.ndarray:
        """Multipliers (2 x tasks) of the tasks' gradients, for shared parameters and heads; ones without a balancer.

        Args:
            weighted: coefficient x loss of each task.
            gradients: those that the balancer looks at (tasks x numbers).
            present: which tasks the batch holds.
            draws: random numbers for the balancer.
            state: the balancer's, changed in place.
        """
        n_tasks = len(weighted)
        if self.scope is None:
            return np.ones((2, n_tasks))
        gram = np.zeros((n_tasks, n_tasks)) if self.scope == "none" else np.nan_to_num(_gram(gradients, present))
        losses = weighted.detach().double().cpu().numpy()
        return self.balance(losses, gram, present.numpy(), draws, state, self.settings)

    def keep(self, gradients: Tensor, present: Tensor, multipliers: np.ndarray) -> None:
        """Keep what a measured step tells of the tasks' gradients."""
        self.grams.append(_gram(gradients, present))
        self.multipliers.append(multipliers[0].copy())

    def gradients(self, losses: Tensor, present: Tensor, parameters: Sequence[nn.Parameter]) -> Tensor:
        """Gradient of each task's loss on some parameters (tasks x numbers), zero for an absent task."""
        rows = []
        for task, there in enumerate(present.tolist()):
            if there and parameters:
                parts = torch.autograd.grad(losses[task], parameters, retain_graph=True, allow_unused=True)
                flat = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, parts, strict=True)]
                rows.append(torch.cat([g.reshape(-1) for g in flat]))
            else:
                rows.append(losses.new_zeros(sum(p.numel() for p in parameters)))
        return torch.stack(rows)

    @denormals_as_zero()
    def task_gradients(self, rows: np.ndarray) -> np.ndarray:
        """Gradient of each task's loss on the shared parameters (tasks x numbers), float64, for one large batch.

        Batch normalisation uses the statistics of these rows, as it does in training, no unit is dropped, and nothing
        of the network changes.
        """
        buffers = {name: value.clone() for name, value in self.network.named_buffers()}
        self.network.train()
        at = self._put(rows)
        output = self.network(self.x[at], None)
        losses = self.task_losses(output, at, self.y, self.labelled, self.weights)
        found = self.gradients(losses, self.labelled[at].any(0).cpu(), self.network.shared_parameters())
        with torch.no_grad():
            for name, value in self.network.named_buffers():
                value.copy_(buffers[name])
        return found.double().cpu().numpy()

    @torch.no_grad()
    def predict(self, x: np.ndarray) -> np.ndarray:
        """Outputs (rows x tasks) without dropout: standardised values, logits for a class."""
        self.network.eval()
        return self.network(self._put(x), None).cpu().numpy()

    @torch.no_grad()
    def losses(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Mean plain loss of each task over its labelled rows, without dropout (see ``plain_loss``)."""
        labelled = ~np.isnan(y)
        output = self._put(self.predict(x)).double()
        target = self._put(np.where(labelled, y, 0)).double()
        each = plain_loss(output, target, self.regression).cpu().numpy()
        return (each * labelled).sum(0) / labelled.sum(0)

    def relations(self) -> np.ndarray | None:
        """Learned relations (tasks x tasks) where the architecture has them."""
        learned = getattr(self.network, "relations", None)
        return None if learned is None else learned().double().cpu().numpy()

    @torch.no_grad()
    def backbones(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Where each task has a backbone of its own: their weights (tasks x weights) and what they make of ``x``.

        The representations have the shape (tasks x rows x width). None where tasks share one backbone or none.
        """
        vectors = getattr(self.network, "backbone_vectors", None)
        if vectors is None:
            return None
        self.network.eval()
        found = vectors(), self.network.represent(self._put(x), None)
        return found[0].double().cpu().numpy(), found[1].double().cpu().numpy()

    def backbone(self) -> dict[str, np.ndarray]:
        """Parameters and running statistics of the backbone, for another stage to start from."""
        return _copied(self.network.backbone.state_dict())

    def set_learning_rate(self, rate: float) -> None:
        """Learning rate of the steps to come, where it is not the optimiser's own; a loss's parameters keep theirs."""
        if self.stepper.scheduled:
            self.optimiser.param_groups[0]["lr"] = rate

    def learning_rate(self) -> float:
        """Learning rate of the last step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def parameters(self) -> dict[str, np.ndarray]:
        """A copy of all parameters and running statistics of the network."""
        return _copied(self.network.state_dict())

    def load_parameters(self, values: Mapping[str, np.ndarray]) -> None:
        """Take back what ``parameters`` gave."""
        self.network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in values.items()})

    def moments(self) -> dict[str, np.ndarray]:
        """A copy of all else that the next step depends on: of Adam, the loss, the smoothing and the balancer."""
        of_adam = self.optimiser.state_dict()["state"]
        adam = {f"adam.{i}.{key}": value for i, part in of_adam.items() for key, value in part.items()}
        copied = _copied({**adam, **{f"loss.{key}": value for key, value in self.loss.state_dict().items()}})
        if self.smoothing is not None:
            copied |= {f"smoothing.{key}": value for key, value in self.smoothing.state().items()}
        copied |= {f"optimiser.{key}": value for key, value in self.stepper.state().items()}
        return {**copied, "balancer.state": self.state.copy()}

    def load_moments(self, values: Mapping[str, np.ndarray]) -> None:
        """Take back what ``moments`` gave."""
        parts: dict[str, dict[str, np.ndarray]] = {}
        for name, value in values.items():
            part, _, key = name.partition(".")
            parts.setdefault(part, {})[key] = np.array(value)
        adam: dict[int, dict[str, Tensor]] = {}
        for name, value in parts.get("adam", {}).items():
            index, key = name.split(".")
            adam.setdefault(int(index), {})[key] = torch.from_numpy(value)
        whole = self.optimiser.state_dict()
        self.optimiser.load_state_dict({"state": adam, "param_groups": whole["param_groups"]})
        self.loss.load_state_dict({key: torch.from_numpy(value) for key, value in parts.get("loss", {}).items()})
        if self.smoothing is not None:
            self.smoothing.load_state(parts["smoothing"])
        self.state = parts["balancer"]["state"]
        self.stepper.load_state(parts.get("optimiser", {}))


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Tensors by name as arrays of their own, which no later step changes."""
    return {name: tensor.cpu().numpy().copy() for name, tensor in tensors.items()}


def _gram(gradients: Tensor, present: Tensor) -> np.ndarray:
    """Inner products of the tasks' gradients (tasks x tasks), float64, NaN for absent tasks."""
    wide = gradients.double()
    gram = (wide @ wide.T).cpu().numpy()
    absent = ~present.numpy()
    gram[absent], gram[:, absent] = np.nan, np.nan
    return gram
