"""Table O3: do tasks gain from being trained in pairs where their gradients are alike?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from alloymtl.evaluation.affinity.benefit import HIGH, LOW
from alloymtl.evaluation.affinity.pairings import RELATIONS
from alloymtl.evaluation.balancing.correlation import PEARSON, SPEARMAN
from alloymtl.experiment import BENEFIT
from alloymtl.paper.affinity import ARM, PAPER, TITLES, Panel, every, level_of, panels, shown
from alloymtl.paper.latex import Tex, count, escape, fixed, p_value
from alloymtl.paper.material import Material
from alloymtl.paper.overlap import ABSENT, arms
from alloymtl.paper.reported import printed
from alloymtl.paper.spec import ordered
from alloymtl.paper.tables.parts import DASH, grouped_heading, interval, notice, number
from alloymtl.paper.tables.tabular import Table, Tabular

COLUMNS = [ARM, *RELATIONS]
ABSENT_BENEFIT = "No arm has an experiment that trains tasks in pairs."
DECIMALS = 2
OVER, UNDER = r"$\geq$ median", r"$<$ median"


def make(material: Material) -> Table:
    """A panel for each arm and level, a row for each predictor; in the end, what arXiv:2604.07848 reports.

    A predictor is an estimator of the cosines in the last fifth of training, or a relation of tasks that needs no
    network. Pearson's and Spearman's correlation over pairs of tasks with the mean gain of both in percent, each with
    its p-value over relabelled tasks; Pearson's without the noise of the runs, with its interval; the share of pairs
    that gain, among those at the median of the predictor or above it and those below. The CSV holds every series;
    shares at other cuts are in ``benefit_shares``.
    """
    if not any(True for _ in arms(material)):
        return notice(COLUMNS, ABSENT)
    data = every(material, "benefit", RELATIONS)
    if data.empty:
        return notice(COLUMNS, ABSENT_BENEFIT)
    groups = [("", 2), ("Pairs of means", 4), ("Without noise of runs", 2), (r"Pairs that gain / \%", 2)]
    line = ["Predictor", "Pairs", "$r$", "$p$", r"$\rho$", "$p$", "$r$", "Interval", OVER, UNDER]
    tabular = Tabular("lrrrrrrcrr", grouped_heading(groups, line))
    for panel in panels(material, "benefit"):
        for level in map(str, ordered(panel.arm.study.experiments[BENEFIT])):
            rows = shown(panel.arm.table("benefit"), panel.method, "predictor").query("level == @level")
            if rows.empty:
                continue
            tabular.panel(escape(f"{panel.title}: {level_of(panel.arm.study, level)}"))
            for predictor, of_one in rows.groupby("predictor", sort=False):
                tabular.row(Tex(TITLES[predictor]), *_cells(of_one, _shares(panel, level, predictor)))
    told = material.overlap_reported_values
    tabular.panel(f"As reported in {PAPER}, on training data")
    cells = [printed(told[name]) for name in ("benefit_pairs", "benefit_r", "benefit_rho", "share_high", "share_low")]
    pairs, r, rho, high, low = cells
    tabular.row(Tex("Cosines"), pairs, r, DASH, rho, DASH, DASH, DASH, high, low)
    return Table(data, tabular.render())


def _shares(panel: Panel, level: str, predictor: str) -> dict[str, dict[str, Any]]:
    """Shares of pairs that gain on both sides of the median of a predictor, by side."""
    table = shown(panel.arm.table("benefit_shares"), panel.method, "predictor")
    of_one = table[(table["level"] == level) & (table["predictor"] == predictor) & table["median"]]
    return {row["side"]: row for row in of_one.to_dict("records")}


def _cells(rows: pd.DataFrame, shares: dict[str, dict[str, Any]]) -> Iterator[Tex]:
    of = {row["statistic"]: row for row in rows.to_dict("records")}
    yield count(of[PEARSON]["n_pairs"])
    for statistic in (PEARSON, SPEARMAN):
        yield number(of[statistic]["value"], DECIMALS)
        yield DASH if pd.isna(of[statistic]["p_value"]) else p_value(of[statistic]["p_value"])
    corrected = of[PEARSON]
    yield number(corrected["corrected"], DECIMALS)
    yield interval(corrected["ci_low"], corrected["ci_high"], DECIMALS)
    for side in (HIGH, LOW):
        share = shares[side]["share"] if side in shares else float("nan")
        yield DASH if pd.isna(share) else fixed(100 * share, 0)
