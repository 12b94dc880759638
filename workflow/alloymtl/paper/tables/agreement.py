"""Table O1: do gradients tell how tasks are related, at each overlap of the tasks' labels?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from alloymtl.evaluation.affinity.agreements import AGREEMENT, FEWEST_TASKS
from alloymtl.evaluation.affinity.kinds import LABELS, LABELS_LEFT
from alloymtl.evaluation.balancing.correlation import PEARSON
from alloymtl.experiment import AFFINITY
from alloymtl.paper.affinity import (
    ARM,
    SHOWN,
    TITLES,
    Panel,
    every,
    level_cell,
    panels,
    shown,
    strength,
    truth,
    what_a_level_is,
)
from alloymtl.paper.latex import Tex, count, escape
from alloymtl.paper.material import Material
from alloymtl.paper.overlap import ABSENT, arms
from alloymtl.paper.tables.parts import DASH, grouped_heading, interval, lower_first, notice, number
from alloymtl.paper.tables.tabular import Table, Tabular, spanning

COLUMNS = [ARM, *AGREEMENT]
MARK = r"$^{*}$"
TRUTH = "truth"
COMPARED = ("Labels", "unsigned", TRUTH.capitalize(), "Interval")
DECIMALS = 2


def make(material: Material) -> Table:
    """A panel for each arm, a row for each level with the mean Jaccard index of the tasks' training labels.

    Pearson's correlation over pairs of tasks of the cosines in the last fifth of training with what is known of the
    tasks, mean over runs: minibatch cosines, then those corrected for noise, each with the correlation of all labels as
    it is, as arXiv:2604.07848 has it, and without its sign; and, with its interval, with the truth without its sign,
    which is the correlation of signals, or the cosine of the weights of designed tasks. The last column is the
    correlation of the labels that are left with all labels. A star marks a p-value of relabelled tasks below
    alpha, a small number how many runs have the correlation, where these are not all. The CSV holds every series,
    Spearman's correlation and all p-values.
    """
    if not any(True for _ in arms(material)):
        return notice(COLUMNS, ABSENT)
    data = every(material, "agreement", AGREEMENT)
    if data.empty:
        return notice(COLUMNS, f"No arm has {FEWEST_TASKS} tasks, so that there are too few pairs to correlate.")
    groups = [("", 3), *((TITLES[estimator], len(COMPARED)) for estimator in SHOWN), ("", 1)]
    heading = grouped_heading(groups, ["Level", "Jaccard", "Runs", *COMPARED * len(SHOWN), "Left"])
    tabular = Tabular("rrr" + "rrrc" * len(SHOWN) + "r", heading)
    for panel in panels(material, "agreement"):
        rows = _Rows(panel)
        tabular.panel(f"{escape(panel.title)} (level: {escape(what_a_level_is(panel.arm.study))}{rows.known})")
        for level in panel.levels:
            tabular.row(*rows.cells(level))
    tabular.rule()
    note = f"{MARK} $p<{material.study.evaluation['alpha']:g}$ over relabelled tasks."
    tabular.row(spanning(tabular.width, note, "@{}l"))
    return Table(data, tabular.render())


class _Rows:
    """Cells of one panel."""

    def __init__(self, panel: Panel) -> None:
        table = shown(panel.arm.table("agreement"), panel.method)
        table = table[table["statistic"] == PEARSON]
        self._cells = {(r["level"], r["estimator"], r["kind"]): r for r in table.to_dict("records")}
        self._study = panel.arm.study
        self._truth, self._strength = truth(table["kind"]), strength(table["kind"])

    @property
    def known(self) -> str:
        """What the truth of this arm is, where there is any."""
        return "" if self._truth is None else f"; {TRUTH}: {lower_first(Tex(TITLES[self._truth]))}"

    def cells(self, level: str) -> Iterator[Tex]:
        """The row of a level."""
        of_level = [row for key, row in self._cells.items() if key[0] == level]
        runs = len(self._study.experiments[AFFINITY].replicates())
        yield level_cell(level)
        yield number(of_level[0]["overlap"], DECIMALS) if of_level else DASH
        yield count(runs)
        alpha = self._study.evaluation["alpha"]
        for estimator in SHOWN:
            for kind in (LABELS, self._strength):
                yield _correlation(self._cells.get((level, estimator, kind)), runs, alpha)[0]
            yield from _correlation(self._cells.get((level, estimator, self._truth)), runs, alpha)
        left = self._cells.get((level, LABELS_LEFT, LABELS))
        yield DASH if left is None else number(left["mean"], DECIMALS)


def _correlation(row: dict[str, Any] | None, runs: int, alpha: float) -> tuple[Tex, Tex]:
    """Mean correlation with its marks, and its interval."""
    if row is None or pd.isna(row["mean"]):
        return DASH, DASH
    few = rf"$^{{({row['n_runs']})}}$" if row["n_runs"] < runs else ""
    mark = MARK if row["p_value"] < alpha else ""
    low, high = row["ci_low"], row["ci_high"]
    return Tex(f"{number(row['mean'], DECIMALS)}{mark}{few}"), interval(low, high, DECIMALS)
