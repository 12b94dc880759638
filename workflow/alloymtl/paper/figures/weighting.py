"""Weights of the tasks and how their losses are reduced: what of hard sharing is the choice of a loss."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from alloymtl.paper.display import figure_text
from alloymtl.paper.figures.dots import draw_band, fill_rows, rows_of_dots
from alloymtl.paper.figures.style import colours, legend, notice
from alloymtl.paper.material import Material
from alloymtl.paper.samples import COLUMNS, scores

EXPERIMENT = "weighting"


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """One panel for each task, one row for each way to weigh; the networks that share nothing are a line and a band.

    Small dots are runs, the large one below them their mean with its t-interval. The CSV's ``series`` is ``run`` or
    ``mean``.
    """
    study = material.study
    if EXPERIMENT not in study.experiments:
        return notice("This study has no experiment on weighting."), pd.DataFrame(columns=COLUMNS)
    experiment = study.experiments[EXPERIMENT]
    data = scores(material, experiment)
    apart = [name for name in experiment.methods if study.methods[name].architecture == "independent"][:1]
    shown = [name for name in experiment.methods if name not in apart]
    palette = colours(study, experiment.methods)
    figure, axes = rows_of_dots(study, study.tasks, shown)
    for ax, task in zip(axes, study.tasks, strict=True):
        mine = data[data["task"] == task.name]
        for name in apart:
            draw_band(ax, mine[mine["method"] == name], palette[name], upright=True)
        fill_rows(ax, mine, shown, palette)
    legend(
        figure,
        [Patch(fc=(*palette[m], 0.18), ec=palette[m], label=figure_text(study.methods[m].title)) for m in apart],
    )
    return figure, data
