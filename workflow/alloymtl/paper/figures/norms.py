"""Do tasks with larger gradients gain more? Relative norms against Delta_m, before scaling and after."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from alloymtl.evaluation.balancing.gradient_norms import AS_MET, SCALED
from alloymtl.evaluation.balancing.norms import POINT_COLUMNS
from alloymtl.evaluation.balancing.roles import is_baseline, is_gradient_norm
from alloymtl.paper.balancing import ABSENT_NORMS, batches, made
from alloymtl.paper.display import figure_text
from alloymtl.paper.figures.style import Colour, legend, notice, panels
from alloymtl.paper.material import Material
from alloymtl.paper.spec import ordered

COLUMNS = [*POINT_COLUMNS, "role"]
BEFORE, AFTER = "before", "after"
MARKS = {BEFORE: "o", AFTER: "s"}
WORDS = {BEFORE: "equal weights", AFTER: "gradient-norm scaling"}
MOST_ACROSS = 5  # panels in a row
HEIGHT = 1.75  # inches of a panel


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """A row of panels for each sampler, one for each level: a task's relative norm against its Delta_m.

    Discs are the plain baseline with the norms that training met, squares gradient-norm scaling with the norms that it
    made of them; small ones units (seeds), large ones their mean, an arrow from before to after. The CSV holds all
    methods and measures; ``role`` says which rows are drawn.
    """
    study, points = material.study, material.norm_points
    if points.empty:
        return notice(ABSENT_NORMS), pd.DataFrame(columns=COLUMNS)
    roles = {
        name: BEFORE if is_baseline(made(study.methods[name])) else AFTER
        for name in points["method"].drop_duplicates()
        if is_baseline(made(study.methods[name])) or is_gradient_norm(made(study.methods[name]))
    }
    shown = {BEFORE: AS_MET, AFTER: SCALED}
    role = points["method"].map(roles).fillna("")
    data = points.assign(role=role.where(points["measure"] == role.map(shown), ""))[COLUMNS]
    drawn = data[data["role"] != ""]
    levels = [str(level) for level in ordered(study.experiments[points["experiment"].iloc[0]])]
    samplers = list(drawn["sampler"].drop_duplicates())
    if not samplers:
        return notice("The experiment on norms has neither equal weights nor gradient-norm scaling."), data
    palette = dict(zip([t.name for t in study.tasks], _colours(len(study.tasks)), strict=True))
    across = min(len(levels), MOST_ACROSS)
    figure, axes = panels(_places(len(samplers), len(levels), across), HEIGHT, per_row=across)
    used = []
    for (row, sampler), (column, level) in product(enumerate(samplers), enumerate(levels)):
        ax = axes[row * across * -(-len(levels) // across) + column]
        used.append(ax)
        _panel(ax, drawn[(drawn["sampler"] == sampler) & (drawn["level"] == level)], palette)
        ax.set_title("All labels" if level == "all" else f"{int(level):,} labels", loc="left", fontsize=8)
        if column % across == 0:
            ax.set_ylabel(f"{figure_text(batches(sampler).capitalize())}:\nchange / %", fontsize=8)
        ax.set_xlabel("Relative norm", fontsize=8)
    for ax in set(axes) - set(used):
        ax.set_axis_off()
    _scales(used, drawn)
    _legend(figure, material, palette, [r for r in MARKS if (drawn["role"] == r).any()])
    return figure, data


def _places(rows: int, columns: int, across: int) -> int:
    """Panels in full rows of so many."""
    return rows * -(-columns // across) * across


def _colours(number: int) -> list[Colour]:
    return sns.color_palette("colorblind", number) if number <= 10 else sns.color_palette("husl", number)


def _panel(ax: Axes, data: pd.DataFrame, palette: Mapping[str, Colour]) -> None:
    ax.axhline(0, color="0.6", lw=0.6, zorder=0)
    ax.axvline(1, color="0.85", lw=0.6, zorder=0)
    for task, colour in palette.items():
        ends = {}
        for role, mark in MARKS.items():
            mine = data[(data["task"] == task) & (data["role"] == role)]
            if mine.empty or mine[["share", "delta"]].isna().all(axis=None):
                continue
            ax.plot(np.exp(mine["share"]), mine["delta"], mark, ms=2.2, mew=0, color=colour, alpha=0.45)
            ends[role] = (float(np.exp(mine["share"].mean())), float(mine["delta"].mean()))
            face = colour if role == BEFORE else "white"
            ax.plot(*ends[role], mark, ms=4.6, color=colour, mfc=face, mew=0.9, zorder=3)
        if len(ends) == len(MARKS):
            arrow = {"arrowstyle": "-|>", "color": colour, "lw": 0.7, "shrinkA": 3, "shrinkB": 3, "mutation_scale": 6}
            ax.annotate("", ends[AFTER], ends[BEFORE], arrowprops=arrow)


def _scales(axes: list[Axes], data: pd.DataFrame) -> None:
    """One scale for all; the norms' is logarithmic."""
    ends = np.exp([data["share"].min(), data["share"].max(), 0.0])
    for ax in axes:
        ax.set_xscale("log")
        ax.set_xlim(ends.min() / 1.4, ends.max() * 1.4)
        ax.set_ylim(min(a.get_ylim()[0] for a in axes), max(a.get_ylim()[1] for a in axes))
        wide = ends.max() / ends.min() > 30
        ax.xaxis.set_major_locator(LogLocator(10 if wide else 2, subs=(1.0,)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.tick_params(labelsize=7)


def _legend(figure: Figure, material: Material, palette: Mapping[str, Colour], roles: list[str]) -> None:
    tasks = [(figure_text(t.title), palette[t.name]) for t in material.study.tasks]
    handles = [Line2D([], [], ls="", marker="o", ms=4.6, color=colour, label=title) for title, colour in tasks]
    faces = {BEFORE: "0.3", AFTER: "white"}
    handles += [
        Line2D([], [], ls="", marker=MARKS[r], ms=4.6, color="0.3", mfc=faces[r], label=figure_text(WORDS[r]))
        for r in roles
    ]
    legend(figure, handles, per_row=5)
