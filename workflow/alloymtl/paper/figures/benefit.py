"""Do tasks gain from being trained in pairs where their gradients are alike? Every pair of tasks."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alloymtl.evaluation.affinity.pairings import PAIR_GAINS
from alloymtl.evaluation.balancing.correlation import PEARSON
from alloymtl.experiment import BENEFIT
from alloymtl.paper.affinity import ARM, CORRECTED, MINIBATCH, TITLES, Panel, every, level_of, panels, shown
from alloymtl.paper.display import figure_text
from alloymtl.paper.figures.style import PANELS_PER_ROW, broken, notice
from alloymtl.paper.figures.style import panels as axes_of
from alloymtl.paper.material import Material
from alloymtl.paper.overlap import ABSENT, arms
from alloymtl.paper.spec import ordered

COLUMNS = [ARM, *PAIR_GAINS]
HEIGHT = 2.1  # inches of a panel
CHARACTERS = 102  # of titles side by side
PREFERRED = (CORRECTED, MINIBATCH)
"""Estimators: the first of which every pair has a value is shown."""


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """A panel for each arm and level of the experiment ``benefit``: a pair's cosine against its gain, with intervals.

    The cosine is that of the last fifth of training, mean over runs, corrected for noise; of minibatches where the
    corrected one of some pair is not defined. The gain is the mean of both tasks, in percent of training alone. The
    number is Pearson's correlation over pairs with its p-value over relabelled tasks, as in the table. The CSV holds
    every predictor.
    """
    if not any(True for _ in arms(material)):
        return notice(ABSENT), pd.DataFrame(columns=COLUMNS)
    data = every(material, "pair_gains", PAIR_GAINS)
    places = [
        (panel, str(level), predictor)
        for panel in panels(material, "pair_gains")
        for level in ordered(panel.arm.study.experiments[BENEFIT])
        if (predictor := _predictor(panel, str(level)))
    ]
    if not places:
        return notice("No arm has an experiment that trains tasks in pairs."), data
    figure, axes = axes_of(len(places), HEIGHT)
    wide = CHARACTERS // min(len(places), PANELS_PER_ROW)
    for n, (ax, (panel, level, predictor)) in enumerate(zip(axes, places, strict=True)):
        _panel(ax, _of(panel, "pair_gains", level, predictor), _of(panel, "benefit", level, predictor))
        ax.set_title(broken(f"{panel.title}: {level_of(panel.arm.study, level)}", wide), loc="left", fontsize=8.5)
        ax.set_xlabel(figure_text(TITLES[predictor]), fontsize=8)
        if n % PANELS_PER_ROW == 0:
            ax.set_ylabel("Gain of the pair / %", fontsize=8)
    return figure, data


def _of(panel: Panel, name: str, level: str, predictor: str) -> pd.DataFrame:
    table = shown(panel.arm.table(name), panel.method, "predictor")
    return table[(table["level"] == level) & (table["predictor"] == predictor)]


def _predictor(panel: Panel, level: str) -> str | None:
    """The estimator that a panel shows; None where the level has no cosines."""
    there = {name: _of(panel, "pair_gains", level, name)["similarity"] for name in PREFERRED}
    whole = (name for name, values in there.items() if len(values) and values.notna().all())
    some = (name for name, values in there.items() if values.notna().any())
    return next(whole, None) or next(some, None)


def _panel(ax: Axes, pairs: pd.DataFrame, benefit: pd.DataFrame) -> None:
    colour = sns.color_palette("colorblind")[0]
    ax.axhline(0, color="0.6", lw=0.6, zorder=0)
    ax.axvline(0, color="0.6", lw=0.6, zorder=0)
    ax.vlines(pairs["similarity"], pairs["ci_low"], pairs["ci_high"], color=(*colour, 0.25), lw=0.7, zorder=1)
    ax.plot(pairs["similarity"], pairs["gain"], "o", ms=3.4, mec="white", mew=0.4, color=colour, zorder=2)
    found = benefit[benefit["statistic"] == PEARSON]
    if len(found) and found["value"].notna().all():
        row = found.iloc[0]
        text = f"$r={row['value']:.2f}$, $p={row['p_value']:.2g}$"
        ax.text(0.98, 0.97, text, transform=ax.transAxes, ha="right", va="top", fontsize=8)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.12 * (high - low))
    ax.tick_params(labelsize=7)
