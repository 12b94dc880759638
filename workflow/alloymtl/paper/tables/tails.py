"""Table 9: the largest errors of each method."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from alloymtl.paper.display import metric_title
from alloymtl.paper.latex import Tex, decimals_for, escape
from alloymtl.paper.material import Material
from alloymtl.paper.reported import printed
from alloymtl.paper.tables.parts import DASH, interval, level_title, lower_first, notice, number, reported_of
from alloymtl.paper.tables.tabular import Table, Tabular
from alloymtl.task import Task

COLUMNS = ["method", "level", "task", "metric", "value", "ci_low", "ci_high"]
CHANGE = ["baseline", "difference", "diff_low", "diff_high"]
NUMBER = 9


def make(material: Material) -> Table:
    """Each measure of the largest errors with its bootstrap interval, below it the change from the method's baseline.

    Below those stand the reported values. Errors are in units of the standard deviation of the training labels.
    """
    study, table = material.study, material.tails
    beside = material.reported is not None
    metrics = list(dict.fromkeys(table["metric"]))
    columns = COLUMNS + CHANGE + ["reported"] * beside
    if table.empty:
        return notice(columns, "This study keeps no predictions of a regression task.")
    tabular = Tabular("ll" + "c" * len(metrics), [["Method", "", *(metric_title(metric) for metric in metrics)]])
    rows: list[dict[str, Any]] = []
    # In the order of the experiments; the methods of a spec stand in that of their names.
    named = dict.fromkeys(name for experiment in study.experiments.values() for name in experiment.methods)
    methods = [name for name in named if name in set(table["method"])]
    for level in dict.fromkeys(table["level"]):
        for task in study.of_kind("regression"):
            at = "" if table["level"].nunique() == 1 else f" ({lower_first(level_title(level))})"
            tabular.panel(f"{escape(task.title)}{at}")
            blocks = {method: list(_rows(material, method, level, task)) for method in methods}
            decimals = max(2, decimals_for([row["value"] for block in blocks.values() for row in block], 2))
            for method, found in blocks.items():
                rows += found
                title = escape(study.methods[method].title)
                for line in _lines(material, found, decimals) if found else ():
                    tabular.row(title, *line)
                    title = Tex("")
    return Table(pd.DataFrame(rows, columns=columns), tabular.render())


def _rows(material: Material, method: str, level: str, task: Task) -> Iterator[dict[str, Any]]:
    table = material.tails
    wanted = (table["method"] == method) & (table["level"] == level) & (table["task"] == task.name)
    for row in table[wanted].to_dict("records"):
        said = reported_of(material, NUMBER, task.name, row["metric"], method=method, level=level)
        yield {name: row[name] for name in COLUMNS + CHANGE} | ({} if said is None else {"reported": said.mean})


def _lines(material: Material, rows: list[dict[str, Any]], decimals: int) -> Iterator[list[Tex]]:
    """Lines of one method on one task, without its title."""
    yield [Tex("value"), *(_with_interval(row["value"], row["ci_low"], row["ci_high"], decimals) for row in rows)]
    baseline = rows[0]["baseline"]
    if baseline != rows[0]["method"]:
        against = Tex(f"against {escape(material.study.methods[baseline].title)}")
        changes = [(row["difference"], row["diff_low"], row["diff_high"]) for row in rows]
        yield [against, *(_with_interval(*change, decimals) for change in changes)]
    if any(row.get("reported") for row in rows):
        yield [Tex("reported"), *(printed(row["reported"]) if row["reported"] else DASH for row in rows)]


def _with_interval(value: float, low: float, high: float, decimals: int) -> Tex:
    return Tex(f"{number(value, decimals)} {interval(low, high, decimals)}")
