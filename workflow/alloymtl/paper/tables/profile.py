"""Table A5: what the alloys of each task are like."""

from __future__ import annotations

import math

import pandas as pd

from alloymtl.errors import UserError
from alloymtl.paper.display import unit
from alloymtl.paper.latex import Tex, count, decimals_for, escape, fixed
from alloymtl.paper.material import MEND_DATA, Material
from alloymtl.paper.tables.parts import DASH, number
from alloymtl.paper.tables.tabular import Table, Tabular, stacked
from alloymtl.task import Task

COUNTS = ("alloys", "readings", "systems", "repeated")
COUNTED = ["Alloys", "Readings", "Systems", "Repeated"]
PLACES = ("minimum", "q1", "median", "q3", "maximum", "mean", "sd")
PLACED = ["Minimum", "Quartile", "Median", "Quartile", "Maximum", "Mean", "SD", r"Spread/\%"]


def make(material: Material) -> Table:
    """Alloys, readings and chemical systems of each task; below, where its labels lie or how many have each class.

    Raises:
        UserError: a task has no line in the profile.
    """
    data, study = material.profile["tasks"], material.study
    counts = Tabular("lrrrr", [["Property", *COUNTED]])
    for task in study.tasks:
        counts.row(escape(task.title), *(count(int(_of(material, task)[name])) for name in COUNTS))
    parts = [counts]
    if study.of_kind("regression"):
        parts.append(Tabular("lrrrrrrrr", [["Labels", *PLACED]]))
        for task in study.of_kind("regression"):
            parts[-1].row(Tex(f"{escape(task.title)} ({unit(task)})"), *_places(_of(material, task)))
    if study.of_kind("classification"):
        parts.append(Tabular("llrlr", [["Classes", "Class 0", "Alloys", "Class 1", "Alloys"]]))
        for task in study.of_kind("classification"):
            row = _of(material, task)
            classes = ((task.negative, row["class_0"]), (task.positive, row["class_1"]))
            cells = [cell for name, n in classes for cell in (escape(name), count(int(n)))]
            parts[-1].row(escape(task.title), *cells)
    return Table(data, stacked(*parts))


def _of(material: Material, task: Task) -> pd.Series:
    table = material.profile["tasks"]
    found = table[table["task"] == task.name]
    if len(found) != 1:
        what = f"task {task.name} has {len(found)} lines and not one."
        raise UserError(str(material.inputs["profile_tasks"]), what, MEND_DATA)
    return found.iloc[0]


def _places(row: pd.Series) -> list[Tex]:
    values = [float(row[name]) for name in PLACES]
    decimals = decimals_for([v for v in values[1:] if math.isfinite(v)])
    spread = float(row["spread"])
    return [*(number(v, decimals) for v in values), fixed(100 * spread, 1) if math.isfinite(spread) else DASH]
