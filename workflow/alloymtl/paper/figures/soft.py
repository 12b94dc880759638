"""Soft sharing from no coupling to a strong one: how well it predicts, and how alike its backbones become."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator

from alloymtl.experiment import Experiment
from alloymtl.paper.display import figure_text
from alloymtl.paper.figures.dots import draw_band
from alloymtl.paper.figures.style import REPORTED, Colour, colours, legend, metric_in_figure, notice, panels
from alloymtl.paper.material import Material
from alloymtl.paper.samples import COLUMNS, runs_and_mean, runs_of, scores, tidy, with_reported
from alloymtl.paper.spec import shown_level

EXPERIMENT = "soft"
ARCHITECTURE, OPTION = "soft", "coupling"
TABLE = 8
MEASURES = {"weight_cosine": ("Weights of backbones", "Cosine"), "cka": ("Outputs of backbones", "CKA")}
INK = (0.15, 0.15, 0.15)
FEW = 6  # pairs of tasks, up to which each has its own colour and shows its runs
SPREAD, ASIDE = 0.4, 0.14  # decades over which pairs of tasks stand side by side, and between runs and their mean


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """A panel for each task's first metric, then one for each measure of similarity, all against the coupling.

    The axis is logarithmic with zero at its left end. Small dots are runs, marks their means with t-intervals; hard
    sharing is a line and a band, open diamonds are reported means. Of similarity each pair of tasks is a line. The
    CSV's ``series`` is ``run``, ``mean`` or ``reported``; ``first`` and ``second`` name a pair of tasks.
    """
    study = material.study
    columns = [*COLUMNS, "coupling", "first", "second"]
    experiment = study.experiments.get(EXPERIMENT)
    soft = [m for m in experiment.methods if study.methods[m].architecture == ARCHITECTURE] if experiment else []
    if not soft:
        return notice("This study has no experiment on soft sharing."), pd.DataFrame(columns=columns)
    coupling = {m: float(study.methods[m].parts["architecture"].options[OPTION]) for m in soft}
    soft.sort(key=coupling.__getitem__)
    pairs = list(combinations([task.name for task in study.tasks], 2))
    data = pd.concat([scores(material, experiment), *_similarity(material, experiment, soft, pairs)], ignore_index=True)
    data = with_reported(material, data, TABLE)
    data = data.assign(coupling=data["method"].map(coupling)).reindex(columns=columns)
    data.loc[data["series"] == "reported", ["first", "second"]] = None  # the paper names no pair
    measures = MEASURES if pairs else {}
    figure, axes = panels(len(study.tasks) + len(measures), height=1.85)
    places = _places(list(coupling.values()))
    palette = colours(study, experiment.methods)
    others = [m for m in experiment.methods if m not in soft]
    for ax, task in zip(axes, study.tasks, strict=False):
        mine = data[data["task"] == task.name]
        for method in others:
            draw_band(ax, mine[mine["method"] == method], palette[method], upright=False)
        _line(ax, mine[mine["method"].isin(soft)], places, INK, detail=True, aside=ASIDE)
        _dress(ax, mine, places, task.title, metric_in_figure(study.metrics(task)[0], task))
    shades = dict(zip(pairs, _shades(len(pairs)), strict=True))
    for ax, (measure, titles) in zip(axes[len(study.tasks) :], measures.items(), strict=True):
        mine = data[data["metric"] == measure]
        _lines(ax, mine, places, shades)
        _dress(ax, mine, places, *titles)
    _legend(figure, material, palette, others, shades, data)
    return figure, data


def _similarity(
    material: Material, experiment: Experiment, soft: list[str], pairs: list[tuple[str, str]]
) -> Iterator[pd.DataFrame]:
    """Similarity of the backbones of every pair of tasks: each run, and the mean over runs."""
    columns, level = ["first", "second", "measure"], str(shown_level(experiment))
    if not pairs:
        return
    wanted = pd.DataFrame([(*pair, measure) for measure in MEASURES for pair in pairs], columns=columns)
    table = runs_of(material, "similarity", experiment, soft, wanted)
    for (method, first, second, measure), mine in table.groupby(["method", *columns], sort=False):
        name = {"experiment": experiment.name, "method": method, "level": level, "task": "", "metric": measure}
        found = runs_and_mean(mine["value"].to_numpy(), experiment, material.study.evaluation["alpha"])
        yield tidy([{**name, **row} for row in found], COLUMNS).assign(first=first, second=second)


def _places(couplings: Sequence[float]) -> dict[float, float]:
    """Where a coupling stands on the axis: its decimal logarithm; zero one decade left of the smallest other."""
    positive = [math.log10(c) for c in couplings if c > 0]
    left = min(positive, default=0.0) - 1.0
    return {c: math.log10(c) if c > 0 else left for c in sorted(set(couplings))}


def _shades(number: int) -> list[Colour]:
    """Colours of pairs of tasks, which no method has; the same grey for all where there are too many to tell apart."""
    return list(sns.color_palette("viridis", number)) if number <= FEW else [(0.45, 0.45, 0.45)] * number


def _line(
    ax: Axes, data: pd.DataFrame, places: dict[float, float], colour: Colour, detail: bool, aside: float = 0.0
) -> None:
    """Means over runs; in detail with their intervals and the runs."""
    means = data[data["series"] == "mean"].sort_values("coupling")
    runs = data[data["series"] == "run"]
    x = means["coupling"].map(places)
    # Between zero and the smallest coupling the axis is no scale: no line there.
    for part in (means["coupling"] == 0, means["coupling"] > 0):
        size, width = (4, 1.0) if detail else (2.5, 0.6)
        ax.plot(x[part], means.loc[part, "value"], "o-", ms=size, mec="white", mew=0.4, color=colour, lw=width)
    if detail:
        ax.plot(runs["coupling"].map(places) - aside, runs["value"], "o", ms=2.2, mew=0, color=colour, alpha=0.45)
        ax.vlines(x, means["ci_low"], means["ci_high"], color=colour, lw=1.0)


def _lines(ax: Axes, data: pd.DataFrame, places: dict[float, float], shades: dict[tuple[str, str], Colour]) -> None:
    """A line for each pair of tasks, side by side at each coupling while they are few."""
    few = len(shades) <= FEW
    for n, ((first, second), shade) in enumerate(shades.items()):
        mine = data[(data["first"] == first) & (data["second"] == second)]
        shift = SPREAD * ((n + 0.5) / len(shades) - 0.5) if few else 0.0
        _line(ax, mine, {c: place + shift for c, place in places.items()}, shade, detail=few)


def _dress(ax: Axes, data: pd.DataFrame, places: dict[float, float], title: str, label: str) -> None:
    told = data[(data["series"] == "reported") & data["coupling"].notna()]
    ax.plot(told["coupling"].map(places), told["value"], **REPORTED)
    ax.set_title(figure_text(title), loc="left")
    ax.set_ylabel(label)
    ax.set_xlabel(r"Coupling $\lambda$")
    ax.xaxis.set_major_locator(FixedLocator(list(places.values())))
    ax.set_xticks(list(places.values()), [_power(c) for c in places])
    ax.xaxis.set_minor_locator(NullLocator())


def _power(coupling: float) -> str:
    exponent = math.log10(coupling) if coupling > 0 else 0.0
    is_power = exponent and np.isclose(exponent, round(exponent))
    return f"$10^{{{exponent:.0f}}}$" if is_power else f"{coupling:g}"


def _legend(
    figure: Figure,
    material: Material,
    palette: dict[str, Colour],
    others: list[str],
    shades: dict[tuple[str, str], Colour],
    data: pd.DataFrame,
) -> None:
    study = material.study
    titles = {task.name: figure_text(task.title) for task in study.tasks}
    handles: list[Any] = [Line2D([], [], marker="o", ms=4, color=INK, lw=1.0, label="Soft sharing")]
    handles += [Patch(fc=(*palette[m], 0.18), ec=palette[m], label=figure_text(study.methods[m].title)) for m in others]
    if (data["series"] == "reported").any():
        handles.append(Line2D([], [], **REPORTED, label="Reported"))
    if len(shades) > FEW:
        handles.append(
            Line2D([], [], marker="o", ms=2.5, color=shades[next(iter(shades))], lw=0.6, label="A pair of tasks")
        )
    legend(figure, handles)
    if len(shades) <= FEW:
        named = [(f"{titles[a]} / {titles[b]}", shade) for (a, b), shade in shades.items()]
        pairs = [Line2D([], [], marker="o", ms=4, color=shade, lw=1.0, label=text) for text, shade in named]
        legend(figure, pairs, per_row=3 if max(map(len, titles.values()), default=0) < 16 else 2, place="lower")
