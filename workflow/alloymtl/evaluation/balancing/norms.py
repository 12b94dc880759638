"""Step ``norms``: do the norms of the tasks' gradients predict which task gains by joint training, and which loses?

The finding of arXiv:2509.23915, that optimisation imbalance goes with the norms of the tasks' gradients.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alloymtl.errors import UserError
from alloymtl.evaluation.balancing import roles
from alloymtl.evaluation.balancing.correlation import KINDS, Correlation, averaged, clustered, correlation
from alloymtl.evaluation.balancing.delta import changes
from alloymtl.evaluation.balancing.gradient_norms import CORRECTED, MEASURES, RUN, Norms
from alloymtl.evaluation.metrics import check_metrics
from alloymtl.evaluation.samples import Values, units, values_on_test
from alloymtl.experiment import Experiment
from alloymtl.files import read_parquet, write_parquet

COLUMNS = {
    "experiment": "str",
    "sampler": "str",
    "method": "str",
    "measure": "str",
    "over": "str",
    "level": "str",
    "task": "str",
    "coefficient": "str",
    "value": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "n_points": "int64",
    "n_clusters": "int64",
    "ratio": "float64",
}
POINT_COLUMNS = {
    "experiment": "str",
    "sampler": "str",
    "method": "str",
    "measure": "str",
    "level": "str",
    "unit": "int64",
    "task": "str",
    "share": "float64",
    "delta": "float64",
}
TASKS, LEVELS, BOTH, EPOCHS, EPOCH_CHANGES = "tasks", "levels", "tasks and levels", "epochs", "changes between epochs"
OVER = (TASKS, LEVELS, BOTH, EPOCHS, EPOCH_CHANGES)
FEWEST = 4
"""Epochs that a correlation over them needs: Fisher's z of fewer has no finite variance."""


@dataclass(frozen=True)
class Points:
    """One method by one measure: shape (units, levels, tasks) each.

    ``share`` is the log of a task's norm relative to the geometric mean of the tasks', mean over the runs of a unit,
    ``delta`` the task's change against independent networks in percent. ``units`` are their seeds or split seeds.
    """

    share: NDArray[np.float64]
    delta: NDArray[np.float64]
    units: list[int]


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write the tables ``norms`` (correlations) and ``norm_points`` (what they are of, run by run).

    Every method of the experiment ``imbalance_norms`` has its rows. ``measure``: norms of the gradients that training
    met (``norm``), the same times the multiplier that the balancer gave each (``norm_scaled``), and those of the
    gradients of all training rows, corrected for noise (``norm_corrected``). ``over``: what a correlation is over.

    - ``tasks``: tasks and units at one level; ``levels``: levels and units of one task; ``tasks and levels``: all. Of a
      task's norm (log, relative to the geometric mean of the tasks' norms) with its Delta_m against independent
      networks, one point for each unit, task and level.
    - ``epochs``: of the same norm with the lead of the task's validation loss over the lowest of its independent
      network, in one run, then averaged over runs, and over tasks where ``task`` is empty (``correlation.averaged``);
      ``changes between epochs``: of the changes of both from an epoch to the next, so that no common trend counts.

    Positive is where the task of the larger gradient does better. Intervals draw units (the seeds of a single split,
    else the splits), so that no run of a seed counts as a witness of its own; ``n_clusters`` is their number. They tell
    what other seeds would give, and not what other tasks would. ``ratio`` is the largest norm over the smallest,
    geometric mean over the points of a row over tasks; else it is empty.

    Both tables are empty where the study has no such experiment, or no independent networks to compare with.

    Args:
        spec: the study as the paper is told of it.
        inputs: ``metrics``, ``gradients``, ``histories``.
        outputs: ``norms``, ``norm_points``.

    Raises:
        UserError: ``evaluation`` names an unknown metric, a run or what it should have kept is missing, or independent
            networks lack a level or a seed.
    """
    check_metrics(spec["evaluation"], "config")
    rows: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    for experiment in (Experiment.from_dict(e) for e in spec["experiments"] if e["name"] == roles.NORMS):
        independent = _independent(experiment, spec)
        if independent is None:
            continue
        values = values_on_test(read_parquet(inputs["metrics"]), inputs["metrics"])
        tasks = [task["name"] for task in spec["tasks"]]
        norms = Norms(read_parquet(inputs["gradients"]), read_parquet(inputs["histories"]), tasks, inputs["gradients"])
        for method in experiment.methods:
            for measure in MEASURES:
                named = {"experiment": experiment.name, "sampler": roles.sampler(spec["methods"][method])}
                named |= {"method": method, "measure": measure}
                found = _points(norms, values, experiment, method, independent, measure, spec)
                points += [{**named, **row} for row in _point_rows(found, experiment, tasks)]
                alpha = spec["evaluation"]["alpha"]
                rows += [{**named, **row} for row in _across(found, experiment, tasks, alpha)]
                if measure != CORRECTED:
                    rows += [
                        {**named, **row}
                        for row in _in_time(norms, experiment, method, independent, measure, tasks, alpha)
                    ]
    for name, found, columns in (("norms", rows, COLUMNS), ("norm_points", points, POINT_COLUMNS)):
        table = pd.DataFrame({column: [row[column] for row in found] for column in columns}).astype(columns)
        write_parquet(outputs[name], table)


def _independent(experiment: Experiment, spec: Mapping[str, Any]) -> str | None:
    """The independent networks of the experiment on balancing, after a check that they have the same runs.

    Raises:
        UserError: they lack a level or a seed of the experiment on norms.
    """
    for other in (Experiment.from_dict(e) for e in spec["experiments"] if e["name"] == roles.EXPERIMENT):
        independent = roles.find(other.methods, spec["methods"], roles.is_independent)
        if independent is None:
            return None
        for key in ("levels", "split_seeds", "seeds"):
            if lacking := [v for v in getattr(experiment, key) if v not in getattr(other, key)]:
                where = f"experiments.{experiment.name}.{key}"
                what = f"experiments.{other.name}, whose independent networks it is compared with, lacks {lacking[0]}."
                raise UserError(where, what, f"add it there, or remove it from {experiment.name}.")
        return independent
    return None


def _points(
    norms: Norms,
    values: Values,
    experiment: Experiment,
    method: str,
    independent: str,
    measure: str,
    spec: Mapping[str, Any],
) -> Points:
    """Norms and Delta_m of one method, unit by unit, level by level and task by task."""
    replicates = experiment.replicates()
    kinds = {task["name"]: task["kind"] for task in spec["tasks"]}
    share, delta = [], []
    for level in experiment.levels:
        of_runs = norms.by_run(method, level, measure, replicates)
        share.append(np.column_stack([units(of_runs[task], replicates) for task in kinds]))
        found = changes(values, experiment, method, independent, level, kinds, spec["evaluation"])
        delta.append(found.to_numpy())
    return Points(np.stack(share, axis=1), np.stack(delta, axis=1), [int(unit) for unit in found.index])


def _point_rows(points: Points, experiment: Experiment, tasks: list[str]) -> Iterator[dict[str, Any]]:
    for (u, unit), (n, level), (t, task) in product(*map(enumerate, (points.units, experiment.levels, tasks))):
        place = {"level": str(level), "unit": unit, "task": task}
        yield {**place, "share": points.share[u, n, t], "delta": points.delta[u, n, t]}


def _across(points: Points, experiment: Experiment, tasks: list[str], alpha: float) -> Iterator[dict[str, Any]]:
    """Correlations over tasks and over levels, as far as there are several of them."""
    levels = [str(level) for level in experiment.levels]
    x, y = points.share, points.delta
    whole = {"over": BOTH, "level": "", "task": ""}
    if len(tasks) > 1:
        for n, level in enumerate(levels):
            yield from _rows({"over": TASKS, "level": level, "task": ""}, x[:, [n]], y[:, [n]], alpha)
    if len(levels) > 1:
        for t, task in enumerate(tasks):
            yield from _rows({"over": LEVELS, "level": "", "task": task}, x[..., [t]], y[..., [t]], alpha)
    if len(tasks) > 1 and len(levels) > 1:
        yield from _rows(whole, x, y, alpha)


def _rows(
    place: dict[str, str], x: NDArray[np.float64], y: NDArray[np.float64], alpha: float
) -> Iterator[dict[str, Any]]:
    """One row for each kind of correlation between two arrays (units, levels, tasks)."""
    ratio = float(np.exp(np.ptp(x, axis=-1).mean())) if x.shape[-1] > 1 else math.nan
    flat = (len(x), -1)
    known = np.isfinite(x).all() and np.isfinite(y).all()
    for kind in KINDS:
        none = Correlation(math.nan, math.nan, math.nan, x.size, len(x))
        found = clustered(x.reshape(flat), y.reshape(flat), kind, alpha) if known else none
        yield {**place, "ratio": ratio, **_told(kind, found)}


def _told(kind: str, found: Correlation) -> dict[str, Any]:
    row = {"coefficient": kind, "value": found.value, "ci_low": found.ci_low, "ci_high": found.ci_high}
    return {**row, "n_points": found.points, "n_clusters": found.clusters}


def _in_time(
    norms: Norms,
    experiment: Experiment,
    method: str,
    independent: str,
    measure: str,
    tasks: list[str],
    alpha: float,
) -> Iterator[dict[str, Any]]:
    """Correlations over epochs in a run, averaged over runs: of each task, and over tasks where there are several."""
    replicates = experiment.replicates()
    if len(tasks) < 2:
        return
    for level in experiment.levels:
        x = norms.by_epoch(method, level, measure, replicates)
        y = norms.lead(method, independent, level, replicates).reindex(x.index)
        both = pd.concat({"x": x, "y": y}, axis=1).dropna()
        for over in (EPOCHS, EPOCH_CHANGES):
            series = both if over == EPOCHS else both.groupby(level=RUN).diff().dropna()
            for kind in KINDS:
                by_run, points = _of_runs(series, replicates, tasks, kind)
                of_units = np.column_stack([_fisher_units(by_run[:, t], replicates) for t in range(len(tasks))])
                place = {"over": over, "level": str(level), "ratio": math.nan}
                for t, task in enumerate(tasks):
                    found = averaged(of_units[:, [t]], points, alpha)
                    yield {**place, "task": task, **_told(kind, found)}
                yield {**place, "task": "", **_told(kind, averaged(of_units, points * len(tasks), alpha))}


def _of_runs(
    series: pd.DataFrame, replicates: list[tuple[int, int]], tasks: list[str], kind: str
) -> tuple[NDArray[np.float64], int]:
    """Correlation over epochs in each run (runs x tasks), NaN where a run has too few; and the epochs of all runs."""
    groups = dict(list(series.groupby(level=RUN)))
    found = np.full((len(replicates), len(tasks)), math.nan)
    for r, run in enumerate(replicates):
        if run in groups and len(groups[run]) >= FEWEST:
            x, y = (groups[run][name][tasks].to_numpy().T for name in ("x", "y"))
            found[r] = correlation(x, y, kind)
    return found, len(series)


def _fisher_units(values: NDArray[np.float64], replicates: list[tuple[int, int]]) -> NDArray[np.float64]:
    """Correlations of runs as those of units: mean on Fisher's scale, where complete ones lie at infinity."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.tanh(units(np.arctanh(values), replicates))
