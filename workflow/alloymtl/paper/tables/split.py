"""Table C8: the main comparison under another split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from alloymtl.paper.display import SPLITS, metric_decimals, metric_heading
from alloymtl.paper.latex import Tex, escape, p_value
from alloymtl.paper.material import Material
from alloymtl.paper.tables.parts import DASH, grouped_heading, interval, mean_and_sd, notice, number, summary
from alloymtl.paper.tables.tabular import PLUS_MINUS, Table, Tabular, spanning
from alloymtl.task import Task

CONTROL = "grouped"
COLUMNS = ["study", "split", "level", "task", "metric", "method", "mean", "sd", "n", "baseline"]
TEST = ["mean_difference", "ci_low", "ci_high", "p_holm", "verdict"]


def make(material: Material) -> Table:
    """Metrics of the main comparison under this study's split beside those of its control with another split.

    Each method's change is from the study's baseline under the same split. The tabular has the first metric of each
    task, the CSV all of the comparison's.
    """
    control = material.controls.get(CONTROL)
    if control is None:
        return notice(COLUMNS + TEST, "This study has no control with another split.")
    both = (material, control)
    names = [Tex(SPLITS[m.study.split["kind"]].capitalize()) for m in both]
    head = ["Method", *([spanning(2, r"Mean $\pm$ SD"), r"$\Delta$", "Interval", r"$p_{\text{Holm}}$"] * 2)]
    columns = "l" + (PLUS_MINUS + "rcr") * 2
    tabular = Tabular(columns, grouped_heading([("", 1), *((name, 5) for name in names)], head))
    rows: list[dict[str, Any]] = []
    for task in (t for t in material.study.tasks if t.name in {c.name for c in control.study.tasks}):
        for place, metric in enumerate(material.study.metrics(task)):
            found = {
                method.name: [_row(m, method.name, task, metric) for m in both]
                for method in material.study.main_methods
                if method.name in control.study.main.methods
            }
            rows += [row for pair in found.values() for row in pair]
            if place:
                continue
            tabular.panel(f"{escape(task.title)}, {metric_heading(metric, task)}")
            decimals = metric_decimals(metric, [row["mean"] for pair in found.values() for row in pair])
            for method, pair in found.items():
                cells = [cell for row in pair for cell in _cells(row, decimals)]
                tabular.row(escape(material.study.methods[method].title), *cells)
    return Table(pd.DataFrame(rows, columns=COLUMNS + TEST), tabular.render())


def _row(material: Material, method: str, task: Task, metric: str) -> dict[str, Any]:
    study = material.study
    row = {"study": study.name, "split": study.split["kind"], "level": str(study.level), "task": task.name}
    row |= {"metric": metric, "method": method}
    row |= summary(material.scores.of(study.main, method, study.level, task, metric))
    pair = (study.baseline, method)
    if pair not in study.main.comparisons:
        return {**row, "baseline": ""}
    test = material.test(study.main.name, study.level, pair, task, metric)
    return {**row, "baseline": study.baseline, **test[TEST].to_dict()}


def _cells(row: dict[str, Any], decimals: int) -> Iterator[Tex]:
    yield from mean_and_sd(row, decimals)
    if not row["baseline"]:
        yield from (DASH, DASH, DASH)
        return
    yield number(row["mean_difference"], decimals)
    yield interval(row["ci_low"], row["ci_high"], decimals)
    yield p_value(row["p_holm"])
