"""A folder of finished runs in the shapes of the default study, as ``collect`` finds it; what they hold is made up.

Every run has files of its own, as runs do: links to one file would all be read from the processor's cache.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations_with_replacement, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.config import read
from alloymtl.evaluation.job import record
from alloymtl.evaluation.seal import FILES, sealed
from alloymtl.experiment import MAIN, Experiment
from alloymtl.run import Level, Run
from alloymtl.study import Study
from alloymtl.training.dataset import Dataset
from alloymtl.training.job import SCORED, Outcome
from alloymtl.training.loop import Fit
from bench.processes import ROOT
from bench.rows import HELD_OUT, made_up

MAIN_METHODS = ("independent", "hard", "structured", "pcgrad")
MAIN_RUNS = 100
"""Runs of the experiment ``main``, whose histories and predictions are collected."""
OTHER_METHODS = (
    *("lds", "bmse", "gradnorm", "lds_pcgrad", "weights_equal", "structured_no_decay", "soft_1em2", "fds"),
    *("transfer_frozen", "hard_per_task", "pcgrad_random"),
)
LEVELS: tuple[Level, ...] = (1000, 5000, 10000, 25000, "all")
EPOCHS = 120  # of a run that its patience ends
MEASURES = ("cosine", "cosine_sd", "cosine_large", "product_halves")
ELEMENTS = ("Al", "Ti", "Cr", "Fe", "Co", "Ni", "Cu", "Zr", "Mo", "W", "Mn", "Si", "Mg", "Re", "Ta")


@dataclass(frozen=True)
class Template:
    """What the runs of a level have in common: the record but for its specification, and bytes of tables by name."""

    record: Mapping[str, Any]
    tables: Mapping[str, bytes]
    checksums: Mapping[str, str]


def make(folder: Path, runs: int, keep: tuple[str, ...]) -> dict[str, Any]:
    """Write the runs; what the step ``collect`` is to be told of them.

    Args:
        folder: where they go.
        runs: about how many, more than ``MAIN_RUNS``.
        keep: what is collected of those outside the experiment ``main``, beside their metrics.
    """
    study = Study.from_config(read(ROOT / "config" / "config.yaml"))
    experiments = matrix(runs, keep)
    data = made_up(study.run("hard", "all", 0, 0).tasks)
    templates = {level: template(study.run("hard", level, 0, 0), data) for level in LEVELS}
    for cell in (cell for experiment in experiments for cell in experiment.cells()):
        run = study.run(*cell)
        write(folder / run.folder, run, templates[run.level], study.methods[run.method].extras())
    tasks = [{"name": task.name, "kind": task.kind} for task in study.tasks]
    extras = {method.name: method.extras() for method in study.trained}
    return {"runs": str(folder), "experiments": [asdict(e) for e in experiments], "tasks": tasks, "extras": extras}


def matrix(runs: int, keep: tuple[str, ...]) -> list[Experiment]:
    """The experiment ``main`` and one of many methods, levels and seeds; together about so many runs."""
    seeds = max(1, round((runs - MAIN_RUNS) / (len(OTHER_METHODS) * len(LEVELS))))
    main = Experiment(MAIN, MAIN_METHODS, (), ("all",), (42,), tuple(range(MAIN_RUNS // len(MAIN_METHODS))))
    return [main, Experiment("other", OTHER_METHODS, (), LEVELS, (42,), tuple(range(seeds)), keep)]


def write(folder: Path, run: Run, of_level: Template, extras: tuple[str, ...]) -> None:
    """Write one run; its record is sealed for its own specification."""
    folder.mkdir(parents=True)
    names = ("history", "predictions", *extras)
    for name in names:
        (folder / f"{name}.parquet").write_bytes(of_level.tables[name])
    files = {name: of_level.checksums[name] for name in sorted(names)}
    content = sealed({**of_level.record, "specification": run.to_dict(), FILES: files})
    (folder / "record.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def template(run: Run, data: Dataset) -> Template:
    """Record and tables of a run of ``EPOCHS`` epochs."""
    rng = np.random.default_rng(0)
    names = [task.name for task in run.tasks]
    predictions = _predictions(run, data, rng)
    curves = pd.DataFrame(product(range(1, EPOCHS + 1), names, ("train", "validation")))
    curves.columns = ["epoch", "task", "partition"]
    measured = range(1, EPOCHS + 1, 2)
    gradients = pd.DataFrame([(e, *p, m) for e in measured for p in _pairs(names) for m in MEASURES])
    gradients.columns = ["epoch", "first", "second", "measure"]
    frames = {
        "predictions": predictions,
        "history": curves.assign(loss=rng.random(len(curves)), learning_rate=0.001),
        "gradients": gradients.assign(value=rng.normal(size=len(gradients)), n=64),
        "relations": pd.DataFrame(product(names, names), columns=["task", "source"]).assign(strength=0.5),
        "similarity": pd.DataFrame(_pairs(names), columns=["first", "second"]).assign(measure="cka", value=0.5),
    }
    fit = Fit(best_epoch=dict.fromkeys(names, EPOCHS // 2), epochs=EPOCHS, steps=1000 * EPOCHS)
    fit.task_steps = dict.fromkeys(names, fit.steps)
    outcome = Outcome({"+".join(names): fit}, predictions, {}, "compiled")
    content = record(run, data, outcome, dict.fromkeys(("features", "split"), "0" * 64), 30.0)
    tables = {name: _bytes(frame) for name, frame in frames.items()}
    return Template(content, tables, {name: hashlib.sha256(table).hexdigest() for name, table in tables.items()})


def _predictions(run: Run, data: Dataset, rng: np.random.Generator) -> pd.DataFrame:
    """Of the rows that a level keeps: all but of the first task, which is the largest."""
    parts = []
    for partition, (column, task) in product(SCORED, enumerate(run.tasks)):
        labels = data.labels[data.rows(partition, [column]), column]
        if column == 0 and run.level != "all":
            labels = labels[: round(HELD_OUT * int(run.level))]
        shares = np.round(rng.dirichlet(np.full(3, 2.0), len(labels)) * 100, 2)
        elements = rng.choice(ELEMENTS, (len(labels), 3))
        alloys = [
            "".join(f"{e}{s:.2f}" for e, s in zip(*row, strict=True)) for row in zip(elements, shares, strict=True)
        ]
        of_task = {"alloy": alloys, "task": task.name, "partition": partition, "target": np.round(labels, 2)}
        parts.append(pd.DataFrame({**of_task, "prediction": rng.random(len(labels))}))
    return pd.concat(parts, ignore_index=True)


def _pairs(names: list[str]) -> list[tuple[str, str]]:
    return list(combinations_with_replacement(names, 2))


def _bytes(table: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    table.to_parquet(stream, index=False, compression="zstd")
    return stream.getvalue()


if __name__ == "__main__":
    # A process of its own, with which the memory of what training needs is gone: FOLDER SPEC RUNS [TABLE...].
    place, spec, number, *kept = sys.argv[1:]
    Path(spec).write_text(json.dumps(make(Path(place), int(number), tuple(kept))), encoding="utf-8")
