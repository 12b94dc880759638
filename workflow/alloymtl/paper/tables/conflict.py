"""Table C1: do the gradients of two tasks agree?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pandas as pd

from alloymtl.paper.display import MEASURES
from alloymtl.paper.latex import Tex, count, escape
from alloymtl.paper.material import Material
from alloymtl.paper.tables.parts import grouped_heading, interval, level_title, lower_first, notice, number
from alloymtl.paper.tables.tabular import Table, Tabular
from alloymtl.task import Task

COSINES = ("minibatch", "large", "corrected")
COLUMNS = ["method", "level", "first", "second", "measure", "n_runs", "mean", "ci_low", "ci_high"]
OVERLAP = ["common_labels", "jaccard"]
DECIMALS = 3


def make(material: Material) -> Table:
    """Cosine between the gradients of two tasks in each way of measuring it, over runs, beside their common labels.

    ``common_labels`` counts alloys with labels of both tasks, ``jaccard`` is their share of the alloys with either.
    Where other experiments train the same methods at further levels, these are in the CSV alone.
    """
    study, table = material.study, material.conflict
    if table.empty:
        return notice(COLUMNS + OVERLAP, "This study measures no gradients.")
    groups = [("", 3), *((MEASURES[name], 2) for name in COSINES)]
    head = ["Tasks", "Common labels", "Runs", *(["Cosine", "Interval"] * len(COSINES))]
    tabular = Tabular("lrr" + "rc" * len(COSINES), grouped_heading(groups, head))
    rows: list[dict[str, Any]] = []
    places = list(table[["method", "level"]].drop_duplicates().itertuples(index=False, name=None))
    own = study.experiments.get("conflict")
    shown = [p for p in places if own is None or (p[0] in own.methods and p[1] in map(str, own.levels))] or places
    several = len({level for _, level in shown}) > 1
    for method, level in places:
        if (method, level) in shown:
            at = f" ({lower_first(level_title(level))})" if several else ""
            tabular.panel(f"{escape(study.methods[method].title)}{at}")
        for first, second in combinations(study.tasks, 2):
            found = [_row(material, method, level, first, second, measure) for measure in COSINES]
            rows += found
            if (method, level) in shown:
                title = Tex(f"{escape(first.title)} and {lower_first(escape(second.title))}")
                tabular.row(title, count(found[0]["common_labels"]), count(found[0]["n_runs"]), *_cells(found))
    return Table(pd.DataFrame(rows, columns=COLUMNS + OVERLAP), tabular.render())


def _row(material: Material, method: str, level: str, first: Task, second: Task, measure: str) -> dict[str, Any]:
    table = material.conflict
    wanted = (table["method"] == method) & (table["level"] == level) & (table["measure"] == measure)
    wanted &= (table["first"] == first.name) & (table["second"] == second.name)
    row = {"method": method, "level": level, "first": first.name, "second": second.name, "measure": measure}
    # Where fewer than two runs had a value there is no mean, and no row.
    row |= {"n_runs": 0, "mean": math.nan, "ci_low": math.nan, "ci_high": math.nan}
    row |= table[wanted].iloc[0][COLUMNS].to_dict() if wanted.any() else {}
    common, either = material.shared(first, second)
    return {**row, "common_labels": common, "jaccard": common / either}


def _cells(rows: list[dict[str, Any]]) -> Iterator[Tex]:
    for row in rows:
        yield number(row["mean"], DECIMALS)
        yield interval(row["ci_low"], row["ci_high"], DECIMALS)
