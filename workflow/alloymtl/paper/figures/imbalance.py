"""What more samples of the largest task do to the others: their first metric against its number of rows."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from alloymtl.paper.display import figure_text
from alloymtl.paper.figures.dots import draw_band
from alloymtl.paper.figures.style import (
    PANELS_PER_ROW,
    REPORTED,
    Colour,
    broken,
    colours,
    legend,
    metric_in_figure,
    notice,
    panels,
)
from alloymtl.paper.material import Material
from alloymtl.paper.samples import COLUMNS, majority, scores, with_reported
from alloymtl.paper.spec import LEVELS
from alloymtl.task import Task

TABLE = 5
MARKS = "osD^v<>p"
LABEL = 84  # characters of an axis as wide as the text
THOUSANDS = 10_000  # rows, from which on the axis counts thousands
SIDE_STEP, RUNS_STEP = 0.07, 0.025  # decades between two methods at one level, and between runs and their mean


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """One panel for each task but the largest, against the rows kept of the largest on a logarithmic scale.

    Faint dots are runs, marks their means with t-intervals. A band and its line are the networks of the main comparison
    that share nothing, whose value does not depend on the largest task; open diamonds are reported means. The CSV's
    ``series`` is ``run``, ``mean`` or ``reported``, and ``rows`` the labels of the largest task at that level.
    """
    study = material.study
    experiments = [study.experiments[name] for name in LEVELS if name in study.experiments]
    columns = [*COLUMNS, "rows"]
    if not experiments:
        return notice("This study has no experiment on imbalance."), pd.DataFrame(columns=columns)
    largest = majority(material)
    tasks = [task for task in study.tasks if task is not largest]
    if not tasks:
        return notice("This study has one task, and no imbalance between tasks."), pd.DataFrame(columns=columns)
    apart = [m.name for m in study.main_methods if m.architecture == "independent"][:1]
    parts = [scores(material, e, levels=e.levels, tasks=tasks) for e in experiments]
    data = with_reported(material, pd.concat(parts, ignore_index=True), TABLE)
    if apart:
        data = pd.concat([data, scores(material, study.main, apart, tasks=tasks)], ignore_index=True)
    rows = data["level"].replace("all", str(material.ingest["labels"][largest.name])).astype(int)
    data = data.assign(rows=rows)[columns]
    series = [(e.name, method) for e in experiments for method in e.methods]
    palette = colours(study, [method for _, method in series])
    figure, axes = panels(len(tasks), height=2.3)
    for ax, task in zip(axes, tasks, strict=True):
        mine = data[data["task"] == task.name]
        if apart:
            draw_band(ax, mine[mine["experiment"] == study.main.name], palette[apart[0]], upright=False)
        for place, (experiment, method) in enumerate(series):
            shift = 10 ** (SIDE_STEP * (place - (len(series) - 1) / 2))
            own = mine[(mine["experiment"] == experiment) & (mine["method"] == method)]
            _levels(ax, own, shift, palette[method], MARKS[place % len(MARKS)])
        across = min(len(tasks), PANELS_PER_ROW)
        _dress(ax, task, largest, study.metrics(task)[0], sorted(data["rows"].unique()), across)
    _legend(figure, material, series, palette, apart, data)
    return figure, data


def _levels(ax: Axes, data: pd.DataFrame, shift: float, colour: Colour, mark: str) -> None:
    runs, means = data[data["series"] == "run"], data[data["series"] == "mean"].sort_values("rows")
    told = data[data["series"] == "reported"]
    ax.plot(runs["rows"] * shift * 10**-RUNS_STEP, runs["value"], "o", ms=2.4, mew=0, color=colour, alpha=0.4)
    x = means["rows"] * shift
    ax.vlines(x, means["ci_low"], means["ci_high"], color=colour, lw=1.0)
    ax.plot(x, means["value"], mark, ls="-", ms=4.2, mec="white", mew=0.5, color=colour, lw=1.0)
    ax.plot(told["rows"], told["value"], **REPORTED)


def _dress(ax: Axes, task: Task, largest: Task, metric: str, rows: list[int], across: int) -> None:
    ax.set_title(figure_text(task.title), loc="left")
    ax.set_ylabel(metric_in_figure(metric, task))
    ax.set_xscale("log")
    thousands = rows[-1] >= THOUSANDS
    ax.set_xticks(rows, [f"{n / 1000:.3g}" if thousands else str(n) for n in rows])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim(rows[0] / 1.25, rows[-1] * 1.25)
    ax.set_xlabel(broken(f"{largest.title} labels{' (thousands)' if thousands else ''}", LABEL // across))


def _legend(
    figure: Figure,
    material: Material,
    series: list[tuple[str, str]],
    palette: dict[str, Colour],
    apart: list[str],
    data: pd.DataFrame,
) -> None:
    titles = {name: figure_text(method.title) for name, method in material.study.methods.items()}
    handles = [
        Line2D([], [], marker=MARKS[n % len(MARKS)], ms=4.2, color=palette[m], lw=1.0, label=titles[m])
        for n, (_, m) in enumerate(series)
    ]
    handles += [Patch(fc=(*palette[m], 0.2), ec=palette[m], label=titles[m]) for m in apart]
    if (data["series"] == "reported").any():
        handles.append(Line2D([], [], **REPORTED, label="Reported"))
    legend(figure, handles)
