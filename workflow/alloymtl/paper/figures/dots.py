"""Dot plots: the runs of each method as dots in a row, beside their mean with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from alloymtl.paper.display import figure_text
from alloymtl.paper.figures.style import PANELS_PER_ROW, REPORTED, Colour, broken, metric_in_figure, panels
from alloymtl.paper.spec import PaperStudy
from alloymtl.task import Task

LINE = 0.25  # inches, of one method
AROUND = 0.65  # inches, of title and axis
LABEL = 24  # characters of a method's title in a line
RUNS, MEAN = 0.16, -0.18  # heights of the runs and of their mean in a method's row, from its middle upwards


def rows_of_dots(
    study: PaperStudy, tasks: Sequence[Task], methods: Sequence[str], quantity: str = "{metric}"
) -> tuple[Figure, list[Axes]]:
    """Empty panels, one for each task, in which every method has a row: the first on top.

    Args:
        study: the study.
        tasks: tasks, a panel each; its axis is the task's first metric.
        methods: methods, a row each.
        quantity: label of the axis, with ``{metric}`` where the metric is named.
    """
    figure, axes = panels(len(tasks), height=AROUND + LINE * len(methods))
    titles = [broken(study.methods[name].title, LABEL) for name in methods]
    for n, (ax, task) in enumerate(zip(axes, tasks, strict=True)):
        first = n % PANELS_PER_ROW == 0
        ax.set_yticks(range(len(methods)), titles if first else [""] * len(methods), linespacing=0.9)
        ax.set_ylim(len(methods) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.hlines(np.arange(len(methods) - 1) + 0.5, 0, 1, transform=ax.get_yaxis_transform(), color="0.92", lw=0.5)
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        ax.set_title(figure_text(task.title), loc="left")
        metric = metric_in_figure(study.metrics(task)[0], task)
        # On their baseline, since a superscript would push a label down.
        ax.set_xlabel(quantity.format(metric=metric), va="baseline", labelpad=13)
    return figure, axes


def fill_rows(ax: Axes, data: pd.DataFrame, methods: Sequence[str], palette: Mapping[str, Colour]) -> None:
    """Runs, mean, interval and reported value of each method, from the columns of ``samples.COLUMNS``."""
    for place, method in enumerate(methods):
        mine = data[data["method"] == method]
        runs, told = (mine.loc[mine["series"] == series, "value"] for series in ("run", "reported"))
        mean = mine[mine["series"] == "mean"].iloc[0]
        colour = palette[method]
        ax.plot(runs, np.full(len(runs), place - RUNS), "o", ms=2.8, mew=0, color=colour, alpha=0.6)
        ax.plot([mean["ci_low"], mean["ci_high"]], [place - MEAN] * 2, color=colour, lw=1.2)
        ax.plot(mean["value"], place - MEAN, "o", ms=4.4, mec="white", mew=0.5, color=colour)
        ax.plot(told, np.full(len(told), place - MEAN), **REPORTED)


def draw_band(ax: Axes, data: pd.DataFrame, colour: Colour, upright: bool) -> None:
    """The mean of one method as a line across the panel, and its interval as a band."""
    mean = data[data["series"] == "mean"].iloc[0]
    line, span = (ax.axvline, ax.axvspan) if upright else (ax.axhline, ax.axhspan)
    line(mean["value"], color=colour, lw=0.9, zorder=0.6)
    if np.isfinite(mean["ci_low"]):
        span(mean["ci_low"], mean["ci_high"], color=(*colour, 0.18), lw=0, zorder=0.5)
