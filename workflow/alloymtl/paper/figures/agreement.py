"""Do gradients tell how tasks are related, and from which overlap of their labels on?"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from alloymtl.data.overlap import KEPT
from alloymtl.evaluation.affinity.agreements import FEWEST_TASKS
from alloymtl.evaluation.affinity.kinds import LABELS, LABELS_LEFT
from alloymtl.evaluation.affinity.threshold import Fit, curve
from alloymtl.evaluation.balancing.correlation import PEARSON
from alloymtl.paper.affinity import ARM, PAPER, SHOWN, TITLES, Panel, panels, shown, strength, truth
from alloymtl.paper.display import figure_text
from alloymtl.paper.figures.style import PANELS_PER_ROW, REPORTED, Colour, broken, legend, notice
from alloymtl.paper.figures.style import panels as axes_of
from alloymtl.paper.material import Material
from alloymtl.paper.overlap import ABSENT, arms

POINT = ["method", "estimator", "kind", "level", "overlap"]
COLUMNS = [ARM, "series", *POINT, "split_seed", "seed", "value", "ci_low", "ci_high", "n_runs", "model"]
RUN, MEAN, CURVE, PUBLISHED = "run", "mean", "curve", "published"
HEIGHT = 1.75  # inches of a panel
ASIDE = 0.012  # of the axis of overlap, between the two estimators
POINTS = 101  # of a curve
LEFT = "0.55"


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """A panel for each arm: the correlation of cosines with the truth, by the mean Jaccard index of training labels.

    The cosines are those of the last fifth of training, of minibatches and corrected for noise. The truth is the
    correlation of signals or the cosine of designed weights; where neither is known, the correlation of all labels.
    Small dots are runs, large ones their mean with its interval, a line the fitted curve of lowest AICc, a band the
    interval of a threshold where there is one. In grey, the correlation of the labels that are left with all labels.
    Where labels are kept by chance, diamonds are the points that arXiv:2604.07848 prints. The CSV's ``series`` is
    ``run``, ``mean``, ``curve`` (its ``model`` at each overlap) or ``published``.
    """
    if not any(True for _ in arms(material)):
        return notice(ABSENT), pd.DataFrame(columns=COLUMNS)
    there = list(panels(material, "agreement"))
    if not there:
        return notice(f"No arm has {FEWEST_TASKS} tasks, and no pairs to correlate."), pd.DataFrame(columns=COLUMNS)
    palette = dict(zip(SHOWN, sns.color_palette("colorblind", len(SHOWN)), strict=True))
    figure, axes = axes_of(len(there), HEIGHT)
    parts = []
    for ax, panel in zip(axes, there, strict=True):
        reported = _reported(material, panel)
        data = pd.concat([_points(panel), _curves(panel), reported], ignore_index=True).assign(**{ARM: panel.arm.name})
        parts.append(data)
        _panel(ax, panel, data, palette)
        ax.set_title(broken(panel.title, 30), loc="left", fontsize=8.5)
    _scales(axes, float(pd.concat(part["value"] for part in parts).min()))
    left = any((part["estimator"] == LABELS_LEFT).any() for part in parts)
    of_paper = any((part["series"] == PUBLISHED).any() for part in parts)
    found = any(len(_found(panel)) for panel in there)
    _legend(figure, palette, left, of_paper, found)
    return figure, pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS)


def known(panel: Panel) -> str:
    """What the cosines of a panel are set against: the truth, or else all labels."""
    kinds = panel.arm.table("agreement")["kind"]
    return truth(kinds) or strength(kinds)


def _of_panel(panel: Panel, name: str) -> pd.DataFrame:
    """Lines of a table that a panel shows: cosines with the truth, and labels that are left with all labels."""
    table = panel.arm.table(name)
    if table.empty:
        return table
    table = shown(table, panel.method)
    cosines = table["estimator"].isin(SHOWN) & (table["kind"] == known(panel))
    left = (table["estimator"] == LABELS_LEFT) & (table["kind"] == LABELS)
    return table[(cosines | left) & (table["statistic"] == PEARSON)]


def _points(panel: Panel) -> pd.DataFrame:
    runs = _of_panel(panel, "agreement_runs").assign(series=RUN)
    means = _of_panel(panel, "agreement").assign(series=MEAN).rename(columns={"mean": "value"})
    both = pd.concat([runs, means], ignore_index=True)
    return both[both["value"].notna()]


def _curves(panel: Panel) -> pd.DataFrame:
    """Best curve of each estimator over the overlaps of its points."""
    table = _of_panel(panel, "agreement_curves")
    points = _of_panel(panel, "agreement_runs")
    lines = []
    for estimator in SHOWN if len(table) else ():
        mine = table[(table["estimator"] == estimator) & np.isfinite(table["aicc"])]
        x = points.loc[(points["estimator"] == estimator) & points["value"].notna(), "overlap"]
        if mine.empty or x.nunique() < 2:
            continue
        best = mine.loc[mine["aicc"].idxmin()]
        at = np.linspace(x.min(), x.max(), POINTS)
        named = {"series": CURVE, "method": panel.method, "estimator": estimator, "kind": best["kind"]}
        value = curve(_fit(best), at)
        lines.append(pd.DataFrame({"overlap": at, "value": value}).assign(**named, model=best["model"]))
    return pd.concat(lines, ignore_index=True) if lines else pd.DataFrame()


def _fit(row: pd.Series) -> Fit:
    """A fit from its line in ``agreement_curves``, which writes parameters as ``a 0.1, b -2``."""
    pairs = (item.rsplit(" ", 1) for item in row["parameters"].split(", "))
    parameters = {name: float(value) for name, value in pairs}
    return Fit(row["model"], parameters, math.nan, row["r2"], row["aicc"], row["weight"], row["n"])


def _found(panel: Panel) -> pd.DataFrame:
    """Thresholds of the estimators of a panel."""
    table = _of_panel(panel, "thresholds")
    return table[table["found"] & table["estimator"].isin(SHOWN)] if len(table) else table


def _reported(material: Material, panel: Panel) -> pd.DataFrame:
    """The published points, where labels are kept by chance as they were there."""
    if panel.arm.study.split["labels"]["kind"] != KEPT:
        return pd.DataFrame()
    table = material.overlap_reported
    keep = table["keep_percent"].astype(float) / 100
    values = {"level": table["keep_percent"], "overlap": keep / (2 - keep), "value": table["r"].astype(float)}
    return pd.DataFrame(values).assign(series=PUBLISHED, kind=LABELS)


def _panel(ax: Axes, panel: Panel, data: pd.DataFrame, palette: dict[str, Colour]) -> None:
    ax.axhline(0, color="0.8", lw=0.6, zorder=0)
    for row in _found(panel).itertuples():
        ax.axvspan(row.low, row.high, color=palette[row.estimator], alpha=0.12, lw=0, zorder=0)
        ax.axvline(row.x0, color=palette[row.estimator], lw=0.8, ls=":", zorder=1)
    left = data[(data["estimator"] == LABELS_LEFT) & (data["series"] == MEAN)].sort_values("overlap")
    ax.plot(left["overlap"], left["value"], "-", color=LEFT, lw=1.0, marker="o", ms=2.0, zorder=1)
    for place, (estimator, colour) in enumerate(palette.items()):
        aside = ASIDE * (2 * place - len(palette) + 1)
        mine = data[data["estimator"] == estimator]
        of = {series: mine[mine["series"] == series] for series in (RUN, MEAN, CURVE)}
        ax.plot(of[CURVE]["overlap"], of[CURVE]["value"], color=colour, lw=0.9, alpha=0.8)
        ax.plot(of[RUN]["overlap"] + 2.5 * aside, of[RUN]["value"], "o", ms=1.8, mew=0, color=colour, alpha=0.45)
        ax.vlines(of[MEAN]["overlap"] + aside, of[MEAN]["ci_low"], of[MEAN]["ci_high"], color=colour, lw=1.1)
        ax.plot(of[MEAN]["overlap"] + aside, of[MEAN]["value"], "o", ms=4, mec="white", mew=0.5, color=colour, zorder=3)
    published = data[data["series"] == PUBLISHED]
    ax.plot(published["overlap"], published["value"], **{**REPORTED, "ms": 3.2, "mew": 0.7})


def _scales(axes: list[Axes], lowest: float) -> None:
    """One scale for all: correlations, of which only intervals leave -1 to 1."""
    for n, ax in enumerate(axes):
        ax.set_xlim(-0.05, 1.05)
        ax.set_ylim(min(lowest - 0.08, -0.3), 1.08)
        ax.set_xlabel("Mean Jaccard index", fontsize=8, labelpad=1)
        if n % PANELS_PER_ROW == 0:
            ax.set_ylabel("Correlation $r$", fontsize=8)
        ax.tick_params(labelsize=7)


def _legend(figure: Figure, palette: dict[str, Colour], left: bool, paper: bool, found: bool) -> None:
    handles = [
        Line2D([], [], color=c, marker="o", ms=4, lw=0.9, label=figure_text(TITLES[e])) for e, c in palette.items()
    ]
    if left:
        handles.append(Line2D([], [], color=LEFT, marker="o", ms=2, lw=1, label="Labels left"))
    if paper:
        handles.append(Line2D([], [], **{**REPORTED, "ms": 3.2, "mew": 0.7}, label=figure_text(PAPER)))
    if found:
        handles.append(Patch(color="0.85", label="Threshold"))
    legend(figure, handles)
