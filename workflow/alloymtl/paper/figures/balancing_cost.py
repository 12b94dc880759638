"""What each balancer gains against what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from alloymtl.evaluation.balancing.costs import COLUMNS
from alloymtl.evaluation.balancing.roles import is_baseline, is_grid_search
from alloymtl.paper.balancing import ABSENT, batches, made, of_study, titles
from alloymtl.paper.display import figure_text
from alloymtl.paper.figures.style import Colour, legend, notice, panels
from alloymtl.paper.material import Material

PER_ROW = 2
LINE = 0.128  # inches, of one label
AROUND = 0.9  # inches, of title and axis
FEWEST = 12  # lines that a panel has room for at least
SMALL = 6.0  # points, of a label
NAMES = 0.60  # share of the width at which names begin
PLAIN, SEARCH, OTHER = "equal weights", "grid search", "others"
WITH_INTERVAL = (PLAIN, SEARCH)


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """A panel for each sampler: Delta_m against all seconds, relative to the plain baseline.

    Equal weights and the grid search have their intervals; those of all are in the CSV.

    Methods that state one family of directions share a colour. Names stand beside the marks in the order of Delta_m;
    that of a mark that lies below the panel says where.
    """
    study, data, balancing = material.study, material.balancing_costs, of_study(material.study)
    if balancing is None or data.empty:
        return notice(ABSENT), pd.DataFrame(columns=list(COLUMNS))
    samplers = list(data["sampler"].drop_duplicates())
    shown = data[np.isfinite(data["delta"]) & np.isfinite(data["relative_seconds"])]
    if shown.empty:
        return notice("No method has both a gain and a cost that can be compared."), data[list(COLUMNS)]
    kinds = {name: _kind(material, name) for name in shown["method"]}
    palette = _palette(dict.fromkeys(kinds.values()))
    most = max(FEWEST, *shown["sampler"].value_counts())
    figure, axes = panels(len(samplers), AROUND + LINE * most, per_row=PER_ROW)
    for ax, sampler in zip(axes, samplers, strict=True):
        mine = shown[shown["sampler"] == sampler].sort_values("delta", kind="stable")
        ax.set_title(figure_text(batches(sampler).capitalize()), loc="left")
        _points(ax, mine, kinds, palette)
    _scales(axes, shown, kinds)
    for ax, sampler in zip(axes, samplers, strict=True):
        mine = shown[shown["sampler"] == sampler].sort_values("delta", kind="stable")
        called = titles(study, balancing, sampler)
        _labels(ax, mine, called, kinds, palette, gap=1 / most)
    handles = [Line2D([], [], ls="", marker="o", ms=4, color=c, label=figure_text(k)) for k, c in palette.items()]
    legend(figure, handles)
    return figure, data[list(COLUMNS)]


def _kind(material: Material, name: str) -> str:
    """What a method's colour says: its family, the part it plays, or nothing."""
    row = material.balancing_costs.set_index("method").loc[name]
    method = made(material.study.methods[name])
    if row["family"]:
        return str(row["family"])
    return PLAIN if is_baseline(method) else SEARCH if is_grid_search(method) else OTHER


def _palette(kinds: Iterable[str]) -> dict[str, Colour]:
    """A colour for each kind: families first, since they are what colours are to show."""
    families = [kind for kind in kinds if kind not in (SEARCH, PLAIN, OTHER)]
    first = [*families, SEARCH]
    colours = dict(zip(first, sns.color_palette("colorblind", len(first)), strict=True))
    every = {**colours, PLAIN: (0.0, 0.0, 0.0), OTHER: (0.55, 0.55, 0.55)}
    return {kind: colour for kind, colour in every.items() if kind in kinds}


def _points(ax: Axes, data: pd.DataFrame, kinds: Mapping[str, str], palette: Mapping[str, Colour]) -> None:
    ax.axhline(0, 0, NAMES, color="0.6", lw=0.6, zorder=0)
    for row in data.itertuples():
        kind = kinds[row.method]
        if kind in WITH_INTERVAL:
            ax.vlines(row.relative_seconds, row.ci_low, row.ci_high, color=(*palette[kind], 0.6), lw=0.9, zorder=1)
        ax.plot(row.relative_seconds, row.delta, "o", ms=3.2, color=palette[kind], mec="white", mew=0.3, zorder=3)


def _scales(axes: list[Axes], data: pd.DataFrame, kinds: Mapping[str, str]) -> None:
    """One scale for all, that of cost logarithmic, with room for names on the right.

    Marks far below all others (Tukey's outer fence) lie below the panel, so that the others can be told apart.
    """
    low, high = data["relative_seconds"].min(), data["relative_seconds"].max()
    span = max(math.log10(high / low), 0.3)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [value for p in powers for value in (10.0**p, 3 * 10.0**p) if low / 1.1 <= value <= high * 1.1]
    first, third = data["delta"].quantile([0.25, 0.75])
    seen = data[data["delta"] >= first - 3 * (third - first)]
    plain = data[[kinds[name] == PLAIN for name in data["method"]]]
    ends = pd.concat([seen["delta"], plain["ci_low"], plain["ci_high"], pd.Series([0.0])]).dropna()
    room = 0.05 * max(ends.max() - ends.min(), 1.0)
    for ax in axes:
        ax.set_xscale("log")
        ax.set_xlim(low / 10 ** (0.06 * span), high * 10 ** (0.95 * span))
        ax.set_ylim(ends.min() - room, ends.max() + room)
        ax.set_xticks(ticks, [f"{value:g}" for value in ticks])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xlabel("Seconds in all, over those of equal weights", loc="left")
    for ax in axes[::PER_ROW]:
        ax.set_ylabel(r"$\Delta_m$ / %")


def _labels(
    ax: Axes,
    data: pd.DataFrame,
    called: Mapping[str, str],
    kinds: Mapping[str, str],
    palette: Mapping[str, Colour],
    gap: float,
) -> None:
    """Names in a column on the right, each with a line to its mark, and as near to its height as the others let it."""
    low, high = ax.get_xlim()
    right = 10 ** (math.log10(low) + NAMES * math.log10(high / low))
    bottom, top = ax.get_ylim()
    places = apart((data["delta"].clip(bottom).to_numpy() - bottom) / (top - bottom), gap)
    for place, row in zip(places, data.itertuples(), strict=True):
        colour = palette[kinds[row.method]]
        y = bottom + place * (top - bottom)
        ax.plot([row.relative_seconds, right], [max(row.delta, bottom), y], color=(*colour, 0.5), lw=0.35, zorder=0.5)
        below = f" (at \N{MINUS SIGN}{-row.delta:.0f})" if row.delta < bottom else ""
        shade = "0.25" if kinds[row.method] == OTHER else colour
        name = f" {figure_text(called[row.method])}{below}"
        ax.text(right, y, name, fontsize=SMALL, color=shade, va="center", ha="left")


def apart(places: ArrayLike, gap: float) -> NDArray[np.float64]:
    """Heights of names: those nearest to the given ones, by squares, that keep their order and lie a gap apart.

    Args:
        places: shares of the height, ascending.
        gap: share of the height; all of them have room in it.
    """
    steps = gap * np.arange(len(np.asarray(places)))
    free = isotonic_regression(np.asarray(places) - steps).x
    return np.clip(free, gap / 2, 1 - gap / 2 - steps[-1]) + steps
