"""Table O2: is there an overlap of labels from which on gradients tell how tasks are related?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from alloymtl.evaluation.affinity.agreements import THRESHOLD
from alloymtl.evaluation.affinity.kinds import LABELS, LABELS_LEFT
from alloymtl.evaluation.affinity.threshold import MARGIN, Fit, fits
from alloymtl.evaluation.balancing.correlation import PEARSON
from alloymtl.paper.affinity import ARM, PAPER, SHOWN, TITLES, Panel, every, panels, shown, strength, truth
from alloymtl.paper.latex import Tex, escape
from alloymtl.paper.material import Material
from alloymtl.paper.overlap import ABSENT, arms
from alloymtl.paper.reported import printed
from alloymtl.paper.tables.parts import DASH, grouped_heading, interval, lower_first, notice, number
from alloymtl.paper.tables.tabular import Table, Tabular, stacked

COLUMNS = [ARM, *THRESHOLD]
HEADING = ("Series", "With", "Smooth", "Transition", r"$\Delta$AICc", "$x_0$", "Interval", "Threshold")
DECIMALS = 2
OF_AICC = 1


def make(material: Material) -> Table:
    """Above, a panel for each arm and a row for each series; below, the points that arXiv:2604.07848 prints.

    A series is the correlation by overlap (mean Jaccard index) of cosines in the last fifth of training, or of the
    labels that are left, with all labels or with the truth. Best smooth curve, best transition, AICc of the former
    minus that of the latter, centre of the transition with its interval, and whether there is a threshold: else why
    not. The published points are fitted over both axes: the share of labels that was kept, in per cent, and the Jaccard
    index that it makes. The CSV holds every series of the arms.
    """
    if not any(True for _ in arms(material)):
        return notice(COLUMNS, ABSENT)
    data = every(material, "thresholds", THRESHOLD)
    if data.empty:
        return notice(COLUMNS, "No arm has agreements at two overlaps or more.")
    tabular = Tabular("llllrrcl", [[Tex(cell) for cell in HEADING]])
    for panel in panels(material, "thresholds"):
        tabular.panel(escape(panel.title))
        for row in _series(panel):
            tabular.row(*_cells(row))
    return Table(data, stacked(tabular, _published(material)))


def _series(panel: Panel) -> Iterator[dict[str, Any]]:
    """Thresholds of a panel in the order of rows."""
    table = shown(panel.arm.table("thresholds"), panel.method)
    table = table[table["statistic"] == PEARSON]
    found = {(row["estimator"], row["kind"]): row for row in table.to_dict("records")}
    wanted = [*product(SHOWN, (strength(table["kind"]), truth(table["kind"]))), (LABELS_LEFT, LABELS)]
    return (found[key] for key in wanted if key in found)


def _cells(row: dict[str, Any]) -> Iterator[Tex]:
    yield Tex(TITLES[row["estimator"]])
    yield lower_first(Tex(TITLES[row["kind"]]))
    yield Tex(row["smooth"])
    yield Tex(row["transition"]) if math.isfinite(row["margin"]) else DASH
    yield number(row["margin"], OF_AICC)
    yield number(row["x0"], DECIMALS)
    yield interval(row["low"], row["high"], DECIMALS)
    yield verdict(row)


def verdict(row: dict[str, Any]) -> Tex:
    """Whether there is a threshold, and in few words why there is none: ``threshold.Threshold`` without its numbers."""
    if row["found"]:
        return Tex("yes")
    if not math.isfinite(row["margin"]):
        return Tex("none: too few overlaps")
    if row["margin"] <= 0:
        return Tex("none: smooth is better")
    if row["margin"] < MARGIN:
        return Tex("none: hardly better")
    if math.isfinite(row["low"]):
        return Tex("none: may lie anywhere")
    return Tex("none: too few seeds" if "too few for an interval" in row["reason"] else "none: middle is not seen")


@dataclass(frozen=True)
class Published:
    """The points that the paper prints, with every curve fitted to them over each axis.

    ``keep`` is the share of labels kept, ``jaccard`` the index that it makes, ``r`` the correlation; all (points,).
    """

    keep: NDArray[np.float64]
    jaccard: NDArray[np.float64]
    r: NDArray[np.float64]
    over_keep: dict[str, Fit]
    over_jaccard: dict[str, Fit]


def published(material: Material) -> Published:
    """The published points and their fits; a Jaccard index is p / (2 - p) where labels stay with probability p."""
    table = material.overlap_reported
    keep, r = table["keep_percent"].astype(float).to_numpy() / 100, table["r"].astype(float).to_numpy()
    jaccard = keep / (2 - keep)
    return Published(keep, jaccard, r, fits(keep, r), fits(jaccard, r))


def printed_r2(material: Material) -> float:
    """R2 of the sigmoid as the paper prints it, with the offset that suits its points best, since none is known."""
    told, points = material.overlap_reported_values, published(material)
    height, steepness, centre = (float(told[f"sigmoid_{name}"]) for name in ("L", "k", "x0"))
    residuals = points.r - height * expit(steepness * (100 * points.keep - centre))
    return float(1 - residuals.var() / points.r.var())


def _published(material: Material) -> Tabular:
    """A row for the sigmoid as printed, and one for each curve fitted here."""
    found, told = published(material), material.overlap_reported_values
    groups = [("", 1), (r"Labels kept / \%", 3), ("Jaccard", 3)]
    tabular = Tabular("l" + "rrr" * 2, grouped_heading(groups, ["Curve", *["$R^2$", "AICc", "$x_0$"] * 2]))
    tabular.panel(f"Points of {PAPER}")
    own = f"Sigmoid as printed ($R^2={printed(told['sigmoid_r2'])}$)"
    tabular.row(Tex(own), number(printed_r2(material), 3), DASH, printed(told["sigmoid_x0"]), *[DASH] * 3)
    for name, fit in found.over_keep.items():
        other = found.over_jaccard[name]
        tabular.row(Tex(name.capitalize()), *_fit(fit, 100, 1), *_fit(other, 1, DECIMALS))
    return tabular


def _fit(fit: Fit, scale: float, decimals: int) -> tuple[Tex, Tex, Tex]:
    x0 = fit.parameters.get("x0", math.nan) * scale
    return number(fit.r2, 3), number(fit.aicc, OF_AICC), number(x0, decimals)
