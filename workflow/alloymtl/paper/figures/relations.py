"""Learned task relations: a matrix of means with the value of every run."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from alloymtl.paper.display import figure_text
from alloymtl.paper.figures.style import TEXT_WIDTH, notice
from alloymtl.paper.latex import decimals_for
from alloymtl.paper.material import Material
from alloymtl.paper.spec import MethodView

COLUMNS = ["method", "receiver", "source", "split_seed", "seed", "strength"]
CELL_WIDTH, CELL_HEIGHT = 1.3, 0.8  # inches, where there is room
MARGIN = 1.3  # inches beside and below a matrix
MAX_HEIGHT = 8.0  # inches
MANY = 4  # tasks, above which labels are turned and numbers set smaller
DARK = 0.55  # shade from which text on it turns white
FLOOR, CEILING = 0.94, 0.10  # where in a cell, from its top, strength zero and the scale's end lie


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """One matrix for each method with relations: row receives, column gives.

    A cell's shade is the mean over runs on the whole scale of a strength, zero to one, so that weak relations look
    weak; the mean is also printed. Its dots are the runs, left to right in the order of their seeds, their height the
    strength on the scale at the right, common to all cells.
    """
    if not material.related:
        return notice("No method of this study learns relations between tasks."), pd.DataFrame(columns=COLUMNS)
    data = material.relations.rename(columns={"task": "receiver"})[COLUMNS]
    n_tasks, n_methods = len(material.study.tasks), len(material.related)
    across = max(1, min(n_methods, int(TEXT_WIDTH // (0.6 * CELL_WIDTH * n_tasks + MARGIN))))
    down = -(-n_methods // across)
    width = min(TEXT_WIDTH / across, CELL_WIDTH * n_tasks + MARGIN)
    height = min(CELL_HEIGHT * n_tasks + 0.7, MAX_HEIGHT / min(down, 2))
    figure = Figure(figsize=(width * across, height * down), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).ravel()
    top = _ceiling(float(data["strength"].max()))
    for ax, method in zip(axes, material.related, strict=False):
        _matrix(material, method, ax, top)
        if n_methods > 1:
            ax.set_title(figure_text(method.title), loc="left")
    for ax in axes[n_methods:]:
        ax.set_axis_off()
    return figure, data


def _ceiling(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten, at most 1, since a strength is a share."""
    if value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(min(next(m * power for m in (1, 2, 5, 10) if m * power >= value), max(1.0, value)))


def _matrix(material: Material, method: MethodView, ax: Axes, top: float) -> None:
    tasks = material.study.tasks
    cells = {
        (row, column): material.relation(method, receiver, source)
        for row, receiver in enumerate(tasks)
        for column, source in enumerate(tasks)
    }
    decimals = max(3, decimals_for([values.mean() for values in cells.values()], 2, most=6))
    many = len(tasks) > MANY
    for (row, column), values in cells.items():
        _cell(ax, row, column, values, top, f".{decimals}f", 7 if many else 9)
    names, centres = [figure_text(task.title) for task in tasks], np.arange(len(tasks)) + 0.5
    ax.set(xlim=(0, len(tasks)), ylim=(len(tasks), 0), xlabel="Source", ylabel="Receiver")
    turned = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if many else {}
    ax.set_xticks(centres, names, **turned)
    ax.set_yticks(centres, names, **({} if many else {"rotation": 90, "va": "center"}))
    scale = ax.secondary_yaxis("right")
    rows = range(1 if many else len(tasks))
    ends = [(row + place, text) for row in rows for place, text in ((FLOOR, "0"), (CEILING, f"{top:g}"))]
    scale.set_yticks([place for place, _ in ends], [text for _, text in ends], fontsize=6 if many else 8)
    ax.tick_params(length=0)
    scale.tick_params(length=2)
    for spine in (*ax.spines.values(), *scale.spines.values()):
        spine.set_visible(False)


def _cell(ax: Axes, row: int, column: int, values: np.ndarray, top: float, form: str, size: float) -> None:
    mean = float(values.mean())
    shade = 0.75 * min(mean, 1.0)
    ink = "white" if shade > DARK else "0.1"
    place = (column + 0.02, row + 0.03)
    ax.add_patch(Rectangle(place, 0.96, 0.94, fc=colormaps["Blues"](shade), ec="0.6", lw=0.5))

    def height(strength: np.ndarray | float) -> np.ndarray | float:
        return row + FLOOR - (FLOOR - CEILING) * strength / top

    across = column + 0.1 + 0.8 * (np.arange(len(values)) + 0.5) / len(values)
    ax.plot([column + 0.02, column + 0.98], [height(mean)] * 2, color=ink, lw=0.6, alpha=0.6)
    ax.plot(across, height(values), "o", ms=2.6, mfc=ink, mew=0, alpha=0.85)
    beside = row + (0.19 if mean < 0.55 * top else 0.84)
    ax.text(column + 0.5, beside, f"{mean:{form}}", ha="center", va="center", color=ink, fontsize=size)
