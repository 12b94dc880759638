"""Does more data cure imbalance? Delta_m of every balancer against the rows that are kept of the largest task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from alloymtl.errors import UserError
from alloymtl.evaluation.balancing.delta_tables import OVERALL
from alloymtl.paper.balancing import ABSENT, Balancing, batches, of_study, titles
from alloymtl.paper.cells import MEND
from alloymtl.paper.display import figure_text
from alloymtl.paper.figures.style import broken, notice, panels
from alloymtl.paper.material import Material
from alloymtl.paper.samples import majority
from alloymtl.task import Task

COLUMNS = ["sampler", "method", "family", "level", "rows", "delta", "ci_low", "ci_high", "n_pairs", "verdict", "series"]
PLAIN, BEST, OTHER = "plain", "best", "other"
NAMED = 3  # methods of a panel that are told apart: the best ones
MARKS = "osD^v"
ELSEWHERE = {
    "color": "black",
    "lw": 1.1,
    "ms": 3.4,
    "mfc": "white",
    "mew": 0.8,
}  # the plain baseline of another sampler
THOUSANDS = 10_000  # rows, from which on the axis counts thousands
LABEL = 40  # characters of a line below a panel
ROOM = 0.06  # share of a panel's height above and below what has to be seen
SEEN = 0.75  # share of a panel's methods that have to be seen at every level; far worse ones may leave it at the bottom


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """One panel for each sampler; Delta_m over the independent networks in percent, higher is better.

    Light lines are methods, black is the plain baseline with its t-intervals, dotted that of another sampler, and the
    methods with the highest mean over levels are coloured; zero, a line across, is what independent networks reach. The
    CSV's ``series`` is ``plain``, ``best`` or ``other``, and ``rows`` the labels of the largest task at that level. A
    panel may end above the worst methods, and then says how many lie below it.
    """
    balancing = of_study(material.study)
    if balancing is None:
        return notice(ABSENT), pd.DataFrame(columns=COLUMNS)
    largest = majority(material)
    data = _data(material, balancing, largest)
    figure, axes = panels(len(balancing.samplers), height=3.4, per_row=2)
    limits = _limits(data)
    for ax, of_sampler in zip(axes, balancing.samplers, strict=True):
        mine = data[data["sampler"] == of_sampler]
        called = {name: figure_text(t) for name, t in titles(material.study, balancing, of_sampler).items()}
        ax.axhline(0, color="0.35", lw=0.9, ls=(0, (4, 2)), zorder=1, label=called[balancing.alone])
        elsewhere = data[(data["series"] == PLAIN) & (data["sampler"] != of_sampler)]
        for name, own in elsewhere.groupby("method", sort=False):
            ax.plot(own["rows"], own["delta"], "o", ls=":", **ELSEWHERE, label=called[name])
        _lines(ax, mine, called)
        _dress(ax, sorted(data["rows"].unique()), largest)
        _limit(ax, mine, limits)
        ax.set_title(figure_text(batches(of_sampler).capitalize()), loc="left")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=7.5, ncols=1)
    axes[0].set_ylabel(r"$\Delta_m$ (%), higher is better")
    return figure, data


def _data(material: Material, balancing: Balancing, largest: Task) -> pd.DataFrame:
    """Delta_m of each method at each level, the methods of a panel from the best downwards."""
    table = material.delta
    table = table[(table["task"] == OVERALL) & (table["against"] == balancing.alone)]
    count = str(material.ingest["labels"][largest.name])
    table = table.assign(rows=table["level"].replace("all", count).astype(int))
    keys = [(s, m, str(level)) for s in balancing.samplers for m in balancing.joint(s) for level in balancing.levels]
    order = pd.DataFrame(keys, columns=["sampler", "method", "level"])
    data = order.merge(table, how="left")
    if len(data) != len(keys) or data["verdict"].isna().any():
        raise UserError(str(material.inputs["delta"]), "a method is missing at a level or is there twice.", MEND)
    means = data.groupby(["sampler", "method"], sort=False)["delta"].mean()
    series = pd.Series(OTHER, index=means.index)
    series[[name in balancing.plains for _, name in means.index]] = PLAIN
    for of_sampler in balancing.samplers:
        rest = means[(series == OTHER) & (means.index.get_level_values("sampler") == of_sampler)]
        series[rest.nlargest(NAMED).index] = BEST
    told = pd.DataFrame({"series": series, "mean": means}).reset_index()
    data = data.merge(told, on=["sampler", "method"])
    place = data["sampler"].map({name: n for n, name in enumerate(balancing.samplers)})
    data = data.assign(place=place).sort_values(["place", "mean", "rows"], ascending=[True, False, True], kind="stable")
    return data[COLUMNS].reset_index(drop=True)


def _lines(ax: Axes, data: pd.DataFrame, called: Mapping[str, str]) -> None:
    palette, marks = iter(sns.color_palette("colorblind")), iter(MARKS)
    for (series, method), own in data.groupby(["series", "method"], sort=False):
        if series == OTHER:
            ax.plot(own["rows"], own["delta"], color="0.8", lw=0.7, marker=".", ms=2.5, zorder=0.8)
            continue
        plain = series == PLAIN
        colour, mark = ("black", "o") if plain else (next(palette), next(marks))
        width = 1.6 if plain else 1.1
        ax.plot(own["rows"], own["delta"], mark, ls="-", ms=4, mew=0, color=colour, lw=width, label=called[method])
        if plain:
            ax.vlines(own["rows"], own["ci_low"], own["ci_high"], color=colour, lw=0.9)


def _dress(ax: Axes, rows: Sequence[int], largest: Task) -> None:
    thousands = rows[-1] >= THOUSANDS
    ax.set_xscale("log")
    ax.set_xticks(rows, [f"{n / 1000:.3g}" if thousands else str(n) for n in rows])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim(rows[0] / 1.2, rows[-1] * 1.2)
    ax.set_xlabel(broken(f"{largest.title} labels{' (thousands)' if thousands else ''}", LABEL))


def _limits(data: pd.DataFrame) -> tuple[float, float]:
    """Lowest and highest Delta_m that all panels show."""
    stressed = data[data["series"] != OTHER]
    plain = data[data["series"] == PLAIN]
    worst = data.groupby("method")["delta"].min()
    # Those of pandas pass over what is not defined.
    low = pd.Series([0, stressed["delta"].min(), plain["ci_low"].min(), worst.quantile(1 - SEEN)]).min()
    high = pd.Series([0, data["delta"].max(), plain["ci_high"].max()]).max()
    room = ROOM * (high - low) or 1.0
    return low - room, high + room


def _limit(ax: Axes, data: pd.DataFrame, limits: tuple[float, float]) -> None:
    """Cut a panel, and say how many methods leave it."""
    ax.set_ylim(*limits)
    worst = data.groupby("method")["delta"].min()
    if below := int((worst < limits[0]).sum()):
        note = f"{below} of {len(worst)} methods reach below"
        white = {"fc": "white", "ec": "none", "pad": 1.0, "alpha": 0.8}
        ax.text(0.98, 0.02, note, transform=ax.transAxes, ha="right", va="bottom", fontsize=7, color="0.3", bbox=white)
