"""A small study to train on, and engines and runs made of its parts."""

import contextlib
import dataclasses
import importlib

import numpy as np
import pandas as pd

from alloymtl import components
from alloymtl.data.split import split
from alloymtl.run import Part, Run, Target
from alloymtl.training import job
from alloymtl.training.dataset import TrainingRows, build
from alloymtl.training.streams import stream

TRAINING = {
    "hidden": [16, 12],
    "dropout": 0.3,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "weight_decay": 1e-4,
    "max_epochs": 6,
    "patience": 30,
    "plateau_factor": 0.5,
    "plateau_patience": 1,
    "engine": "reference",
    "reduction": "task_mean",
    "checkpoint": "joint",
    "steps_per_epoch": None,
}
OPTIONS = {
    "independent": {"head": 0},
    "hard": {"head": 5},
    "structured": {"head": 5, "embedding": 6, "alpha": 0.1, "lambda_sparse": 0.01, "lambda_self": 0.01},
    "soft": {"head": 5, "coupling": 0.01},
    "transfer": {"head": 5, "pretrained": True, "frozen": True},
}
GRADIENTS = {"gradients": {"step_interval": 1, "epoch_interval": 2, "rows": 16}}
TASKS = (Target("a", "regression", "none"), Target("b", "regression", "none"), Target("c", "classification", "none"))


def a_run(method="hard", seed=1, tasks=TASKS, parts=(), options=(), diagnostics=(), **training):
    """A run of an architecture with its options; ``parts`` names other parts than the plain ones by kind."""
    plain = {"loss": "mse", "smoothing": "none", "balancer": "inverse_size", "sampler": "uniform", "optimiser": "adam"}
    names = {**plain, **dict(parts)}
    made = {kind: Part(kind, name, components.resolve(kind, name, {}, "test")) for kind, name in names.items()}
    made["architecture"] = Part("architecture", method, {**OPTIONS[method], **dict(options)})
    settings = {**TRAINING, **training}
    return Run(method, "all", 7, seed, tasks, made, settings, dict(diagnostics), threshold=0.5, simulated=True)


def an_engine(run, x, y, weights=None, regression=(True, True, False), **more):
    """An engine on given rows, whatever the run's data."""
    from alloymtl.training.reference.engine import Engine  # imports torch

    rows = TrainingRows(x.astype(np.float32), y.astype(np.float32), tuple(regression))
    weights = np.ones(y.shape[1]) if weights is None else np.asarray(weights, float)
    return Engine(rows, weights, run.parts, run.training, stream(3, ["a"], "initialisation"), **more)


def an_epoch(engine, batches, keep=None, number=1, seed=0):
    rows = sum(len(b) for b in batches)
    keep = np.ones((rows, engine.units), np.uint8) if keep is None else keep
    draws = np.random.default_rng(seed).random((len(batches), engine.n_draws))
    with np.errstate(invalid="ignore"):
        return engine.epoch(batches, keep, draws, number)


def rows(n=150, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    y = x @ rng.normal(size=(4, 3)) + 0.1 * rng.normal(size=(n, 3))
    y[:, 2] = y[:, 2] > 0
    owner = rng.choice(3, n, p=[0.6, 0.2, 0.2])
    y[owner[:, None] != np.arange(3)] = np.nan
    frame = pd.DataFrame({"alloy": [f"alloy{i:04d}" for i in range(n)], "system": "A-B"})
    frame[[f"x:{i}" for i in range(4)]] = x
    frame[[f"y:{t.name}" for t in TASKS]] = y
    return frame


def partition(frame, run):
    kinds = {t.name: t.kind for t in run.tasks}
    return split(frame, kinds, {"kind": "stratified", "validation": 0.2, "test": 0.2, "strata": 3}, 7)


def data(frame, run, table=None):
    return build(frame, partition(frame, run) if table is None else table, run.tasks, run.level)


class Watcher:
    """An observer that may stop the run, as a kill would, or do something else ``at`` each epoch."""

    def __init__(self, stop_at=None, at=lambda epoch: None):
        self.stop_at, self.at, self.epochs = stop_at, at, 0

    def update(self, epoch, values):
        self.epochs += 1
        self.at(epoch)
        if epoch == self.stop_at:
            raise KeyboardInterrupt


def train(run, dataset, folder, key="key", watcher=None, seconds=0, **more):
    folder.mkdir(parents=True, exist_ok=True)

    def observe(group):
        return contextlib.nullcontext(watcher or Watcher())

    return job.train(run, dataset, folder, key, observe, seconds, **more)


def in_double(engine):
    """Let an engine compute in double precision."""
    engine.network.double()
    engine.loss.double()
    for name in ("x", "y", "labelled", "weights", "coefficients"):
        setattr(engine, name, getattr(engine, name).double())
    engine.set_optimiser()


def engines(run, rows, coefficients, real=np.float32, start=None, **more):
    """The compiled engine and the reference of one specification, both in the precision ``real``.

    Nothing is handed from one to the other. In double precision the reference is given all that it would round to
    single precision as it is: the numbers that it draws, the rows' weights, the table of a mixture.
    """
    import torch

    from alloymtl.training.compiled.engine import Engine as Compiled
    from alloymtl.training.reference.engine import Engine as Reference

    def seed():
        return stream(3, ["a"], "initialisation")

    of_compiled = None if start is None else {n: v for n, v in start.items() if not n.endswith("tracked")}
    compiled = Compiled(rows, coefficients, run.parts, run.training, seed(), start=of_compiled, real=real, **more)
    if real is np.float32:
        return compiled, Reference(rows, coefficients, run.parts, run.training, seed(), start=start, **more)
    wide = dataclasses.replace(rows, x=rows.x.astype(real))
    torch.set_default_dtype(torch.float64)
    try:
        reference = Reference(wide, coefficients, run.parts, run.training, seed(), start=start, **more)
    finally:
        torch.set_default_dtype(torch.float32)
    in_double(reference)
    reference.coefficients = torch.from_numpy(np.asarray(coefficients, real))
    columns, loss = np.flatnonzero(rows.regression), run.parts["loss"]
    if len(columns):
        weights = importlib.import_module(loss.module).row_weights(rows.x, rows.y[:, columns], loss.options)
        reference.weights[:, torch.from_numpy(columns)] = torch.from_numpy(weights)
    return compiled, reference


def same(one, other):
    pd.testing.assert_frame_equal(one.predictions, other.predictions, check_exact=True)
    assert {k: v.history for k, v in one.fits.items()} == {k: v.history for k, v in other.fits.items()}
    assert one.extras.keys() == other.extras.keys()
    for name, table in one.extras.items():
        pd.testing.assert_frame_equal(table, other.extras[name], check_exact=True)
