"""The train step: train one run, score it, and write its record."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.errors import UserError
from alloymtl.evaluation import metrics
from alloymtl.files import read_parquet, sha256, write_json, write_parquet
from alloymtl.progress.reporter import Reporter
from alloymtl.run import Run
from alloymtl.training.dataset import Dataset, build
from alloymtl.training.job import Outcome, fingerprint, train
from alloymtl.training.loop import Observer

LIBRARIES = ("numba", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "torch")
log = logging.getLogger("alloymtl")


def score(predictions: pd.DataFrame, data: Dataset, threshold: float) -> dict[str, dict[str, dict[str, float]]]:
    """Metrics of each task and partition: ``{task: {partition: {metric: value}}}``."""
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for task, scale in zip(data.tasks, data.scales, strict=True):
        of_task = predictions[predictions["task"] == task.name]
        scores[task.name] = {}
        for partition, rows in of_task.groupby("partition", sort=True):
            y, prediction = rows["target"].to_numpy(), rows["prediction"].to_numpy()
            try:
                scores[task.name][str(partition)] = (
                    metrics.regression(y, prediction, scale.label_sd)
                    if task.is_regression
                    else metrics.classification(y.astype(int), prediction, threshold)
                )
            except UserError as undefined:
                raise UserError(f"task {task.name}, {partition} rows", str(undefined)) from None
    return scores


def commit() -> str | None:
    """The git commit of the code, with ``+`` if files differ from it; None outside a checkout."""
    where = Path(__file__).parent
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=where, capture_output=True, text=True, check=False)
    if found.returncode:
        return None
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=where, capture_output=True, text=True, check=False)
    return found.stdout.strip() + ("+" if changed.stdout.strip() else "")


def record(run: Run, data: Dataset, outcome: Outcome, inputs: Mapping[str, str], seconds: float) -> dict[str, Any]:
    """The run record: specification, metrics, the course of training, and what it was made with."""
    of_task = {task: fit for label, fit in outcome.fits.items() for task in label.split("+")}
    stages = {name: {"epochs": fit.epochs, "steps": fit.steps} for name, fit in outcome.fits.items()}
    labels = outcome.predictions.groupby(["task", "partition"]).size()
    return {
        "specification": run.to_dict(),
        "simulated": run.simulated,
        "engine": outcome.engine,
        "metrics": score(outcome.predictions, data, run.threshold),
        "best_epoch": {t.name: of_task[t.name].best_epoch[t.name] for t in run.tasks},
        "epochs": {t.name: of_task[t.name].epochs for t in run.tasks},
        "steps": {t.name: of_task[t.name].steps for t in run.tasks},
        "stages": stages,
        "task_steps": {t.name: of_task[t.name].task_steps[t.name] for t in run.tasks},
        "labels": {
            t.name: {
                "train": len(data.rows("train", [c])),
                **{p: int(labels[(t.name, p)]) for p in ("validation", "test")},
            }
            for c, t in enumerate(run.tasks)
        },
        "scaling": {
            t.name: {"transform": s.transform, "mean": s.mean, "sd": s.sd, "label_sd": s.label_sd}
            for t, s in zip(data.tasks, data.scales, strict=True)
        },
        "seconds": round(seconds, 1),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "git_commit": commit(),
        "predictions_sha256": checksum(outcome.predictions),
        "inputs": dict(inputs),
    }


def checksum(predictions: pd.DataFrame) -> str:
    """Checksum of the test predictions' values, by which two configurations that are in truth one are found."""
    of_test = predictions[predictions["partition"] == "test"]
    digest = hashlib.sha256("\n".join(of_test["task"] + "|" + of_test["alloy"]).encode())
    digest.update(of_test["prediction"].to_numpy(dtype=np.float64).tobytes())
    return digest.hexdigest()


def step(spec: Mapping[str, Any], inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> None:
    """Train one run and write record, predictions, history, and the tables that its method or diagnostics add.

    Raises:
        UserError: training diverged, a metric is undefined, or a table that the rule expects was not made.
    """
    began = time.monotonic()
    run = Run.from_dict(spec)
    folder = outputs["record"].parent
    data = build(read_parquet(inputs["features"]), read_parquet(inputs["split"]), run.tasks, run.level)
    checksums = {name: sha256(path) for name, path in sorted(inputs.items())}

    def observe(group: str) -> AbstractContextManager[Observer]:
        tasks = "" if len(group.split("+")) == len(run.tasks) else f" {group}"
        name = f"{run.method}{tasks} level-{run.level} split-{run.split_seed} seed-{run.seed}"
        return Reporter(folder / "progress.json", name, run.training["max_epochs"])

    seconds = float(os.environ.get("ALLOYMTL_CHECKPOINT_SECONDS", "30"))
    outcome = train(run, data, folder, fingerprint(run, checksums), observe, seconds)
    content = record(run, data, outcome, checksums, time.monotonic() - began)
    history = pd.concat([pd.DataFrame(fit.history) for fit in outcome.fits.values()], ignore_index=True)
    write_parquet(outputs["predictions"], outcome.predictions)
    write_parquet(outputs["history"], history)
    for name in outputs.keys() - {"record", "predictions", "history"}:
        if name not in outcome.extras or outcome.extras[name].empty:
            what = f"nothing to write to {name}.parquet: this run has a single task in each network."
            raise UserError(run.folder, what, "leave this method or diagnostic out of a study of one task.")
        write_parquet(outputs[name], outcome.extras[name])
    write_json(outputs["record"], content)
