"""What figures of runs show: the value of every run, their mean and its interval, the value that was reported."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alloymtl.errors import UserError
from alloymtl.evaluation.samples import units
from alloymtl.evaluation.statistics import paired_t
from alloymtl.experiment import Experiment
from alloymtl.files import read_parquet
from alloymtl.paper.cells import MEND
from alloymtl.paper.material import Material
from alloymtl.paper.spec import shown_level
from alloymtl.run import Level, run_folder
from alloymtl.task import Task

CELL = ["method", "level", "split_seed", "seed"]
COLUMNS = [
    "experiment",
    "method",
    "level",
    "task",
    "metric",
    "series",
    "split_seed",
    "seed",
    "value",
    "ci_low",
    "ci_high",
    "n",
]


def majority(material: Material) -> Task:
    """The task with the most labels, which levels cut down; the first by name among equals."""
    tasks = sorted(material.study.tasks, key=lambda task: task.name)
    return max(tasks, key=lambda task: material.ingest["labels"][task.name])


def interval(values: NDArray[np.float64], experiment: Experiment, alpha: float) -> dict[str, float]:
    """Mean over the runs of a method, and the t-interval of that mean with coverage 1 - ``alpha``.

    What counts as independent is what counts in paired tests: with one split its seeds, with several the splits.

    Args:
        values: one for each run, in the order of ``experiment.replicates()``.
        experiment: its split seeds and seeds.
        alpha: 1 - coverage.

    Returns:
        ``value``, ``ci_low``, ``ci_high``, and ``n``, the number of splits or seeds behind them. A single one has no
        interval: its ends are NaN.
    """
    independent = units(values, experiment.replicates())
    if independent.size < 2:
        return {"value": float(independent[0]), "ci_low": math.nan, "ci_high": math.nan, "n": 1}
    t = paired_t(independent, np.zeros_like(independent), 1 - alpha)
    return {"value": t.mean_difference, "ci_low": t.ci_low, "ci_high": t.ci_high, "n": t.n}


def scores(
    material: Material,
    experiment: Experiment,
    methods: Iterable[str] | None = None,
    levels: Iterable[Level] | None = None,
    tasks: Iterable[Task] | None = None,
) -> pd.DataFrame:
    """Each task's first metric on the test rows: a row for each run (series ``run``) and one for their mean (``mean``).

    Args:
        material: the study and its results.
        experiment: whose runs.
        methods: some of its methods; all where left out.
        levels: some of its levels; the one of ``shown_level`` where left out.
        tasks: some of the study's tasks; all where left out.

    Returns:
        The columns ``COLUMNS``; ``ci_low``, ``ci_high`` and ``n`` belong to means alone.

    Raises:
        UserError: a cell is missing.
    """
    study = material.study
    rows: list[dict[str, Any]] = []
    for method in experiment.methods if methods is None else methods:
        for level in [shown_level(experiment)] if levels is None else levels:
            for task in study.tasks if tasks is None else tasks:
                metric = study.metrics(task)[0]
                name = {"experiment": experiment.name, "method": method, "level": str(level)}
                name |= {"task": task.name, "metric": metric}
                values = material.scores.of(experiment, method, level, task, metric)
                rows += [{**name, **row} for row in runs_and_mean(values, experiment, study.evaluation["alpha"])]
    return tidy(rows, COLUMNS)


def with_reported(material: Material, data: pd.DataFrame, table: int) -> pd.DataFrame:
    """``data``, and below it a row (series ``reported``) for each of its means that a table of the paper has too."""
    paper = material.reported
    if paper is None:
        return data
    means = data[data["series"] == "mean"].drop_duplicates(["method", "level", "task", "metric"])
    values = [paper.of(table, r.task, r.metric, r.method, r.level).value for r in means.itertuples()]
    told = means.assign(series="reported", value=values, ci_low=math.nan, ci_high=math.nan, n=pd.NA)
    told = told[told["value"].notna()].astype(data.dtypes.to_dict())
    return pd.concat([data, told], ignore_index=True) if len(told) else data


def runs_and_mean(values: NDArray[np.float64], experiment: Experiment, alpha: float) -> Iterator[dict[str, Any]]:
    """A row for each run (series ``run``), in the order of ``experiment.replicates()``, and one for their mean."""
    for (split_seed, seed), value in zip(experiment.replicates(), values, strict=True):
        yield {"series": "run", "split_seed": split_seed, "seed": seed, "value": float(value)}
    yield {"series": "mean", **interval(values, experiment, alpha)}


def tidy(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Rows as a table with these columns; seeds, epochs and counts stay whole numbers where a row has none."""
    whole = {name: "Int64" for name in ("split_seed", "seed", "epoch", "n") if name in columns}
    return pd.DataFrame(rows, columns=columns).astype(whole)


def runs_of(
    material: Material, name: str, experiment: Experiment, methods: Iterable[str], keys: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Rows of a study-level table that belong to an experiment, at the level that its figures show, run by run.

    Args:
        material: the study and its results.
        name: an input of the step, a table with the columns ``CELL``.
        experiment: its split seeds and seeds.
        methods: some of its methods.
        keys: rows that every run must have, as columns of the table; others are left out. All that there are where it
            is left out itself.

    Raises:
        UserError: a run has none of them, or lacks one that it must have.
    """
    table = read_parquet(material.inputs[name])
    table = table.assign(level=table["level"].astype(str))
    level = str(shown_level(experiment))
    cells = [(method, level, *replicate) for method in methods for replicate in experiment.replicates()]
    wanted = pd.DataFrame(cells, columns=CELL)
    wanted = wanted if keys is None else wanted.merge(keys, how="cross")
    found = wanted.merge(table, on=list(wanted), how="left", indicator=True)
    absent = found[found["_merge"] == "left_only"]
    if len(absent):
        first = absent.iloc[0]
        what = f"there is no row{'' if keys is None else ' of ' + ', '.join(first[list(keys)])}."
        raise UserError(f"{material.inputs[name]}: {run_folder(*first[CELL])}", what, MEND)
    return found.drop(columns="_merge")
