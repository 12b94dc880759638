"""One training job: the stages of one run, each in turn, and what their networks predict."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.files import sha256
from alloymtl.methods.stages import Stage
from alloymtl.run import Run, engine_module
from alloymtl.sources import ROOT, sources
from alloymtl.training import similarity
from alloymtl.training.dataset import Dataset
from alloymtl.training.interruption import Asked, never
from alloymtl.training.loop import Fit, Loop, Observer, Plan
from alloymtl.training.search import search
from alloymtl.training.streams import stream

SCORED = ("validation", "test")
CHECKPOINT = ".checkpoint.npz"
ObserverFactory = Callable[[str], AbstractContextManager[Observer]]


@dataclass
class Outcome:
    """What a run leaves behind.

    Attributes:
        fits: for each stage (its tasks joined by ``+``), the course of its training.
        predictions: alloy, task, partition, target, prediction; the study's units, or probability of class 1.
        extras: tables that the method's architecture or the run's diagnostics add, by file name without ending:
            ``relations`` (task, source, strength), ``similarity`` (first, second, measure, value), ``gradients``
            (epoch, first, second, measure, value, n), ``search`` (trial, task, weight, validation_loss, change, kept).
        engine: name of the engine that took the steps.
    """

    fits: dict[str, Fit]
    predictions: pd.DataFrame
    extras: dict[str, pd.DataFrame]
    engine: str


def code_of(run: Run) -> list[Path]:
    """Source files that decide a run's numbers: this job's, its engine's and those of its method's parts."""
    return [ROOT / file for file in sources([__name__, *run.modules()], ROOT)]


def fingerprint(run: Run, inputs: dict[str, str]) -> str:
    """Checksum of all that decides a run's numbers: specification, input checksums, and code."""
    code = [sha256(file) for file in code_of(run)]
    return hashlib.sha256(json.dumps([run.to_dict(), inputs, code], sort_keys=True).encode()).hexdigest()


def train(
    run: Run,
    data: Dataset,
    folder: Path,
    key: str,
    observe: ObserverFactory,
    checkpoint_seconds: float = 30.0,
    asked_to_stop: Asked = never,
) -> Outcome:
    """Train every stage of a run and predict its validation and test rows.

    The checkpoints stay (see ``forget``) until what follows from them is written.

    Args:
        run: the specification.
        data: its rows.
        folder: where checkpoints go.
        key: fingerprint that a checkpoint must carry to be resumed from.
        observe: opens an observer for a stage's label.
        checkpoint_seconds: at least this long between checkpoints; it decides no number.
        asked_to_stop: whether the process is to end.

    Raises:
        UserError: training diverged, or the process was asked to stop.
    """
    names = [t.name for t in run.tasks]
    part = run.parts["architecture"]
    stages = importlib.import_module(part.module).stages(names, data.sizes(), part.options)
    fits: dict[str, Fit] = {}
    backbones: dict[str, dict[str, np.ndarray]] = {}
    predictions: list[pd.DataFrame] = []
    lines: dict[str, list[dict[str, Any]]] = {}
    started = {stage.start for stage in stages}
    for stage in stages:
        columns = [names.index(name) for name in stage.tasks]
        start = backbones.get(stage.start)
        candidates = _candidates(run, data.sizes()[columns])

        def make(weights: np.ndarray, stage: Stage = stage, columns: list[int] = columns, start: Any = start) -> Loop:
            return _loop(run, data, stage, columns, start, weights)

        def fit(loop: Loop, number: int, stage: Stage = stage, several: bool = len(candidates) > 1) -> None:
            # A candidate's checkpoint stays when it is done, so that a run that is killed goes on with the next.
            name = f"{stage.label}-{number}" if several else stage.label
            with observe(stage.label) as observer:
                loop.run(observer, folder / f"{name}{CHECKPOINT}", key, checkpoint_seconds, asked_to_stop)

        loop, tried = search(importlib.import_module(run.parts["balancer"].module), candidates, make, fit)
        fits[stage.label] = loop.fit
        lines.setdefault("search", []).extend(tried)
        predictions += _predict(loop, data, columns)
        if stage.label in started:
            backbones[stage.label] = loop.engine.backbone()
        for name, found in _extras(loop, data, columns).items():
            lines.setdefault(name, []).extend(found)
    return Outcome(
        fits=fits,
        predictions=pd.concat(predictions, ignore_index=True),
        extras={name: pd.DataFrame(found) for name, found in lines.items() if found},
        engine=loop.engine.name,
    )


def forget(folder: Path) -> None:
    """Remove the checkpoints of a run that is finished."""
    for checkpoint in folder.glob(f"*{CHECKPOINT}"):
        checkpoint.unlink(missing_ok=True)


def _candidates(run: Run, sizes: np.ndarray) -> list[np.ndarray]:
    """Static weights of the tasks' losses to train with: those of the balancer, or all that it wants to try."""
    balancer = run.parts["balancer"]
    module = importlib.import_module(balancer.module)
    if hasattr(module, "candidates"):
        return module.candidates(sizes, balancer.options)
    return [module.coefficients(sizes, balancer.options)]


def _loop(
    run: Run,
    data: Dataset,
    stage: Stage,
    columns: list[int],
    start: dict[str, np.ndarray] | None,
    coefficients: np.ndarray,
) -> Loop:
    rows = data.training_rows(columns)
    validation = data.rows("validation", columns)
    sampler = run.parts["sampler"]
    gradients = run.diagnostics.get("gradients")
    engine = importlib.import_module(engine_module(run.training)).Engine(
        rows=rows,
        coefficients=coefficients,
        parts=run.parts,
        training=run.training,
        rng=stream(run.seed, stage.tasks, "initialisation"),
        start=start,
        frozen=stage.frozen,
        measure_every=gradients["step_interval"] if gradients and len(columns) > 1 else 0,
    )
    plan = Plan(
        tasks=stage.tasks,
        rows=rows,
        validation=(data.x[validation], data.y[np.ix_(validation, columns)]),
        coefficients=coefficients,
        sampler=importlib.import_module(sampler.module),
        sampler_options=sampler.options,
        settings=run.training,
        probe=gradients,
        seed=run.seed,
    )
    return Loop(engine, plan)


def _extras(loop: Loop, data: Dataset, columns: list[int]) -> dict[str, list[dict[str, Any]]]:
    """What a trained stage has to tell beside its predictions, by the best epoch's parameters."""
    tasks = list(loop.plan.tasks)
    loop.load_best(tasks[0])
    found: dict[str, list[dict[str, Any]]] = {}
    learned = loop.engine.relations()
    if learned is not None:
        found["relations"] = [
            {"task": task, "source": source, "strength": float(learned[i, j])}
            for i, task in enumerate(tasks)
            for j, source in enumerate(tasks)
        ]
    backbones = loop.engine.backbones(data.x[data.rows("validation", columns)])
    if backbones is not None:
        found["similarity"] = similarity.of_backbones(*backbones, tasks)
    if loop.plan.probe is not None:
        found["gradients"] = loop.fit.gradients
    return found


def _predict(loop: Loop, data: Dataset, columns: list[int]) -> list[pd.DataFrame]:
    parts = []
    for position, column in enumerate(columns):
        task, scale = data.tasks[column], data.scales[column]
        loop.load_best(task.name)
        for partition in SCORED:
            rows = data.rows(partition, [column])
            output = loop.engine.predict(data.x[rows])[:, position].astype(np.float64)
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
