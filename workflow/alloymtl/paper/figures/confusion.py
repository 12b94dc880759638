"""Confusion matrices of the classification tasks, summed over runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alloymtl.paper.cells import of_main
from alloymtl.paper.display import figure_text
from alloymtl.paper.figures.style import TEXT_WIDTH, colours, notice
from alloymtl.paper.material import Material
from alloymtl.task import Task

COLUMNS = ["task", "method", "actual", "predicted", "alloys", "row_share"]
PER_ROW = 4


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """One matrix for each classification task and method: test alloys summed over runs, and the share of their row."""
    study = material.study
    tasks = study.of_kind("classification")
    if not tasks:
        return notice("This study has no classification task."), pd.DataFrame(columns=COLUMNS)
    methods = [m.name for m in study.main_methods]
    table = of_main(material.inputs["predictions"], study, methods, [t.name for t in tasks])
    data = pd.concat(
        [_matrix(table, task, m, study.evaluation["threshold"]) for task in tasks for m in methods], ignore_index=True
    )
    across = min(len(methods), PER_ROW)
    down = -(-len(methods) // across)
    figure = Figure(figsize=(TEXT_WIDTH, (1.75 * down + 0.15) * len(tasks)), layout="constrained")
    blocks = figure.subfigures(len(tasks), 1, squeeze=False)[:, 0]
    for block, task in zip(blocks, tasks, strict=True):
        axes = block.subplots(down, across, squeeze=False).ravel()
        for n, ax in enumerate(axes):
            if n >= len(methods):
                ax.set_axis_off()
                continue
            title = figure_text(study.methods[methods[n]].title)
            title = f"{figure_text(task.title)}: {title}" if len(tasks) > 1 else title
            mine = data[(data["task"] == task.name) & (data["method"] == methods[n])]
            _panel(ax, mine, task, title, colours(study)[methods[n]], first=n % across == 0)
    return figure, data


def _matrix(table: pd.DataFrame, task: Task, method: str, threshold: float) -> pd.DataFrame:
    """Test alloys by actual and predicted class, runs summed; an alloy counts as positive from the threshold on."""
    mine = table[(table["task"] == task.name) & (table["method"] == method)]
    actual = mine["target"].to_numpy() >= 0.5
    predicted = mine["prediction"].to_numpy() >= threshold
    rows = []
    for a in (0, 1):
        for p in (0, 1):
            n = int(((actual == a) & (predicted == p)).sum())
            rows.append([task.name, method, a, p, n, n / max(int((actual == a).sum()), 1)])
    return pd.DataFrame(rows, columns=COLUMNS)


def _panel(
    ax: Axes, data: pd.DataFrame, task: Task, title: str, colour: tuple[float, float, float], *, first: bool
) -> None:
    shares = data["row_share"].to_numpy().reshape(2, 2)
    counts = data["alloys"].to_numpy().reshape(2, 2)
    ax.imshow(shares, cmap=colormaps["Greys"], vmin=0, vmax=1.5)
    for a, p in np.ndindex(2, 2):
        ink = "white" if shares[a, p] > 0.82 else "0.1"
        ax.text(p, a - 0.08, f"{100 * shares[a, p]:.1f}%", ha="center", va="center", color=ink, fontsize=10)
        ax.text(p, a + 0.24, f"{counts[a, p]:,}", ha="center", va="center", color=ink, fontsize=7.5)
    names = [figure_text(task.negative), figure_text(task.positive)]
    ax.set_xticks([0, 1], names)
    ax.set_yticks([0, 1], names if first else ["", ""], rotation=90, va="center")
    ax.set_xlabel("Predicted")
    if first:
        ax.set_ylabel("Actual")
    ax.tick_params(length=0)
    ax.set_title(title, loc="left", pad=6)
    ax.axhline(0.5, color="white", lw=1.2)
    ax.axvline(0.5, color="white", lw=1.2)
    for spine in ax.spines.values():
        spine.set_visible(False)
    # The method's colour, as in the other figures.
    ax.plot([0, 1], [1.015, 1.015], transform=ax.transAxes, color=colour, lw=2.2, clip_on=False)
