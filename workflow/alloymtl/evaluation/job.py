"""The train step: train one run, score it, and write its record."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import resource
import subprocess
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.errors import UserError
from alloymtl.evaluation import metrics
from alloymtl.evaluation.seal import FILES, damaged, is_intact, sealed
from alloymtl.files import read_json, read_parquet, sha256, sweep, write_again, write_json, write_parquet, write_text
from alloymtl.progress.reporter import Reporter
from alloymtl.run import Run
from alloymtl.sources import ROOT, sources
from alloymtl.training.dataset import Dataset, build
from alloymtl.training.interruption import heeding
from alloymtl.training.job import Outcome, fingerprint, forget, train
from alloymtl.training.loop import Observer

TWIN = ".record.json"
"""A second copy of a record, out of Snakemake's sight."""
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
    """The git commit of the code, with ``+`` if files differ from it; None outside a checkout, or without git."""
    where = Path(__file__).parent
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=where, capture_output=True, text=True, check=False)
    except OSError:
        return None
    if found.returncode:
        return None
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=where, capture_output=True, text=True, check=False)
    return found.stdout.strip() + ("+" if changed.stdout.strip() else "")


def machine() -> dict[str, str | None]:
    """Where the run was trained: host, processor and Slurm's number of the job, as far as they can be told."""
    models: list[str] = []
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "host": platform.node(),
        "processor": next(iter(models), None) or platform.processor() or platform.machine(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
    }


def identity(run: Run, inputs: Mapping[str, str]) -> str:
    """Checksum of all that decides a run's files: what decides its training, and the code of this step.

    Args:
        run: the specification.
        inputs: checksums of the files that it reads.
    """
    code = [sha256(ROOT / file) for file in sources([__name__], ROOT)]
    return hashlib.sha256(json.dumps([fingerprint(run, dict(inputs)), code]).encode()).hexdigest()


def record(run: Run, data: Dataset, outcome: Outcome, inputs: Mapping[str, str], seconds: float) -> dict[str, Any]:
    """The run record: specification, metrics, the course of training, and what it was made with.

    Args:
        run: the specification.
        data: its rows.
        outcome: what training left.
        inputs: checksums of the files that it read.
        seconds: that this process took.
    """
    of_task = {task: fit for label, fit in outcome.fits.items() for task in label.split("+")}
    stages = {
        name: {"epochs": fit.epochs, "steps": fit.steps, "trainings": fit.trainings}
        for name, fit in outcome.fits.items()
    }
    labels = outcome.predictions.groupby(["task", "partition"]).size()
    return {
        "specification": run.to_dict(),
        "identity": identity(run, inputs),
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
        "seconds": round(seconds + sum(fit.spent for fit in outcome.fits.values()), 1),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "machine": machine(),
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


def finished_before(run: Run, inputs: Mapping[str, str], folder: Path) -> str | None:
    """Text of the record that this very run has left in its folder, if it and all its files are whole; else None.

    Snakemake removes the record of a run that it starts once more. It does so after a build was killed, or a node was
    lost, between a run's end and Snakemake's notice of it.
    """
    twin = folder / TWIN
    try:
        found = read_json(twin)
        whole = is_intact(found) and found["identity"] == identity(run, inputs) and not damaged(found, folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return twin.read_text(encoding="utf-8") if whole else None


def step(spec: Mapping[str, Any], inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> None:
    """Train one run and write record, predictions, history, and the tables that its method or diagnostics add.

    The record comes last and names the checksums of all others, so that a run with a record is a whole one. A run that
    has finished before is not trained again: to have it so, delete its folder.

    Raises:
        UserError: training diverged, a metric is undefined, a table that the rule expects was not made, there is no
            room for a file, or the process was asked to stop.
    """
    began = time.monotonic()
    run = Run.from_dict(spec)
    folder = outputs["record"].parent
    sweep(folder)
    checksums = {name: sha256(path) for name, path in sorted(inputs.items())}
    if text := finished_before(run, checksums, folder):
        write_text(outputs["record"], text)
        forget(folder)
        log.info("%s had finished before; its files are whole and stay", run.folder)
        return
    (folder / TWIN).unlink(missing_ok=True)
    data = build(read_parquet(inputs["features"]), read_parquet(inputs["split"]), run.tasks, run.level)

    def observe(group: str) -> AbstractContextManager[Observer]:
        tasks = "" if len(group.split("+")) == len(run.tasks) else f" {group}"
        name = f"{run.method}{tasks} level-{run.level} split-{run.split_seed} seed-{run.seed}"
        return Reporter(folder / "progress.json", name, run.training["max_epochs"])

    seconds = float(os.environ.get("ALLOYMTL_CHECKPOINT_SECONDS", "30"))
    with heeding() as asked_to_stop:
        outcome = train(run, data, folder, fingerprint(run, checksums), observe, seconds, asked_to_stop)
    content = record(run, data, outcome, checksums, time.monotonic() - began)
    history = pd.concat([pd.DataFrame(fit.history) for fit in outcome.fits.values()], ignore_index=True)
    tables = {"predictions": outcome.predictions, "history": history, **outcome.extras}
    written = {}
    for name in sorted(outputs.keys() - {"record"}):
        if name not in tables or tables[name].empty:
            what = f"nothing to write to {name}.parquet: this run has a single task in each network."
            raise UserError(run.folder, what, "leave this method or diagnostic out of a study of one task.")
        written[name] = write_parquet(outputs[name], tables[name])
    write_json(folder / TWIN, sealed({**content, FILES: written}))
    write_again(folder / TWIN, outputs["record"])
    forget(folder)
