"""Validation loss against epoch: every run, and the mean while all runs last."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from alloymtl.paper.cells import of_main
from alloymtl.paper.display import figure_text
from alloymtl.paper.figures.style import colours, method_legend, panels
from alloymtl.paper.material import Material
from alloymtl.task import Task

COLUMNS = ["task", "method", "series", "split_seed", "seed", "epoch", "loss"]


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """One panel for each task, on a logarithmic scale.

    Runs stop at different epochs. The mean is drawn only as far as every run of the method goes: past that it would
    average over fewer and fewer runs. A dot marks each run's epoch of lowest validation loss on the task.
    The CSV's ``series`` is ``run``, ``best`` (the dots) or ``mean``.
    """
    study = material.study
    methods = [m.name for m in study.main_methods]
    tasks = [task.name for task in study.tasks]
    table = of_main(material.inputs["histories"], study, methods, tasks)
    table = table[table["partition"] == "validation"]
    parts = []
    figure, axes = panels(len(study.tasks), height=2.15)
    for ax, task in zip(axes, study.tasks, strict=True):
        for method in methods:
            mine = table[(table["task"] == task.name) & (table["method"] == method)]
            series = _series(mine)
            _lines(ax, series, colours(study)[method])
            parts.append(series)
        _dress(ax, task)
    method_legend(figure, study)
    return figure, pd.concat(parts, ignore_index=True)[COLUMNS]


def _series(runs: pd.DataFrame) -> pd.DataFrame:
    """Curves of one method on one task: its runs, their best epochs, their mean while all of them last."""
    groups = runs.groupby(["split_seed", "seed"], sort=False)
    best = runs.loc[groups["loss"].idxmin()]
    last_common = groups["epoch"].max().min()
    common = runs[runs["epoch"] <= last_common]
    mean = common.groupby("epoch", as_index=False)["loss"].mean()
    mean = mean.assign(task=runs["task"].iloc[0], method=runs["method"].iloc[0], split_seed=pd.NA, seed=pd.NA)
    named = [runs.assign(series="run"), best.assign(series="best"), mean.assign(series="mean")]
    together = pd.concat([part[COLUMNS].astype({"split_seed": "Int64", "seed": "Int64"}) for part in named])
    return together.reset_index(drop=True)


def _lines(ax: Axes, series: pd.DataFrame, colour: tuple[float, float, float]) -> None:
    for _, run in series[series["series"] == "run"].groupby(["split_seed", "seed"], sort=False):
        ax.plot(run["epoch"], run["loss"], color=colour, lw=0.45, alpha=0.5)
    mean = series[series["series"] == "mean"]
    ax.plot(mean["epoch"], mean["loss"], color=colour, lw=1.5)
    best = series[series["series"] == "best"]
    ax.plot(best["epoch"], best["loss"], "o", ms=3, mfc=colour, mec="white", mew=0.4, zorder=3)


def _dress(ax: Axes, task: Task) -> None:
    ax.set_title(figure_text(task.title), loc="left")
    ax.set_xlabel("Epoch")
    loss = "cross\u2010entropy" if task.kind == "classification" else "squared error"
    ax.set_ylabel(f"Validation {loss}")
    ax.set_xlim(left=0)
    if min(line.get_ydata().min() for line in ax.lines) > 0:
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        few = high / low < 30
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5) if few else (1,)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
