"""Table B4: do the norms of the tasks' gradients go with imbalance, before and after scaling?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from alloymtl.evaluation.balancing.correlation import PEARSON, SPEARMAN
from alloymtl.evaluation.balancing.gradient_norms import AS_MET, CORRECTED, SCALED
from alloymtl.evaluation.balancing.norms import COLUMNS, EPOCH_CHANGES, EPOCHS, TASKS
from alloymtl.paper.balancing import ABSENT_NORMS
from alloymtl.paper.latex import Tex, count, escape, fixed
from alloymtl.paper.material import Material
from alloymtl.paper.spec import PaperStudy, ordered
from alloymtl.paper.tables.across import title
from alloymtl.paper.tables.parts import DASH, grouped_heading, interval, level_title, lower_first, notice, number
from alloymtl.paper.tables.tabular import Table, Tabular, spanning

MEASURES = {AS_MET: "Norms as met", SCALED: "Norms as scaled by the balancer"}
HEADING = ("Pearson", "Interval", "Spearman")
DECIMALS = 2


def make(material: Material) -> Table:
    """A panel for each method; rows for what a correlation is over, at the largest level where it is of one level.

    A group of columns for norms as training met them and one for norms as scaled: Pearson's correlation with its
    interval, and Spearman's. Norms corrected for noise have rows of their own. The CSV holds every level, the
    intervals of both, and each task's correlations over changes between epochs.
    """
    table = material.norms
    if table.empty:
        return notice(COLUMNS, ABSENT_NORMS)
    groups = [("", 2), *((name, len(HEADING)) for name in MEASURES.values())]
    heading = grouped_heading(groups, ["Over", "Points", *HEADING * len(MEASURES)])
    tabular = Tabular("lr" + "rcr" * len(MEASURES), heading)
    level = str(ordered(material.study.experiments[table["experiment"].iloc[0]])[-1])
    shown = table[table["level"].isin(["", level])]
    for method in table["method"].drop_duplicates():
        tabular.panel(title(material.study, method))
        mine = shown[shown["method"] == method]
        _rows(tabular, material.study, mine[mine["measure"] != CORRECTED], "")
        _rows(tabular, material.study, mine[mine["measure"] == CORRECTED], ", corrected")
    return Table(table[list(COLUMNS)], tabular.render())


def _rows(tabular: Tabular, study: PaperStudy, table: pd.DataFrame, note: str) -> None:
    """Rows of one method; those of norms corrected for noise are of all tasks alone, below the norms as met."""
    tasks = table[(table["over"] == TASKS) & (table["coefficient"] == PEARSON)]
    if len(tasks):
        tabular.row(Tex(f"Largest over smallest norm{note}"), Tex(""), *_ratios(tasks))
    for (over, level, task), rows in table.groupby(["over", "level", "task"], sort=False):
        if (note and task) or (over == EPOCHS and not task) or (over == EPOCH_CHANGES and task):
            continue
        found = {(AS_MET if note else r.measure, r.coefficient): r for r in rows.itertuples()}
        cells = [cell for measure in MEASURES for cell in _cells(found, measure)]
        points = count(next(iter(found.values())).n_points)
        tabular.row(Tex(_over(study, over, level, task) + note), points, *cells)


def _over(study: PaperStudy, over: str, level: str, task: str) -> str:
    """What a correlation is over, in words."""
    told = next((lower_first(escape(t.title)) for t in study.tasks if t.name == task), "")
    told = told or (lower_first(level_title(level)) if over == TASKS else "")
    return f"{over.capitalize()} ({told})" if told else over.capitalize()


def _ratios(rows: pd.DataFrame) -> Iterator[Tex]:
    ratios = list(rows["ratio"])
    for n in range(len(MEASURES)):
        told = n < len(ratios) and ratios[n] > 0
        yield spanning(len(HEADING), fixed(ratios[n], 1) if told else DASH)


def _cells(found: dict[tuple[str, str], Any], measure: str) -> list[Tex]:
    if (measure, PEARSON) not in found:
        return [DASH] * len(HEADING)
    pearson, spearman = found[measure, PEARSON], found[measure, SPEARMAN]
    return [
        number(pearson.value, DECIMALS),
        interval(pearson.ci_low, pearson.ci_high, DECIMALS),
        number(spearman.value, DECIMALS),
    ]
