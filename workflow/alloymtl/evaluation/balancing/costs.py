"""Step ``balancing_costs``: what each method of the experiment on balancing costs, beside what it gains."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.errors import UserError
from alloymtl.evaluation.balancing import roles
from alloymtl.evaluation.balancing.delta import linearised, overall
from alloymtl.evaluation.metrics import check_metrics
from alloymtl.evaluation.samples import Values, values_on_test
from alloymtl.evaluation.statistics import paired_t
from alloymtl.experiment import Experiment
from alloymtl.files import read_parquet, write_parquet
from alloymtl.run import Level, run_folder

COLUMNS = {
    "experiment": "str",
    "level": "str",
    "sampler": "str",
    "method": "str",
    "family": "str",
    "baseline": "str",
    "n_runs": "int64",
    "trainings": "int64",
    "microseconds_per_step": "float64",
    "relative_step": "float64",
    "seconds": "float64",
    "relative_seconds": "float64",
    "n_pairs": "int64",
    "delta": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
}
CELL = ["method", "level", "split_seed", "seed"]
MEND = "build the target `runs`, then the collected tables again."


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write the table ``balancing_costs``: one row per sampler and method of the experiment, at its largest level.

    ``seconds`` is the median over runs of all seconds of a run, those of every one of its ``trainings`` (a grid search
    has many, independent networks one for each task). ``microseconds_per_step`` is that of seconds by optimiser steps;
    of a search only the steps of the training that was kept are on record, which stand for those of each. The
    ``relative`` ones are the same over those of the plain ``baseline`` of the sampler, and empty where there is none.
    ``delta`` is Delta_m against independent networks in percent, higher is better, with its t-interval of coverage
    1 - alpha over units (see ``delta.linearised``); that of the independent networks themselves is zero by definition,
    and has none. Seconds are those of the machines that happened to run the jobs, beside whatever else these ran.

    The table is empty where the study has no experiment ``balancing`` with independent networks.

    Args:
        spec: the study as the paper is told of it.
        inputs: ``metrics``, ``runs``.
        outputs: ``balancing_costs``.

    Raises:
        UserError: ``evaluation`` names an unknown metric, or a run is missing.
    """
    check_metrics(spec["evaluation"], "config")
    rows: list[dict[str, Any]] = []
    for experiment in (Experiment.from_dict(e) for e in spec["experiments"] if e["name"] == roles.EXPERIMENT):
        independent = roles.find(experiment.methods, spec["methods"], roles.is_independent)
        if independent is not None:
            values = values_on_test(read_parquet(inputs["metrics"]), inputs["metrics"])
            rows += _rows(experiment, independent, spec, values, _courses(inputs["runs"]))
    table = pd.DataFrame({name: [row[name] for row in rows] for name in COLUMNS}).astype(COLUMNS)
    write_parquet(outputs["balancing_costs"], table)


def _courses(path: Path) -> pd.DataFrame:
    """Seconds, steps and trainings of each run, by its cell."""
    runs = read_parquet(path, [*CELL, "steps", "seconds", "trainings"])
    return runs.assign(level=runs["level"].astype(str)).set_index(CELL).sort_index()


def _rows(
    experiment: Experiment, independent: str, spec: Mapping[str, Any], values: Values, courses: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    methods, level = spec["methods"], largest(experiment)
    costs = {
        name: _cost(name, level, experiment, courses, searched=not roles.is_independent(methods[name]))
        for name in experiment.methods
    }
    for name in experiment.methods:
        sampler = roles.sampler(methods[name])
        baseline = roles.find(experiment.methods, methods, roles.is_baseline, sampler)
        own, plain = costs[name], costs.get(baseline or "", {})
        yield {
            "experiment": experiment.name,
            "level": str(level),
            "sampler": sampler,
            "method": name,
            "family": roles.family(methods[name]["balancer"]["name"]),
            "baseline": baseline or "",
            **own,
            "relative_step": own["microseconds_per_step"] / plain.get("microseconds_per_step", math.nan),
            "relative_seconds": own["seconds"] / plain.get("seconds", math.nan),
            **_gain(name, level, experiment, independent, spec, values),
        }


def largest(experiment: Experiment) -> Level:
    """The largest level of an experiment."""
    return max(experiment.levels, key=lambda level: math.inf if level == "all" else level)


def _cost(method: str, level: Level, experiment: Experiment, courses: pd.DataFrame, searched: bool) -> dict[str, Any]:
    """Medians over the runs of a method; where it is ``searched`` for, one of several trainings is kept."""
    wanted = [(method, str(level), *replicate) for replicate in experiment.replicates()]
    for cell in wanted:
        if cell not in courses.index:
            raise UserError(run_folder(*cell), "the table of runs lacks it.", MEND)
    runs = courses.loc[wanted]
    steps = runs["steps"] * (runs["trainings"] if searched else 1)
    return {
        "n_runs": len(runs),
        "trainings": int(runs["trainings"].max()),
        "microseconds_per_step": float((runs["seconds"] / steps).median() * 1e6),
        "seconds": float(runs["seconds"].median()),
    }


def _gain(
    method: str, level: Level, experiment: Experiment, independent: str, spec: Mapping[str, Any], values: Values
) -> dict[str, Any]:
    """Delta_m against independent networks with its interval; of a single unit without one."""
    tasks = {task["name"]: task["kind"] for task in spec["tasks"]}
    found = overall(linearised(values, experiment, method, independent, level, tasks, spec["evaluation"])).to_numpy()
    low = high = math.nan
    if method != independent and len(found) > 1 and np.isfinite(found).all():
        t = paired_t(found, np.zeros_like(found), 1 - spec["evaluation"]["alpha"])
        low, high = t.ci_low, t.ci_high
    return {"n_pairs": len(found), "delta": float(found.mean()), "ci_low": low, "ci_high": high}
