"""Profile of the data: labels of each task, alloys that tasks share, and the elements that alloys hold."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from alloymtl.data.profile import ALL_TASKS
from alloymtl.paper.display import figure_text, unit_in_figure
from alloymtl.paper.figures.style import PANELS_PER_ROW, TEXT_WIDTH, broken
from alloymtl.paper.material import Material
from alloymtl.task import Task

COLUMNS = ["panel", "task", "other", "element", "bin_low", "bin_high", "alloys", "share"]
BAR = "0.45"
SHADES = "Blues"
DARK = 0.6  # shade from which text on it turns white
HISTOGRAM, ROW, MARGIN = 1.55, 0.21, 0.7  # inches: height of a histogram, of a line of elements, and around them
NARROW = 42  # elements in one strip
WORDS = 13  # characters of a title in a line


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """Histograms of every task's labels, the overlap of tasks as Jaccard indices, and the share of alloys by element.

    The matrix prints the alloys that two tasks share, its shade is their share of the alloys that either has; a single
    task has none. Elements that no alloy holds are left out of the drawing. The CSV's ``panel`` is ``histogram``,
    ``overlap`` or ``element``.
    """
    tasks = material.study.tasks
    strips = _strips(material)
    across = min(len(tasks), PANELS_PER_ROW)
    down = math.ceil(len(tasks) / across)
    lower = ROW * (len(tasks) + 1) * len(strips) + MARGIN * len(strips)
    matrix = min(0.3 * len(tasks) + MARGIN, 3.2)
    heights = [HISTOGRAM * down, *([matrix] if len(tasks) > 1 else []), lower]
    figure = Figure(figsize=(TEXT_WIDTH, sum(heights)), layout="constrained")
    top, *middle, bottom = figure.subfigures(len(heights), 1, height_ratios=heights)
    grid = top.subplots(down, across, squeeze=False).ravel()
    for ax, task in zip(grid, tasks, strict=False):
        _histogram(material, task, ax)
    for ax in grid[len(tasks) :]:
        ax.set_axis_off()
    for part in middle:
        _overlap(material, part.subplots())
    for ax, elements in zip(bottom.subplots(len(strips), 1, squeeze=False).ravel(), strips, strict=True):
        _elements(material, elements, ax)
    return figure, _data(material)


def _data(material: Material) -> pd.DataFrame:
    """All that is drawn, one line a bar or cell."""
    tables = material.profile
    names = {"task_a": "task", "task_b": "other", "both": "alloys", "jaccard": "share"}
    overlap = material.overlap.rename(columns=names)
    parts = {"histogram": tables["histograms"], "overlap": overlap, "element": tables["elements"]}
    data = pd.concat([table.assign(panel=name) for name, table in parts.items()], ignore_index=True)
    return data.reindex(columns=COLUMNS).astype({"alloys": "Int64"})


def _histogram(material: Material, task: Task, ax: Axes) -> None:
    table = material.profile["histograms"]
    bars = table[table["task"] == task.name]
    ax.set_title(figure_text(task.title), loc="left")
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    if task.is_regression:
        ax.bar(bars["bin_low"], bars["alloys"], bars["bin_high"] - bars["bin_low"], align="edge", color=BAR, lw=0)
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.set_xlabel(unit_in_figure(task))
    else:
        ax.bar([0, 1], bars["alloys"], 0.6, color=BAR, lw=0)
        ax.set_xticks([0, 1], [broken(name, WORDS) for name in (task.negative, task.positive)])
        ax.set_xlim(-0.7, 1.7)
        ax.tick_params(axis="x", length=0)
    if ax.get_subplotspec().is_first_col():
        ax.set_ylabel("Alloys")


def _overlap(material: Material, ax: Axes) -> None:
    tasks = material.study.tasks
    names = [figure_text(task.title) for task in tasks]
    size = 9 if len(tasks) <= 4 else 7
    for row, first in enumerate(tasks):
        for column, second in enumerate(tasks):
            both, either = material.shared(first, second)
            shade = both / either if either else 0.0
            ink = "white" if shade > DARK else "0.1"
            ax.add_patch(Rectangle((column, row), 1, 1, fc=colormaps[SHADES](0.85 * shade), ec="white", lw=1))
            text = f"{both:,}" if first is second or not both else f"{both:,} ({shade:.2g})"
            ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=ink, fontsize=size)
    ax.set(xlim=(0, len(tasks)), ylim=(len(tasks), 0))
    ax.set_title("Alloys with labels of both, and their share of those with either (Jaccard index)", loc="left")
    turned = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if len(tasks) > 4 else {}
    _frameless(ax, np.arange(len(tasks)) + 0.5, names, turned)


def _strips(material: Material) -> list[list[str]]:
    """Elements that some alloy holds, in the order of the config, in lines of equal length."""
    table = material.profile["elements"]
    held = table.loc[(table["task"] == ALL_TASKS) & (table["alloys"] > 0), "element"].tolist()
    number = max(1, math.ceil(len(held) / NARROW))
    length = math.ceil(len(held) / number)
    return [held[n * length : (n + 1) * length] for n in range(number)]


def _elements(material: Material, elements: list[str], ax: Axes) -> None:
    table = material.profile["elements"]
    shares = table.pivot_table(index="task", columns="element", values="share", sort=False)
    rows = {task.name: figure_text(task.title) for task in material.study.tasks}
    if len(rows) > 1:
        rows[ALL_TASKS] = "All"
    values = shares.loc[list(rows), elements].to_numpy()
    shown = ax.imshow(values, cmap=SHADES, vmin=0, vmax=1, aspect="auto", extent=(0, len(elements), len(rows), 0))
    ax.set_title("Share of alloys that hold an element", loc="left")
    ax.set_xticks(np.arange(len(elements)) + 0.5, elements, fontsize=8 if len(elements) <= 30 else 6.5)
    _frameless(ax, np.arange(len(rows)) + 0.5, list(rows.values()), None)
    ax.hlines(range(1, len(rows)), 0, len(elements), color="white", lw=1)
    ax.vlines(range(1, len(elements)), 0, len(rows), color="white", lw=0.6)
    bar = ax.figure.colorbar(shown, ax=ax, fraction=0.03, pad=0.01, aspect=8)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, labelsize=7)


def _frameless(ax: Axes, centres: np.ndarray, names: list[str], turned: dict[str, object] | None) -> None:
    """Names at the rows of a matrix, and at its columns unless these have names of their own (``turned`` is None)."""
    ax.set_yticks(centres, names)
    if turned is not None:
        ax.set_xticks(centres, names, **turned)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
