"""Errors of the predictions on test alloys: their middle, their spread, and their tails to the last one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alloymtl.paper.cells import of_main
from alloymtl.paper.display import figure_text, unit_in_figure
from alloymtl.paper.figures.style import colours, method_legend, notice, panels
from alloymtl.paper.material import Material
from alloymtl.paper.spec import PaperStudy
from alloymtl.task import Task

COLUMNS = ["task", "method", "split_seed", "seed", "series", "share", "error"]
LEVELS = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
RANKS = 150  # points of a curve, evenly spread over its logarithmic scale


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """Two panels for each regression task, in its unit.

    Above, quantiles of the signed error (prediction - measurement), all runs of a method pooled: box 25 to 75 %, line
    at the median, whiskers 5 to 95 %, dots at 1 and 99 %, crosses at the smallest and the largest error. Below, the
    share of test predictions whose absolute error is larger than x: a thin line for each run, a thick one for all runs
    pooled. The CSV's ``series`` is ``quantile`` (share = the quantile's level) or ``exceedance``.
    """
    study = material.study
    tasks = study.of_kind("regression")
    if not tasks:
        return notice("This study has no regression task."), pd.DataFrame(columns=COLUMNS)
    methods = [m.name for m in study.main_methods]
    table = of_main(material.inputs["predictions"], study, methods, [t.name for t in tasks])
    table = table.assign(error=table["prediction"] - table["target"])
    data = pd.DataFrame([row for t in tasks for m in methods for row in _summaries(table, t, m)], columns=COLUMNS)
    figure, axes = panels(len(tasks), height=1.75, rows_each=2)
    for n, task in enumerate(tasks):
        mine = data[data["task"] == task.name]
        _boxes(axes[2 * n], mine, study, task)
        _tails(axes[2 * n + 1], mine, study, task)
    method_legend(figure, study)
    return figure, data


def _summaries(table: pd.DataFrame, task: Task, method: str) -> Iterator[dict[str, Any]]:
    mine = table[(table["task"] == task.name) & (table["method"] == method)]
    name = {"task": task.name, "method": method}
    pooled = {**name, "split_seed": "all", "seed": "all"}
    for level, error in zip(LEVELS, np.quantile(mine["error"], LEVELS), strict=True):
        yield {**pooled, "series": "quantile", "share": level, "error": float(error)}
    yield from ({**pooled, **point} for point in _exceedance(mine["error"]))
    for (split_seed, seed), run in mine.groupby(["split_seed", "seed"], sort=False):
        yield from ({**name, "split_seed": split_seed, "seed": seed, **p} for p in _exceedance(run["error"]))


def _exceedance(errors: pd.Series) -> Iterator[dict[str, Any]]:
    """Share of predictions whose absolute error is at least that of rank k, for ranks from the largest error down."""
    size = np.sort(np.abs(errors.to_numpy()))[::-1]
    ranks = np.unique(np.geomspace(1, size.size, RANKS).round().astype(int))
    for rank in ranks:
        yield {"series": "exceedance", "share": rank / size.size, "error": float(size[rank - 1])}


def _boxes(ax: Axes, data: pd.DataFrame, study: PaperStudy, task: Task) -> None:
    palette, methods = colours(study), [m.name for m in study.main_methods]
    for place, method in enumerate(reversed(methods)):
        mine = data[(data["method"] == method) & (data["series"] == "quantile")]
        low, q01, q05, q25, q50, q75, q95, q99, high = mine["error"]
        colour = palette[method]
        ax.barh(place, q75 - q25, left=q25, height=0.55, color=(*colour, 0.35), edgecolor=colour, lw=0.9)
        ax.plot([q50, q50], [place - 0.275, place + 0.275], color=colour, lw=1.6)
        ax.hlines([place, place], [q05, q75], [q25, q95], color=colour, lw=0.9)
        ax.plot([q01, q99], [place, place], "o", ms=2.6, color=colour)
        ax.plot([low, high], [place, place], "x", ms=3.6, mew=0.9, color=colour)
    ax.axvline(0, color="0.6", lw=0.6, zorder=0)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_title(figure_text(task.title), loc="left")
    ax.set_xlabel(f"Error ({unit_in_figure(task)})")


def _tails(ax: Axes, data: pd.DataFrame, study: PaperStudy, task: Task) -> None:
    palette = colours(study)
    curves = data[data["series"] == "exceedance"]
    for (method, split_seed, _), curve in curves.groupby(["method", "split_seed", "seed"], sort=False):
        width, alpha = (1.5, 1.0) if split_seed == "all" else (0.45, 0.5)
        ax.plot(curve["error"], curve["share"], color=palette[method], lw=width, alpha=alpha, ds="steps-post")
    ax.set_yscale("log")
    ax.set_ylim(top=1.25)
    ax.set_xlim(left=0)
    ax.set_xlabel(f"Absolute error $x$ ({unit_in_figure(task)})")
    ax.set_ylabel("Share with error $\\geq x$")
