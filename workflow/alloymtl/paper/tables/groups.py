"""Table O4: do gradients put tasks into groups, and are these the groups that are known?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from alloymtl.evaluation.affinity.grouping import CANNOT_TELL, GROUPS, MISSING, NO_GROUPS
from alloymtl.evaluation.affinity.groupings import GROUP_SCORES, GROUPINGS
from alloymtl.paper.affinity import (
    ARM,
    PAPER,
    SHOWN,
    TITLES,
    Panel,
    every,
    key,
    level_cell,
    numbered,
    panels,
    same_tasks,
    shown,
    strength,
    what_a_level_is,
)
from alloymtl.paper.latex import Tex, count, escape, fixed, p_value
from alloymtl.paper.material import Material
from alloymtl.paper.overlap import ABSENT, arms
from alloymtl.paper.reported import printed
from alloymtl.paper.tables.parts import DASH, grouped_heading, lower_first, note, notice, number
from alloymtl.paper.tables.tabular import Table, Tabular, spanning, stacked

KEYS = ["level", "method", "source", "window"]
OF_SCORES = ("known", "known_k", "cut", "score", "value", "chance", "score_p_value", "runs", "recovered", "tied")
COLUMNS = [ARM, *GROUPINGS, *OF_SCORES]
SCORED = ("Found", "ARI", "$p$", "AMI", "NMI", r"Runs / \%")
BEST = ("At the highest level", "By", "Verdict", "$p$", "Groups", *SCORED[1:-1])
VERDICTS = {NO_GROUPS: Tex("none"), CANNOT_TELL: Tex("?"), MISSING: DASH}
DECIMALS = 2
FEWEST = 3
"""Tasks below which there is nothing to group."""


def make(material: Material) -> Table:
    """Above, a row for each arm's level with how well its cosines recover the known groups; below, the groups found.

    Above, for minibatch cosines and for those corrected for noise, in the last fifth of training: the number of groups,
    ``none`` where they are no better than chance, ``?`` where this cannot be told; of the cut into as many groups as
    are known: adjusted Rand index with its p-value, adjusted mutual information, and the plain one with what random
    groups of the same sizes reach in parentheses; and the share of runs that recover the known groups. Below, at the
    highest level, the best cut with its p-value, tasks by their numbers, and the scores again; here also of what all
    labels give. The CSV has a row for each series and score.
    """
    if not any(True for _ in arms(material)):
        return notice(COLUMNS, ABSENT)
    data = _data(material)
    there = [panel for panel in panels(material, "groupings") if len(panel.arm.study.tasks) >= FEWEST]
    if not there:
        return notice(COLUMNS, f"No arm has {FEWEST} tasks to group.")
    found = (tabular for same in same_tasks(there) for tabular in _found(same))
    return Table(data, stacked(_by_level(material, there), *found))


def _data(material: Material) -> pd.DataFrame:
    """Every best cut of every arm, beside the scores of its cut into the known number of groups."""
    scores = every(material, "group_scores", GROUP_SCORES)
    named = {"k": "known_k", "groups": "cut", "p_value": "score_p_value"}
    scores = scores.rename(columns=named).drop(columns=["overlap", "left_out"])
    return every(material, "groupings", GROUPINGS).merge(scores, how="left", on=[ARM, *KEYS])[COLUMNS]


def _by_level(material: Material, there: list[Panel]) -> Tabular:
    groups = [("", 2), *((TITLES[source], len(SCORED)) for source in SHOWN)]
    tabular = Tabular("rr" + "lrrrrr" * len(SHOWN), grouped_heading(groups, ["Level", "Jaccard", *SCORED * len(SHOWN)]))
    for panel in there:
        rows = _Rows(panel)
        tabular.panel(f"{escape(panel.title)} (level: {escape(what_a_level_is(panel.arm.study))})")
        for level in panel.levels:
            cells = [cell for source in SHOWN for cell in rows.scores(level, source)]
            tabular.row(level_cell(level), rows.overlap(level), *cells)
    told = material.overlap_reported_values
    reported = {name: printed(told[f"pathway_{name}"]) for name in ("ari", "nmi", "nmi_chance")}
    tabular.panel(f"{PAPER}, known pathways, nine groups of twelve tasks")
    nmi = Tex(f"{reported['nmi']} ({reported['nmi_chance']})")
    tabular.row(spanning(2, "", "r"), DASH, reported["ari"], DASH, DASH, nmi, DASH, *[Tex("")] * len(SCORED))
    return tabular


class _Rows:
    """Cells of one panel."""

    def __init__(self, panel: Panel) -> None:
        found = shown(panel.arm.table("groupings"), panel.method, "source")
        self._cuts = {(r["level"], r["source"]): r for r in found.to_dict("records")}
        scores = panel.arm.table("group_scores")
        scores = shown(scores, panel.method, "source") if len(scores) else scores
        self._scores = {(r["level"], r["source"], r["score"]): r for r in scores.to_dict("records")}

    def overlap(self, level: str) -> Tex:
        """Mean Jaccard index at a level."""
        row = next((row for (of, _), row in self._cuts.items() if of == level), None)
        return DASH if row is None else number(row["overlap"], DECIMALS)

    def cut(self, level: str, source: str) -> dict[str, Any] | None:
        """The best cut of a source at a level."""
        return self._cuts.get((level, source))

    def scores(self, level: str, source: str) -> Iterator[Tex]:
        """Cells of a source at a level."""
        yield _verdict(self.cut(level, source))
        ari, ami, nmi = (self._scores.get((level, source, name)) for name in ("ari", "ami", "nmi"))
        if ari is None or ami is None or nmi is None or math.isnan(ari["value"]):
            yield from [DASH] * (len(SCORED) - 1)
            return
        yield number(ari["value"], DECIMALS)
        yield p_value(ari["p_value"])
        yield number(ami["value"], DECIMALS)
        yield Tex(f"{number(nmi['value'], DECIMALS)} ({number(nmi['chance'], DECIMALS)})")
        yield DASH if math.isnan(ari["recovered"]) else fixed(100 * ari["recovered"], 0)


def _verdict(row: dict[str, Any] | None) -> Tex:
    if row is None:
        return DASH
    return count(row["k"]) if row["verdict"] == GROUPS else VERDICTS[row["verdict"]]


def _found(there: list[Panel]) -> tuple[Tabular, Tabular]:
    """Best cut and scores of each source at the highest level, of arms that have the same tasks; and the tasks' key."""
    heading = grouped_heading([("", 2), ("Best cut", 3), ("As many groups as are known", 4)], BEST)
    tabular = Tabular("lllrlrrrr", heading)
    for panel in there:
        rows, level = _Rows(panel), panel.levels[-1]
        tabular.space()
        title = escape(panel.title)
        for source in (*SHOWN, strength(panel.arm.table("groupings")["source"])):
            row = rows.cut(level, source)
            if row is not None:
                p = DASH if math.isnan(row["p_value"]) else p_value(row["p_value"])
                groups = escape(numbered(panel.arm.study, row["groups"])) or DASH
                of_known = list(rows.scores(level, source))[1:-1]
                tabular.row(title, lower_first(Tex(TITLES[source])), escape(row["verdict"]), p, groups, *of_known)
                title = Tex("")
    return tabular, note(key(there[0].arm.study))
