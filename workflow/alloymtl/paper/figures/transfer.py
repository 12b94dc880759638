"""Transfer from the largest task: what its backbone is worth to each of the others, against two controls."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from alloymtl.paper.figures.dots import fill_rows, rows_of_dots
from alloymtl.paper.figures.style import colours, notice
from alloymtl.paper.material import Material
from alloymtl.paper.samples import COLUMNS, scores

EXPERIMENT = "transfer"


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """One panel for each task but the source (the task with the most labels), one row for each arm.

    Small dots are runs, the large one below them their mean with its t-interval. The CSV's ``series`` is ``run`` or
    ``mean``.
    """
    study = material.study
    if EXPERIMENT not in study.experiments:
        return notice("This study has no experiment on transfer."), pd.DataFrame(columns=COLUMNS)
    source = max(study.tasks, key=lambda task: material.ingest["labels"][task.name])  # the first among equals
    tasks = [task for task in study.tasks if task is not source]
    if not tasks:
        return notice("This study has one task, and none to transfer to."), pd.DataFrame(columns=COLUMNS)
    experiment = study.experiments[EXPERIMENT]
    data = scores(material, experiment, tasks=tasks)
    palette = colours(study, experiment.methods)
    figure, axes = rows_of_dots(study, tasks, experiment.methods)
    for ax, task in zip(axes, tasks, strict=True):
        fill_rows(ax, data[data["task"] == task.name], experiment.methods, palette)
    return figure, data
