"""The steps and moves of ``methods.optimisers.teleport``, which says what they are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from alloymtl.methods.optimisers.teleport import conflicts, ratios
from alloymtl.training.reference.optimisers._common import Base, Forward
from alloymtl.training.reference.optimisers.flat import put

if TYPE_CHECKING:
    from alloymtl.training.reference.engine import Engine

_SCALE = 8  # times the low-rank product; its authors' software divides it by the rank
_RELEASED = (10.0, 0.5)  # weights of the two terms in the authors' code


class Optimiser(Base):
    """Adam, which moves along the level set of the losses where the tasks' gradients conflict."""

    def __init__(self, engine: Engine, options: Mapping[str, Any]) -> None:
        super().__init__(engine, options)
        drawn = engine.learned[0].detach().cpu().numpy().tobytes()
        self.seed = np.frombuffer(hashlib.sha256(drawn).digest(), np.uint32)  # differs from seed to seed of a run
        self.due = False

    def begin_epoch(self, number: int, passes: Sequence[tuple[Forward, Tensor]]) -> None:
        """Be ready to move once (see ``Base.begin_epoch``)."""
        self.number, self.passes = number, passes
        self.due = number > self.options["after"]

    def step(self, forward: Forward, labelled: Tensor, draws: np.ndarray, measured: bool) -> Tensor:
        """Take one step; the outputs (rows x tasks) that it began with (see ``Base.step``)."""
        if not self.due:
            output = self._look(forward, labelled, draws, measured)
            take_step(self.engine.optimiser)
            return output
        engine, former, sigma = self.engine, self._gradient(), None
        state, kept = engine.state.copy(), len(engine.grams)
        buffers = [(buffer, buffer.clone()) for buffer in engine.network.buffers()]
        output = self._look(forward, labelled, draws, True)
        moves = any(conflicts(gram, self.options["variant"]) for gram in engine.grams[kept:])
        if moves or not measured:
            del engine.grams[kept:], engine.multipliers[kept:]
        if moves:
            self.due, engine.state = False, state
            for buffer, value in buffers:
                buffer.copy_(value)
            sigma = cosine(self._move((forward, labelled)), former)
            output = self._look(forward, labelled, draws, measured)
        take_step(engine.optimiser, sigma)
        return output

    def _look(self, forward: Forward, labelled: Tensor, draws: np.ndarray, measured: bool) -> Tensor:
        """Set the gradients of the parameters where the network is; the outputs there."""
        output, weighted = forward()
        self.engine.backward(weighted, labelled, draws, measured)
        return output.detach()

    def _gradient(self) -> Tensor:
        """Gradient that the last step followed on the shared parameters (numbers,)."""
        return flattened([p.grad for p in self.engine.network.shared_parameters()])

    def _move(self, conflict: tuple[Forward, Tensor]) -> Tensor:
        """Move the shared linear maps; the change of the shared parameters (numbers,).

        Args:
            conflict: the batch that was in conflict: a pass and where there is a label.
        """
        network = self.engine.network
        shared = network.shared_parameters()
        before = flattened(shared).detach().clone()
        rng = np.random.default_rng([self.number, *self.seed])
        network.eval()
        maps = Adapters(network, self.options["rank"], rng)
        adam = torch.optim.Adam(maps.factors, lr=self.engine.training["learning_rate"])
        objective = Objective(network, self.options, self.passes, conflict, rng)
        for _ in range(self.options["passes"]):
            for batch in objective.batches:
                maps.set_gradients(torch.autograd.grad(objective(batch), maps.weights))
                adam.step()
                maps.merge()
        network.train()
        return flattened(shared).detach() - before

    def state(self) -> dict[str, np.ndarray]:
        """The last step's gradient on the shared parameters."""
        return {"gradient": self._gradient().cpu().numpy()}

    def load_state(self, values: Mapping[str, np.ndarray]) -> None:
        """Take back what ``state`` gave."""
        shared = self.engine.network.shared_parameters()
        put(shared, torch.from_numpy(values["gradient"]))


class Adapters:
    """Low-rank changes of a network's shared linear maps.

    Args:
        network: its maps change as the factors do, on ``merge``.
        rank: of each change, at most.
        rng: draws the factors that do not start at zero.

    Attributes:
        weights: of the maps, each (out x in).
        factors: for each map A (rank x in) and B (out x rank).
    """

    def __init__(self, network: nn.Module, rank: int, rng: np.random.Generator) -> None:
        shared = {id(p) for p in network.shared_parameters()}
        linear = (m.weight for m in network.modules() if isinstance(m, nn.Linear))
        self.weights = [w for w in linear if id(w) in shared]
        self.start = [w.detach().clone() for w in self.weights]
        self.scale = _SCALE / max(rank, 1)
        self.factors: list[Tensor] = []
        for w in self.weights:
            bound = w.shape[1] ** -0.5
            self.factors.append(torch.from_numpy(rng.uniform(-bound, bound, (rank, w.shape[1]))).to(w))
            self.factors.append(w.new_zeros(w.shape[0], rank))

    def set_gradients(self, of_weights: Sequence[Tensor]) -> None:
        """Set the factors' gradients from those on the maps."""
        for place, gradient in enumerate(of_weights):
            a, b = self.factors[2 * place : 2 * place + 2]
            a.grad, b.grad = self.scale * b.T @ gradient, self.scale * gradient @ a.T

    @torch.no_grad()
    def merge(self) -> None:
        """Let the maps be what they were and the products of the factors."""
        for place, (weight, start) in enumerate(zip(self.weights, self.start, strict=True)):
            a, b = self.factors[2 * place : 2 * place + 2]
            weight.copy_(start + self.scale * b @ a)


@dataclass(frozen=True)
class Batch:
    """A batch as it was before the move.

    Attributes:
        forward: a pass of it.
        tasks: those that it holds.
        losses: theirs.
    """

    forward: Forward
    tasks: np.ndarray
    losses: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, forward: Forward, labelled: Tensor) -> Batch:
        """The batch of a pass, and of where there is a label (rows x tasks)."""
        tasks = np.flatnonzero(labelled.any(0).cpu().numpy())
        return cls(forward, tasks, forward()[1][tasks])


class Objective:
    """What a move makes small, batch by batch.

    Args:
        network: where the move starts.
        options: of the part.
        passes: of each batch, a pass and where there is a label.
        conflict: the same of the batch that was in conflict.
        rng: draws the directions in which slopes are taken.
    """

    def __init__(
        self,
        network: nn.Module,
        options: Mapping[str, Any],
        passes: Sequence[tuple[Forward, Tensor]],
        conflict: tuple[Forward, Tensor],
        rng: np.random.Generator,
    ) -> None:
        self.options, self.rng = options, rng
        self.released = options["variant"] == "released"
        self.shared = network.shared_parameters()
        own = {id(p) for p in self.shared}
        rest = [p for p in network.parameters() if p.requires_grad and id(p) not in own]
        self.along = [*self.shared, *rest] if self.released else self.shared
        self.batches = [Batch.of(*one) for one in passes]
        self.conflict = Batch.of(*conflict)
        held, found = np.concatenate([b.tasks for b in self.batches]), torch.cat([b.losses for b in self.batches])
        self.means = torch.stack([found[held == task].mean() for task in range(conflict[1].shape[1])])

    def __call__(self, batch: Batch) -> Tensor:
        """The objective on one of the batches."""
        losses = batch.forward()[1][batch.tasks]
        if not self.released:
            return (losses - batch.losses).abs().sum() - self.options["gamma"] * self._steep(losses).sum()
        near, steep = _RELEASED
        there = self.conflict.forward()[1][self.conflict.tasks]
        return near * (losses - self.means[batch.tasks]).abs().mean() - steep * self._steep(there).mean()

    def _steep(self, losses: Tensor) -> Tensor:
        """R_i x the steepest slope of each loss in some random directions."""
        gradients = slopes_of(losses, self.along)
        of_shared = gradients[:, : sum(p.numel() for p in self.shared)].detach().norm(dim=1)
        weights = torch.from_numpy(ratios(of_shared.double().cpu().numpy())).to(losses)
        shape = max(self.options["perturbations"], 1), gradients.shape[1]
        drawn = torch.from_numpy(self.rng.standard_normal(shape, np.float32)).to(losses)
        parts = drawn.split([p.numel() for p in self.along], 1) if self.released else [drawn]
        directions = torch.cat([part / part.norm(dim=1, keepdim=True) for part in parts], 1)
        return weights * (gradients @ directions.T).abs().amax(1)


def slopes_of(losses: Tensor, parameters: Sequence[nn.Parameter]) -> Tensor:
    """Gradients of losses on parameters (losses x numbers), which can be differentiated in turn."""
    rows = []
    for loss in losses:
        found = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
        parts = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]
        rows.append(flattened(parts))
    return torch.stack(rows)


def take_step(optimiser: torch.optim.Adam, sigma: float | None = None) -> None:
    """One step of Adam, with as much of its moments as ``sigma`` leaves; None: all."""
    group = optimiser.param_groups[0]
    betas = group["betas"]
    if sigma is not None:
        if sigma > 0:
            group["betas"] = tuple(sigma * beta for beta in betas)
        else:
            optimiser.state.clear()
    optimiser.step()
    group["betas"] = betas


def cosine(one: Tensor, other: Tensor) -> float:
    """Cosine of the angle between two vectors; 0 where one has no direction."""
    norms = float(one.norm() * other.norm())
    return float(one @ other) / norms if norms > 0 else 0.0


def flattened(tensors: Sequence[Tensor]) -> Tensor:
    """All numbers of some tensors in one vector."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors]) if tensors else torch.zeros(0)
