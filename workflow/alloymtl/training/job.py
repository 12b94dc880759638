"""One training job: the networks of one run, each group of tasks in turn, and what they predict."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from alloymtl.files import sha256
from alloymtl.run import Run, engine_module
from alloymtl.sources import ROOT, sources
from alloymtl.training.dataset import Dataset
from alloymtl.training.loop import Engine, Fit, Loop, Observer
from alloymtl.training.streams import stream

SCORED = ("validation", "test")
ObserverFactory = Callable[[str], AbstractContextManager[Observer]]


@dataclass
class Outcome:
    """What a run leaves behind.

    Attributes:
        fits: for each group of tasks (joined by ``+``), the course of its training.
        predictions: alloy, task, partition, target, prediction; the study's units, or probability of class 1.
        relations: task, source, strength; None where the architecture learns none.
        engine: name of the engine that took the steps.
    """

    fits: dict[str, Fit]
    predictions: pd.DataFrame
    relations: pd.DataFrame | None
    engine: str


def code_of(run: Run) -> list[Path]:
    """Source files that decide a run's numbers: this job's, its engine's and those of its method's parts."""
    return [ROOT / file for file in sources([__name__, *run.modules()], ROOT)]


def fingerprint(run: Run, inputs: dict[str, str]) -> str:
    """Checksum of all that decides a run's numbers: specification, input checksums, and code."""
    code = [sha256(file) for file in code_of(run)]
    return hashlib.sha256(json.dumps([run.to_dict(), inputs, code], sort_keys=True).encode()).hexdigest()


def train(
    run: Run, data: Dataset, folder: Path, key: str, observe: ObserverFactory, checkpoint_seconds: float = 30.0
) -> Outcome:
    """Train every group of tasks of a run and predict its validation and test rows.

    Args:
        run: the specification.
        data: its rows.
        folder: where checkpoints go.
        key: fingerprint that a checkpoint must carry to be resumed from.
        observe: opens an observer for a group's name.
        checkpoint_seconds: at least this long between checkpoints; it decides no number.
    """
    names = [t.name for t in run.tasks]
    architecture = importlib.import_module(run.parts["architecture"].module)
    fits, predictions, relations, engine = {}, [], [], None
    for group in architecture.groups(names):
        columns = [names.index(name) for name in group]
        label = "+".join(group)
        with observe(label) as observer:
            loop = _loop(run, data, group, columns)
            path = folder / f"{label}.checkpoint.npz"
            fits[label] = loop.run(observer, path, key, checkpoint_seconds)
            engine = loop.engine
        predictions += _predict(engine, data, columns)
        learned = engine.relations()
        if learned is not None:
            relations += [
                {"task": task, "source": source, "strength": float(learned[i, j])}
                for i, task in enumerate(group)
                for j, source in enumerate(group)
            ]
    for leftover in folder.glob("*.checkpoint.npz"):
        leftover.unlink()
    return Outcome(
        fits=fits,
        predictions=pd.concat(predictions, ignore_index=True),
        relations=pd.DataFrame(relations) if relations else None,
        engine=engine.name,
    )


def _loop(run: Run, data: Dataset, group: list[str], columns: list[int]) -> Loop:
    train_rows, validation_rows = (data.rows(p, columns) for p in ("train", "validation"))
    balancer_module = importlib.import_module(run.parts["balancer"].module)
    coefficients = balancer_module.coefficients(data.sizes()[columns], run.parts["balancer"].options)
    engine = importlib.import_module(engine_module(run.training)).Engine(
        x=data.x[train_rows],
        y=data.y[np.ix_(train_rows, columns)],
        regression=[data.tasks[c].is_regression for c in columns],
        coefficients=coefficients,
        architecture=run.parts["architecture"],
        loss=run.parts["loss"],
        training=run.training,
        rng=stream(run.seed, group, "initialisation"),
    )
    return Loop(
        engine=engine,
        group=group,
        sampler=importlib.import_module(run.parts["sampler"].module),
        train_y=data.y[np.ix_(train_rows, columns)],
        validation=(data.x[validation_rows], data.y[np.ix_(validation_rows, columns)]),
        coefficients=coefficients,
        settings=run.training,
        seed=run.seed,
    )


def _predict(engine: Engine, data: Dataset, columns: list[int]) -> list[pd.DataFrame]:
    parts = []
    for position, column in enumerate(columns):
        task, scale = data.tasks[column], data.scales[column]
        for partition in SCORED:
            rows = data.rows(partition, [column])
            output = engine.predict(data.x[rows])[:, position].astype(np.float64)
            prediction = scale.restore(output) if task.is_regression else 1 / (1 + np.exp(-output))
            parts.append(
                pd.DataFrame(
                    {
                        "alloy": data.alloys[rows],
                        "task": task.name,
                        "partition": partition,
                        "target": data.labels[rows, column],
                        "prediction": prediction,
                    }
                )
            )
    return parts
