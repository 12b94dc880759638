"""Do the gradients of two tasks conflict? Their cosine in the course of training, and by three ways to measure it."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from alloymtl.errors import UserError
from alloymtl.experiment import Experiment
from alloymtl.paper.cells import MEND
from alloymtl.paper.display import figure_text
from alloymtl.paper.figures.style import Colour, broken, colours, legend, notice, panels
from alloymtl.paper.material import Material
from alloymtl.paper.samples import interval, runs_of, tidy
from alloymtl.paper.spec import shown_level
from alloymtl.task import Task

EXPERIMENT = "conflict"
COURSE = "cosine"
MEASURES = {"minibatch": "batches", "large": "large", "corrected": "corrected"}
MARKS = {"minibatch": "o", "large": "s", "corrected": "D"}
COLUMNS = [
    "first",
    "second",
    "method",
    "level",
    "series",
    "measure",
    "split_seed",
    "seed",
    "epoch",
    "value",
    "ci_low",
    "ci_high",
    "n",
]
MANY, TOO_MANY = 6, 10  # pairs, above which panels are narrower, and above which only the lower ones are drawn
HEIGHT, MAX_HEIGHT = 1.55, 9.0  # inches of a panel where there is room, and of all
CROWDED = 0.75  # width of the marks of one measure, of the distance between two


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """Two panels below each other for each pair of tasks.

    Above, the cosine of the gradients of mini-batches, mean of an epoch's steps that hold both tasks: mean over runs
    with its t-interval, in the epochs in which every run has one. Below, means over runs of what step ``conflict`` made
    of the three measures, with their intervals, open where not every run has a value; where there are too many pairs,
    these alone. The number is the pair's label overlap: the share of alloys with both labels among those with either
    (Jaccard). The CSV's ``series`` is ``run`` or ``mean`` (the course) or ``summary``.
    """
    study = material.study
    if EXPERIMENT not in study.experiments:
        return notice("This study has no experiment on conflict of gradients."), pd.DataFrame(columns=COLUMNS)
    pairs = list(combinations(study.tasks, 2))
    if not pairs:
        return notice("This study has one task, and no pair of gradients."), pd.DataFrame(columns=COLUMNS)
    experiment = study.experiments[EXPERIMENT]
    course = _course(material, experiment, pairs)
    summary = _summary(material, experiment, pairs)
    data = pd.concat([course, summary], ignore_index=True)
    palette = colours(study, experiment.methods)
    across, each = (4 if len(pairs) > MANY else 3), (1 if len(pairs) > TOO_MANY else 2)
    down = -(-len(pairs) // across)
    figure, axes = panels(len(pairs), min(HEIGHT, MAX_HEIGHT / (each * down)), rows_each=each, per_row=across)
    for n, (first, second) in enumerate(pairs):
        block = axes[each * n : each * (n + 1)]
        mine = data[(data["first"] == first.name) & (data["second"] == second.name)]
        if each == 2:
            _lines(block[0], mine[mine["series"] != "summary"], experiment, palette)
        _marks(block[-1], mine[mine["series"] == "summary"], experiment, palette)
        overlap = f"label overlap {_percent(_overlap(material, first, second))}"
        small = {"fontsize": 7.5} if across > 3 else {}
        block[0].set_title(f"{_title(first, second, 22 if across > 3 else 28)}\n{overlap}", loc="left", **small)
    for row in range(each):
        _common_scale(axes[row::each], across)
    figure.align_ylabels(axes)
    titles = [(name, figure_text(study.methods[name].title)) for name in experiment.methods]
    legend(figure, [Line2D([], [], color=palette[name], lw=2, label=title) for name, title in titles])
    return figure, data


def _course(material: Material, experiment: Experiment, pairs: list[tuple[Task, Task]]) -> pd.DataFrame:
    """Each run's course, and the mean of all runs with its interval at each epoch at which all have a value.

    A pair of small tasks may never meet in a batch of some run: then there is no mean of it.
    """
    table = runs_of(material, "gradients", experiment, experiment.methods)
    table = table[(table["measure"] == COURSE) & table["value"].notna()].drop(columns="n").assign(series="run")
    groups = dict(list(table.groupby(["first", "second", "method"], sort=False)))
    replicates, alpha = experiment.replicates(), material.study.evaluation["alpha"]
    rows: list[dict[str, Any]] = []
    for (first, second), method in product(pairs, experiment.methods):
        runs = groups.get((first.name, second.name, method), table[:0])
        rows += runs.to_dict("records")
        wide = runs.pivot(index=["split_seed", "seed"], columns="epoch", values="value")
        wide = wide.reindex(pd.MultiIndex.from_tuples(replicates)).dropna(axis=1)
        name = {"first": first.name, "second": second.name, "method": method, "level": str(shown_level(experiment))}
        name |= {"series": "mean", "measure": COURSE}
        rows += [{**name, "epoch": e, **interval(wide[e].to_numpy(), experiment, alpha)} for e in wide]
    return tidy(rows, COLUMNS)


def _summary(material: Material, experiment: Experiment, pairs: list[tuple[Task, Task]]) -> pd.DataFrame:
    """Rows of the table ``conflict``, by pair, method and measure; it has none where fewer than two runs have a value.

    Raises:
        UserError: a row stands there twice.
    """
    names = [(a.name, b.name) for a, b in pairs]
    wanted = [(*pair, method, measure) for pair in names for method in experiment.methods for measure in MEASURES]
    order = pd.DataFrame(wanted, columns=["first", "second", "method", "measure"])
    level = str(shown_level(experiment))
    table = material.conflict
    found = order.merge(table[table["level"] == level], on=list(order), how="inner")
    twice = found[found.duplicated(list(order))]
    if len(twice):
        what = f"{', '.join(twice.iloc[0][list(order)])} stands there twice."
        raise UserError(str(material.inputs["conflict"]), what, MEND)
    found = found.rename(columns={"mean": "value", "n_runs": "n"}).assign(series="summary", level=level)
    return tidy(found.to_dict("records"), COLUMNS)


def _overlap(material: Material, first: Task, second: Task) -> float:
    """Jaccard index of the alloys that carry labels of two tasks."""
    common, either = material.shared(first, second)
    return common / either


def _title(first: Task, second: Task, width: int) -> str:
    both = f"{first.title} / {second.title}"
    return (
        figure_text(both)
        if len(both) <= width
        else f"{broken(f'{first.title} /', width)}\n{broken(second.title, width)}"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share in (0, 1) or share >= 0.1 else f"{100 * share:.1g}%"


def _lines(ax: Axes, data: pd.DataFrame, experiment: Experiment, palette: dict[str, Colour]) -> None:
    ax.axhline(0, color="0.6", lw=0.6, zorder=0)
    for method in experiment.methods:
        mean = data[(data["method"] == method) & (data["series"] == "mean")]
        band = mean[mean["ci_low"].notna()]
        ax.fill_between(band["epoch"], band["ci_low"], band["ci_high"], color=palette[method], alpha=0.2, lw=0)
        ax.plot(mean["epoch"], mean["value"], color=palette[method], lw=0.9)
    ax.set_xlabel("Epoch", labelpad=1)
    ax.set_xlim(left=0)
    ax.xaxis.set_major_locator(MaxNLocator(3, integer=True))


def _marks(ax: Axes, data: pd.DataFrame, experiment: Experiment, palette: dict[str, Colour]) -> None:
    ax.axhline(0, color="0.6", lw=0.6, zorder=0)
    methods = experiment.methods
    for place, measure in enumerate(MEASURES):
        for n, method in enumerate(methods):
            row = data[(data["measure"] == measure) & (data["method"] == method)]
            x = np.full(len(row), place + CROWDED * ((n + 0.5) / len(methods) - 0.5))
            ax.vlines(x, row["ci_low"], row["ci_high"], color=palette[method], lw=1.1)
            # Open where a run has no value: of so many runs the mean says less.
            few = (row["n"] < len(experiment.replicates())).any()
            face = {"mfc": "white", "mec": palette[method]} if few else {"mec": "white", "mew": 0.5}
            ax.plot(x, row["value"], MARKS[measure], ms=3.8, color=palette[method], **face)
    ax.set_xticks(range(len(MEASURES)), MEASURES.values(), fontsize=7)
    ax.set_xlim(-0.5, len(MEASURES) - 0.5)
    ax.tick_params(axis="x", length=0)


def _common_scale(axes: list[Axes], across: int) -> None:
    """One scale for all, written at the first of each row."""
    ends = np.array([ax.get_ylim() for ax in axes])
    for n, ax in enumerate(axes):
        ax.set_ylim(ends[:, 0].min(), ends[:, 1].max())
        ax.yaxis.set_major_locator(MaxNLocator(4))
        if n % across == 0:
            ax.set_ylabel("Cosine")
        else:
            ax.tick_params(labelleft=False)
