"""Table 1: the data, task by task."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from alloymtl.data.repeats import alloy_of
from alloymtl.errors import UserError
from alloymtl.paper.cells import MEND
from alloymtl.paper.display import PARTITIONS, unit
from alloymtl.paper.latex import Tex, count, escape, fixed
from alloymtl.paper.material import Material
from alloymtl.paper.reported import printed
from alloymtl.paper.tables.parts import reported_of
from alloymtl.paper.tables.tabular import Table, Tabular
from alloymtl.task import Task

UNION = "union"
COLUMNS = ("alloys", *PARTITIONS)


def make(material: Material) -> Table:
    """Alloys of each task by partition, and of the union of all tasks (distinct alloys), above the reported counts.

    Where every measurement is kept as a row of its own, tasks have their rows counted, the union its distinct alloys.
    Where split seeds give different counts, the tabular shows their range; the CSV has them all.
    """
    study = material.study
    rows = [row for seed in study.main.split_seeds for row in _counts(material, seed)]
    data = pd.DataFrame(rows)
    rows_are = "Labels" if study.keeps_repeats else "Alloys"
    tabular = Tabular("llrrrrr", [["Task", "Label", rows_are, "Training", "Validation", "Test", "$N_{\\max}/N_t$"]])
    for task in study.tasks:
        mine = data[data["task"] == task.name]
        ratio = fixed(mine["imbalance"].iloc[0], 1)
        tabular.row(escape(task.title), _label(task), *(_range(mine[c]) for c in COLUMNS), ratio)
        _add_reported(tabular, mine)
    tabular.rule()
    union = data[data["task"] == UNION]
    tabular.row("Union (distinct alloys)", "", *(_range(union[c]) for c in COLUMNS), "")
    _add_reported(tabular, union)
    return Table(data, tabular.render())


def _label(task: Task) -> Tex:
    return unit(task) if task.is_regression else escape(f"{task.negative} / {task.positive}")


def _add_reported(tabular: Tabular, rows: pd.DataFrame) -> None:
    """A line with the reported counts, where there are any."""
    names = [f"reported_{partition}" for partition in PARTITIONS]
    if names[0] in rows and rows[names].ne("").any(axis=None):
        tabular.row(r"\quad reported", "", "", *(printed(rows[name].iloc[0]) for name in names), "")


def _counts(material: Material, split_seed: int) -> Iterator[dict[str, Any]]:
    mine = material.split[material.split["split_seed"] == split_seed]
    labels = material.ingest["labels"]
    most = max(labels[task.name] for task in material.study.tasks)
    for task in material.study.tasks:
        parts = mine.loc[mine["task"] == task.name, "partition"].value_counts()
        if parts.sum() != labels[task.name]:
            what = f"{parts.sum()} labels are split and {labels[task.name]} were read."
            raise UserError(f"{material.inputs['split']}: split {split_seed}, task {task.name}", what, MEND)
        row = {"split_seed": split_seed, "task": task.name, "kind": task.kind, "unit": task.unit}
        row |= {"alloys": labels[task.name], **{p: int(parts.get(p, 0)) for p in PARTITIONS}}
        yield {**row, "imbalance": most / labels[task.name], **_reported(material, task.name)}
    distinct = mine.assign(alloy=alloy_of(mine["alloy"])).drop_duplicates("alloy")["partition"].value_counts()
    row = {"split_seed": split_seed, "task": UNION, "kind": "", "unit": "", "alloys": int(distinct.sum())}
    row |= {p: int(distinct.get(p, 0)) for p in PARTITIONS}
    yield {**row, "imbalance": math.nan, **_reported(material, UNION)}


def _reported(material: Material, task: str) -> dict[str, str]:
    cells = {p: reported_of(material, 1, task, f"n_{p}") for p in PARTITIONS}
    return {f"reported_{p}": cell.mean for p, cell in cells.items() if cell is not None}


def _range(values: pd.Series) -> Tex:
    low, high = int(values.min()), int(values.max())
    return count(low) if low == high else Tex(f"{count(low)}--{count(high)}")
