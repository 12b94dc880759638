"""The forms of a training step that are timed, and how much faster than the naive loop each is meant to be."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import torch

from alloymtl import components, engines
from alloymtl.config import read
from alloymtl.literals import constants
from alloymtl.run import FOLDERS, PACKAGE, Part, Run
from alloymtl.study import Study
from alloymtl.training.dataset import Dataset
from bench.bound import BoundTurn
from bench.engines import EngineTurn
from bench.naive import NaiveLoop, NaiveTurn, Network, TorchjdLoop
from bench.processes import ROOT

CONFIG = ROOT / "config" / "config.yaml"
BOUND_TARGET = 1.6
"""How many times the lower bound a step of hard sharing may take."""
_PLAIN = "adam"
_SPARING = 3  # balancers are many: a round in three keeps them within as much time again as all the rest
# Turns of like length, a tenth of a second or two: so many steps for loops on torch, an epoch for compiled ones.
_STEPS = {"naive": 100, "torchjd": 30, "reference": 200, "compiled": None}

Turn = Callable[[], float]
"""Takes a turn and returns microseconds a step."""


@dataclass(frozen=True)
class Form:
    """One way of taking steps.

    Attributes:
        name: as the report has it.
        method: of config/config.yaml.
        steps_by: ``naive`` or ``torchjd``, loops of their own, or an engine.
        target: how many times faster than the naive loop it is meant to be, where that is said.
        measure_every: the Gram matrix of the tasks' gradients is kept of every so many-th step; 0: of none.
        parts: by kind, names of parts that stand in the method for its own, with their defaults.
        every: it takes a turn in every so many-th round.
    """

    name: str
    method: str
    steps_by: str
    target: float | None = None
    measure_every: int = 0
    parts: Mapping[str, str] = field(default_factory=dict)
    every: int = 1


def asked_in_each_step() -> list[str]:
    """Names of the balancers that are asked in each step, as ``GRADIENTS`` in their files says of them."""
    folder = PACKAGE / FOLDERS["balancer"]
    return [n for n in components.names("balancer") if "GRADIENTS" in constants(folder / f"{n}.py")]


def other_steps() -> list[str]:
    """Names of the optimisers that are not the plain one and that the compiled engine knows."""
    known = [n for n in components.names("optimiser") if Part("optimiser", n, {}).form in engines.FORMS["optimiser"]]
    return [name for name in known if name != _PLAIN]


NAIVE, HARD = Form("naive", "hard", "naive"), Form("hard", "hard", "compiled", 20)
ENGINES = (
    NAIVE,
    Form("torchjd PCGrad", "pcgrad", "torchjd"),
    Form("reference", "hard", "reference", 2),
    Form("reference PCGrad", "pcgrad", "reference"),
    HARD,
    Form("LDS", "lds", "compiled", 12),
    Form("BMC", "bmse", "compiled"),
    Form("FDS", "fds", "compiled", 12),
    Form("GradNorm", "gradnorm", "compiled", 12),
    Form("PCGrad", "pcgrad", "compiled", 15),
    Form("structured", "structured", "compiled", 8),
    Form("soft", "soft_1em2", "compiled", 10),
    Form("independent, largest task", "independent", "compiled"),
    Form("hard, measured each 20th step", "hard", "compiled", measure_every=20),
    Form("hard, measured each step", "hard", "compiled", measure_every=1),
)
BALANCERS = tuple(
    Form(name, HARD.method, "compiled", 10, parts={"balancer": name}, every=_SPARING)
    for name in asked_in_each_step()
    if name not in {form.name.lower() for form in ENGINES}
)
OPTIMISERS = tuple(
    Form(name, HARD.method, "compiled", parts={"optimiser": name}, every=_SPARING) for name in other_steps()
)
FORMS = ENGINES + BALANCERS + OPTIMISERS


@cache
def study() -> Study:
    """The default study."""
    return Study.from_config(read(CONFIG), CONFIG.name)


def default_run(method: str, parts: Mapping[str, str] | None = None, **training: Any) -> Run:
    """The first run of a method at the full level.

    Args:
        method: of config/config.yaml.
        parts: as in ``Form``.
        training: settings of its training that are changed.
    """
    run = study().run(method, "all", study().split_seeds[0], study().experiments["main"].seeds[0])
    changed = {k: Part(k, n, components.resolve(k, n, {}, method)) for k, n in (parts or {}).items()}
    return replace(run, parts={**run.parts, **changed}, training={**run.training, **training})


def turn_of(form: Form, data: Dataset) -> Turn:
    """A form that is ready to take its turns on some rows."""
    steps = _STEPS[form.steps_by]
    if form.steps_by in ("naive", "torchjd"):
        return NaiveTurn(_loop(form, data), steps)
    run = default_run(form.method, form.parts, engine=form.steps_by)
    alone = form.method == "independent"
    columns = [int(data.sizes().argmax())] if alone else [*range(len(run.tasks))]
    return EngineTurn(run, data, columns, steps, form.measure_every)


def _loop(form: Form, data: Dataset) -> NaiveLoop:
    run = default_run(form.method)
    training, balancer = run.training, run.parts["balancer"]
    torch.manual_seed(0)
    rows = data.training_rows([*range(len(run.tasks))])
    weights = importlib.import_module(balancer.module).coefficients(data.sizes(), balancer.options)
    head = run.parts["architecture"].options["head"]
    network = Network(rows.x.shape[1], len(run.tasks), training["hidden"], head, training["dropout"])
    kind = TorchjdLoop if form.steps_by == "torchjd" else NaiveLoop
    return kind(rows, weights.tolist(), network, training)


def bound_of(data: Dataset, products_only: bool = False) -> BoundTurn:
    """The lower bound of a step of hard sharing, for the batches of an epoch."""
    run = default_run(HARD.method, engine=HARD.steps_by)
    columns = [*range(len(run.tasks))]
    turn = EngineTurn(run, data, columns, None)
    counts = np.stack([turn.labelled[batch].sum(axis=0) for batch in turn.batches(1)])
    head = run.parts["architecture"].options["head"]
    return BoundTurn(counts, data.x.shape[1], run.training["hidden"], head, run.training, products_only)
