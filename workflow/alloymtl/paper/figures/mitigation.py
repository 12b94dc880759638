"""What each remedy changes: paired differences against the shared baseline, beside the change that was reported."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from alloymtl.paper.display import figure_text
from alloymtl.paper.figures.dots import rows_of_dots
from alloymtl.paper.figures.style import REPORTED, legend, notice
from alloymtl.paper.material import Material
from alloymtl.paper.spec import shown_level
from alloymtl.task import Task

EXPERIMENT = "mitigation"
TABLE = 6
COLUMNS = [
    "baseline",
    "method",
    "level",
    "task",
    "metric",
    "n_pairs",
    "mean_difference",
    "ci_low",
    "ci_high",
    "p_holm",
    "verdict",
    "reported_difference",
]
SHOWN = {True: "0.1", False: "0.6"}  # shade of a change, by whether its corrected test shows it

ABOVE, BELOW = 0.14, 0.2  # from the middle of a row to our change and to the reported one


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """A forest plot: a panel for each task, a row for each comparison, a dot and interval for the mean difference.

    Dark ones are shown by the test that is corrected for their number, light ones are not. Open diamonds are the
    difference of the two means that were reported.
    """
    study = material.study
    experiment = study.experiments.get(EXPERIMENT)
    if experiment is None or not experiment.comparisons:
        return notice("This study has no experiment on mitigation."), pd.DataFrame(columns=COLUMNS)
    baseline = experiment.comparisons[0][0]
    methods = [method for first, method in experiment.comparisons if first == baseline]
    data = pd.DataFrame([_row(material, baseline, m, t) for t in study.tasks for m in methods], columns=COLUMNS)
    against = figure_text(study.methods[baseline].title)
    figure, axes = rows_of_dots(study, study.tasks, methods, quantity="Change in {metric}")
    for ax, task in zip(axes, study.tasks, strict=True):
        _forest(ax, data[data["task"] == task.name].set_index("method").loc[methods])
    handles = [
        Line2D([], [], marker="o", ms=4.4, lw=1.2, color=shade, label=f"{text} {against}")
        for shade, text in ((SHOWN[True], "Differs from"), (SHOWN[False], "Not shown to differ from"))
    ]
    if data["reported_difference"].notna().any():
        handles.append(Line2D([], [], **REPORTED, label="Reported"))
    legend(figure, handles)
    return figure, data


def _row(material: Material, baseline: str, method: str, task: Task) -> dict[str, Any]:
    """One paired test and the reported change; with equal level and metric."""
    experiment = material.study.experiments[EXPERIMENT]
    level, metric = shown_level(experiment), material.study.metrics(task)[0]
    test = material.test(EXPERIMENT, level, (baseline, method), task, metric)
    paper, told = material.reported, math.nan
    if paper is not None:
        after, before = (paper.of(TABLE, task.name, metric, name, level).value for name in (method, baseline))
        told = after - before
    return {**{name: test[name] for name in COLUMNS if name in test}, "reported_difference": told}


def _forest(ax: Axes, data: pd.DataFrame) -> None:
    ax.axvline(0, color="0.6", lw=0.6, zorder=0)
    above = ABOVE if data["reported_difference"].notna().any() else 0.0
    for place, row in enumerate(data.itertuples()):
        colour = SHOWN[row.verdict in ("better", "worse")]
        ax.plot([row.ci_low, row.ci_high], [place - above] * 2, color=colour, lw=1.2)
        ax.plot(row.mean_difference, place - above, "o", ms=4.4, mec="white", mew=0.5, color=colour)
        if not math.isnan(row.reported_difference):
            ax.plot(row.reported_difference, place + BELOW, **REPORTED)
