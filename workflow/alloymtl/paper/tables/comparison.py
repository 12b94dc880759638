"""Table 2 and A1: every metric of the main comparison, its methods side by side, the reported numbers below ours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd

from alloymtl.evaluation.metrics import NAMES
from alloymtl.paper.display import metric_decimals, metric_heading
from alloymtl.paper.latex import Tex, escape
from alloymtl.paper.material import Material
from alloymtl.paper.reported import printed
from alloymtl.paper.tables.parts import (
    best_of,
    level_title,
    mean_and_sd,
    number,
    prints_alike,
    reported_columns,
    reported_of,
    summary,
)
from alloymtl.paper.tables.tabular import PLUS_MINUS, Table, Tabular, spanning
from alloymtl.run import Level
from alloymtl.task import Task

COLUMNS = ["level", "task", "metric", "method", "mean", "sd", "n", "best", "p_holm", "significant"]
REPORTED_COLUMNS = ["reported", "reported_sd", "difference", "reported_p"]


def make(material: Material) -> Table:
    """Mean and SD over runs of the metrics of the main comparison, the best in bold, tests against the baseline.

    Below a metric that the reported paper has stand its numbers, what ours differ from them, and its p-values.
    """
    return _comparison(material, lambda task: material.study.metrics(task), tested=True)


def make_others(material: Material) -> Table:
    """Mean and SD over runs of every other metric that was measured."""

    def others(task: Task) -> list[str]:
        left = material.scores.measured(task) - set(material.study.metrics(task))
        return [name for name in NAMES[task.kind] if name in left]

    return _comparison(material, others, tested=False)


def _comparison(material: Material, metrics: Callable[[Task], Sequence[str]], tested: bool) -> Table:
    study = material.study
    beside = tested and material.reported is not None
    names = [spanning(2, escape(method.title)) for method in study.main_methods]
    head = ["Task", "Metric", *([""] if beside else []), *names]
    tabular = Tabular(("lll" if beside else "ll") + PLUS_MINUS * len(names), [head])
    rows: list[dict[str, Any]] = []
    for level in study.main.levels:
        if len(study.main.levels) > 1:
            tabular.panel(level_title(level))
        for task in study.tasks:
            tabular.rule()
            for place, metric in enumerate(metrics(task)):
                found = _row(material, level, task, metric, tested)
                rows += found
                if beside and place:
                    tabular.space()
                titles = [escape(task.title) if place == 0 else "", metric_heading(metric, task)]
                for line in _lines(metric, found, beside):
                    tabular.row(*titles, *line)
                    titles = ["", ""]
    if not rows:
        tabular.row(spanning(tabular.width, "Every metric that was measured is in the main comparison.", "l"))
    return Table(pd.DataFrame(rows, columns=COLUMNS + (REPORTED_COLUMNS if beside else [])), tabular.render())


def _row(material: Material, level: Level, task: Task, metric: str, tested: bool) -> list[dict[str, Any]]:
    """One row of a comparison, a dict for each method."""
    study = material.study
    found = {m.name: summary(material.scores.of(study.main, m.name, level, task, metric)) for m in study.main_methods}
    means = [row["mean"] for row in found.values()]
    best, decimals = best_of(metric, means), metric_decimals(metric, means)
    rows = []
    for name, numbers in found.items():
        pair = (study.baseline, name)
        p = math.nan
        if tested and pair in study.main.comparisons:
            p = float(material.test(study.main.name, level, pair, task, metric)["p_holm"])
        row = {"level": str(level), "task": task.name, "metric": metric, "method": name, **numbers}
        # Methods that print the same number share the bold face.
        row["best"] = prints_alike(numbers["mean"], best, decimals)
        row |= {"p_holm": p, "significant": p < study.evaluation["alpha"]}
        said = reported_of(material, 2 if tested else None, task.name, metric, method=name, level=level)
        row |= reported_columns(said, numbers["mean"])
        rows.append(row if said is None else {**row, "reported_p": said.p_value})
    return rows


def _lines(metric: str, rows: list[dict[str, Any]], beside: bool) -> Iterator[list[Tex]]:
    """Lines of one metric, without its titles: ours, and what was reported if it was."""
    decimals = metric_decimals(metric, [row["mean"] for row in rows])
    ours: list[Tex] = []
    for row in rows:
        mean, sd = mean_and_sd(row, decimals, row["best"])
        ours += [mean, Tex(sd + (r"\rlap{$^{\ast}$}" if row["significant"] else ""))]
    if not beside:
        yield ours
        return
    yield [Tex("this study"), *ours]
    if not any(row["reported"] for row in rows):
        return
    yield [Tex("reported"), *(cell for row in rows for cell in _reported(row))]
    yield [Tex("difference"), *(spanning(2, number(row["difference"], decimals)) for row in rows)]
    if any(row["reported_p"] for row in rows):
        yield [Tex("reported $p$"), *(spanning(2, printed(row["reported_p"])) for row in rows)]


def _reported(row: dict[str, Any]) -> list[Tex]:
    if row["reported_sd"]:
        return [printed(row["reported"]), printed(row["reported_sd"])]
    return [spanning(2, printed(row["reported"]))]
