"""Table A6: near-copies of held-out alloys among the training alloys, under each kind of split."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from alloymtl.data.leakage import ANY_TASK, NEAR_DUPLICATE, SAME_TASK, THRESHOLDS, column
from alloymtl.paper.display import SPLITS
from alloymtl.paper.latex import Tex, count, decimals_for, escape, percent, shortest
from alloymtl.paper.material import Material
from alloymtl.paper.tables.parts import grouped_heading, number
from alloymtl.paper.tables.tabular import Table, Tabular, spanning

TEST = "test"


def make(material: Material) -> Table:
    """For each kind of split and task, how many test alloys have a training alloy within some distances.

    Distances are the largest difference of any element's fraction, in at.%. Shares, medians and counts are means over
    the split seeds of the main comparison. The CSV has those of all experiments, the validation alloys too, and those
    distances for the task's own training alloys.
    """
    data, seeds = material.leakage, material.study.main.split_seeds
    of_main = data[data["split_seed"].isin(seeds)]
    others = [t for t in THRESHOLDS if t != NEAR_DUPLICATE]
    groups = [("", 2), (f"Within {_distance(NEAR_DUPLICATE)}", 3), ("Share within", len(others)), ("", 2)]
    head = ["Property", "Test alloys", "Alloys", "Share", "Own property", *map(_distance, others)]
    head += [r"Median/at.\%", "Systems known"]
    tabular = Tabular("l" + "r" * (len(head) - 1), grouped_heading(groups, head))
    for kind, title in SPLITS.items():
        mine = of_main[of_main["split"] == kind]
        if mine.empty:
            continue
        used = " (that of this study)" if mine["used"].any() else ""
        tabular.panel(f"{title.capitalize()}{used}")
        for cells in _rows(material, mine):
            tabular.row(*cells)
        if failed := mine.loc[~mine["possible"], "split_seed"].nunique():
            made = (
                f"the study's {_seeds(failed)}"
                if failed == len(seeds)
                else f"{count(failed)} of the {count(len(seeds))} split seeds"
            )
            tabular.row(spanning(len(head), f"Not possible with {made}; the CSV says why.", "@{}l"))
    return Table(data, tabular.render())


def _seeds(number: int) -> str:
    return "split seed" if number == 1 else "split seeds"


def _distance(threshold: float) -> Tex:
    return Tex(rf"{shortest(threshold)}\,at.\%")


def _rows(material: Material, kind: pd.DataFrame) -> Iterator[list[Tex]]:
    others = [t for t in THRESHOLDS if t != NEAR_DUPLICATE]
    for task in material.study.tasks:
        rows = kind[(kind["task"] == task.name) & (kind["partition"] == TEST)]
        if rows.empty:
            continue
        of_any, own = (rows[rows["training"] == training] for training in (ANY_TASK, SAME_TASK))
        near = column("share", NEAR_DUPLICATE)
        median = float(of_any["median"].mean())
        yield [
            escape(task.title),
            count(round(of_any["alloys"].mean())),
            count(round(of_any[column("within", NEAR_DUPLICATE)].mean())),
            percent(of_any[near].mean()),
            percent(own[near].mean()),
            *(percent(of_any[column("share", threshold)].mean()) for threshold in others),
            number(median, decimals_for([median], 2)),
            percent(of_any["system_share"].mean()),
        ]
