"""Tables of one experiment: each of its methods on the first metric of each task, and its change from its baseline.

A further table of this kind is one function here, one line in ``tables.REGISTRY`` and one name in ``layout.TABLES``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from alloymtl.evaluation.claims.decide import relative_change
from alloymtl.evaluation.samples import units
from alloymtl.experiment import Experiment
from alloymtl.paper.display import metric_decimals, metric_heading
from alloymtl.paper.latex import Tex, escape, p_value
from alloymtl.paper.material import Material
from alloymtl.paper.reported import printed
from alloymtl.paper.tables.parts import (
    DASH,
    best_of,
    grouped_heading,
    interval,
    level_title,
    lower_first,
    mean_and_sd,
    no_experiment,
    number,
    prints_alike,
    reported_columns,
    reported_of,
    summary,
    with_columns,
)
from alloymtl.paper.tables.tabular import PLUS_MINUS, Table, Tabular, spanning
from alloymtl.run import Level
from alloymtl.task import Task

COLUMNS = ["experiment", "level", "task", "metric", "method", "mean", "sd", "n", "best"]
TEST = ["n_pairs", "mean_difference", "ci_low", "ci_high", "p_value", "p_holm", "verdict"]
PERCENT = ["percent", "percent_low", "percent_high"]
REPORTED_COLUMNS = ["reported", "reported_sd", "difference", "reported_delta"]

After = Callable[[Task, Level], Sequence[dict[str, Any]]]
"""Further rows below those of a task at a level: a ``title`` and some of the CSV's columns, the others blank."""


def transfer(material: Material) -> Table:
    """Table C2: the largest task's backbone, reused for each of the others in several ways."""
    return experiment_table(material, "transfer")


def pcgrad_controls(material: Material) -> Table:
    """Table C4: what of gradient projection makes the difference."""
    return experiment_table(material, "pcgrad_controls")


def weighting(material: Material) -> Table:
    """Table C5: weights of the tasks, what their losses are averaged over, and which epoch is kept."""
    return experiment_table(material, "weighting")


def samplers(material: Material) -> Table:
    """Table C6: batches drawn at random against batches that hold every task."""
    return experiment_table(material, "samplers")


def capacity(material: Material) -> Table:
    """Table C7: independent networks with the heads of the shared one."""
    return experiment_table(material, "capacity")


def smoothing(material: Material) -> Table:
    """Table 7: smoothing of features over labels."""
    return experiment_table(material, "fds", reported=7)


@dataclass(frozen=True)
class Shown:
    """What the table of an experiment shows.

    Args:
        experiment: the experiment.
        reported: number of the reported paper's table that stands beside it; None where there is none.
        percent: whether changes stand in percent of the baseline's mean as well.
    """

    experiment: Experiment
    reported: int | None = None
    percent: bool = False

    @property
    def against(self) -> bool:
        """Whether rows have to say what they are compared with."""
        return len({baseline for baseline, _ in self.experiment.comparisons}) > 1


def experiment_table(
    material: Material,
    name: str,
    reported: int | None = None,
    percent: bool = False,
    after: After | None = None,
    further: Sequence[str] = (),
) -> Table:
    """One experiment: a panel for each task (and level), a row for each method and baseline that it is tested against.

    Args:
        material: the study and its results.
        name: the experiment; a study without it gets a table that says so.
        reported: see ``Shown``; without a reported paper its columns are left out.
        percent: see ``Shown``.
        after: further rows.
        further: columns of the CSV that only further rows have.

    Returns:
        The table; its CSV has a row for each level, task, method and baseline.

    Raises:
        UserError: a run or a test is missing.
    """
    experiment = material.study.experiments.get(name)
    number_there = reported if material.reported is not None else None
    columns = [*COLUMNS, "baseline", *TEST, *PERCENT, *(REPORTED_COLUMNS if number_there else []), *further]
    if experiment is None:
        return no_experiment(columns, name)
    shown = Shown(experiment, number_there, percent)
    data, tabular = experiment_parts(material, shown, after)
    return Table(with_columns(data, columns), tabular.render())


def experiment_parts(material: Material, shown: Shown, after: After | None = None) -> tuple[pd.DataFrame, Tabular]:
    """Data and tabular of ``experiment_table``, for a table that holds more than that."""
    rows: list[dict[str, Any]] = []
    experiment = shown.experiment
    blocks = [
        (level, task, list(_rows(material, shown, level, task)))
        for level in experiment.levels
        for task in material.study.tasks
    ]
    deltas = any(row.get("reported_delta") for _, _, found in blocks for row in found)
    tabular = _tabular(shown, deltas)
    for level, task, found in blocks:
        rows += found
        metric = material.study.metrics(task)[0]
        at = "" if len(experiment.levels) == 1 else f" ({lower_first(level_title(level))})"
        tabular.panel(f"{escape(task.title)}, {metric_heading(metric, task)}{at}")
        decimals = metric_decimals(metric, [row["mean"] for row in found])
        last = None
        for row in found:
            titled = row["method"] != last
            tabular.row(*_cells(material, shown, row, titled, decimals, deltas))
            last = row["method"]
        for row in after(task, level) if after else ():
            rows.append(row)
            tabular.row(*_cells(material, shown, row, True, decimals, deltas))
    return pd.DataFrame(rows), tabular


def _tabular(shown: Shown, deltas: bool) -> Tabular:
    columns, head = "l" + PLUS_MINUS, ["Method", spanning(2, r"Mean $\pm$ SD")]
    if shown.against:
        columns, head = columns + "l", [*head, "Against"]
    columns, head = columns + "rc", [*head, r"$\Delta$", "Interval"]
    if shown.percent:
        columns, head = columns + "r", [*head, r"$\Delta$/\%"]
    columns, head = columns + "r", [*head, r"$p_{\text{Holm}}$"]
    if deltas:
        groups = [("", Tabular(columns).width), ("Reported", 2)]
        return Tabular(columns + "rr", grouped_heading(groups, [*head, "Mean", r"$\Delta$/\%"]))
    return Tabular(columns + "r", [[*head, "Reported"]]) if shown.reported else Tabular(columns, [head])


def _rows(material: Material, shown: Shown, level: Level, task: Task) -> Iterator[dict[str, Any]]:
    """A row for each method and each baseline of it; a method without one has a row without a test."""
    experiment, metric = shown.experiment, material.study.metrics(task)[0]
    values = {m: material.scores.of(experiment, m, level, task, metric) for m in experiment.methods}
    means = {m: summary(v) for m, v in values.items()}
    best = best_of(metric, [row["mean"] for row in means.values()])
    decimals = metric_decimals(metric, [row["mean"] for row in means.values()])
    for method in experiment.methods:
        row = {"experiment": experiment.name, "level": str(level), "task": task.name, "metric": metric}
        row |= {"method": method, "title": escape(material.study.methods[method].title), **means[method]}
        row["best"] = prints_alike(row["mean"], best, decimals)
        said = reported_of(material, shown.reported, task.name, metric, method=method, level=level)
        row |= reported_columns(said, row["mean"])
        if said is not None:
            row |= {"reported_delta": said.delta, "said": said.spread}
        baselines = [baseline for baseline, other in experiment.comparisons if other == method]
        if not baselines:
            yield {**row, "baseline": ""}
        for baseline in baselines:
            test = material.test(experiment.name, level, (baseline, method), task, metric)[TEST].to_dict()
            runs = [units(values[m], experiment.replicates()) for m in (method, baseline)]
            yield {**row, "baseline": baseline, **test, **_percent(*runs, material.study.evaluation["alpha"])}


def _percent(values: Any, baseline: Any, alpha: float) -> dict[str, float]:
    """Change in percent of the baseline's mean, with its interval; NaN where such a change means nothing."""
    change = relative_change(values, baseline, 1 - alpha)
    numbers = (change.value, change.low, change.high) if change else (math.nan,) * 3
    return dict(zip(PERCENT, numbers, strict=True))


def _cells(
    material: Material, shown: Shown, row: dict[str, Any], titled: bool, decimals: int, deltas: bool
) -> Iterator[Tex]:
    """A row of the tabular; ``titled`` says that the method was not named in the row above."""
    methods, blank = material.study.methods, Tex("")
    tested = "mean_difference" in row
    yield row["title"] if titled else blank
    yield from mean_and_sd(row, decimals, row["best"]) if titled and "mean" in row else (spanning(2, ""),)
    if shown.against:
        yield escape(methods[row["baseline"]].title) if tested else DASH
    yield number(row["mean_difference"], decimals) if tested else DASH
    yield interval(row["ci_low"], row["ci_high"], decimals) if tested else DASH
    if shown.percent:
        yield number(row["percent"], 1) if "percent" in row else DASH
    yield p_value(row["p_holm"]) if "p_holm" in row else DASH
    if shown.reported:
        yield row["said"] if titled else blank
    if deltas:
        yield printed(row.get("reported_delta", "")) if titled else blank
