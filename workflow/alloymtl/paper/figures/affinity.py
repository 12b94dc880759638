"""Which tasks do gradients call alike? Cosines of all pairs, with the tree of average linkage above them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram

from alloymtl.evaluation.affinity.cosines import matrix
from alloymtl.evaluation.affinity.groupings import MEANS
from alloymtl.experiment import BENEFIT, TASKONOMY
from alloymtl.paper.affinity import (
    ARM,
    CORRECTED,
    MINIBATCH,
    WINDOW,
    Panel,
    every,
    key,
    level_of,
    panels,
    same_tasks,
    shown,
)
from alloymtl.paper.display import figure_text
from alloymtl.paper.figures.style import TEXT_WIDTH, broken, notice
from alloymtl.paper.material import Material
from alloymtl.paper.overlap import ABSENT, arms

COLUMNS = [ARM, *MEANS, "drawn"]
FEWEST = 3
"""Tasks of which there is more than one pair to compare."""
ACROSS, MOST = 4, 8  # panels in a row, and in all
TREE = 0.28  # height of a tree, of that of its matrix
HEIGHT = 2.15  # inches of a panel, its title included
NAMES = 0.17  # inches of a line of names
WORDS = 105  # characters of such a line
COLOURS = "vlag"
SHARE = 0.95
"""Share of the cosines that the scale of colours tells apart: a few large ones would leave all others pale."""


@dataclass(frozen=True)
class Square:
    """What one panel shows: an arm's mean cosines at a level, and the tree of their tasks where every pair has one."""

    panel: Panel
    level: str
    source: str
    values: NDArray[np.float64]
    linkage: NDArray[np.float64]
    order: list[int]


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """A panel for each arm at its highest overlap, and for the first that trains pairs or groups also at its lowest.

    An arm that is the same as another at the highest overlap stands there with its lowest. Mean cosines of the last
    fifth of training, corrected for noise; those of minibatches, as the title then says, where a corrected one is not
    defined. Tasks stand by their numbers in the order of the tree's leaves, the tree (average linkage on one minus the
    cosine) above, each on a scale of its own. One scale of colours serves all. There is room for eight panels; the CSV
    holds every series of every arm and level, and ``drawn`` says which are shown.
    """
    if not any(True for _ in arms(material)):
        return notice(ABSENT), pd.DataFrame(columns=COLUMNS)
    data = every(material, "mean_affinity", MEANS).assign(drawn=False)
    squares = _squares(material)
    if not squares:
        return notice("No arm has cosines of three tasks."), data[COLUMNS]
    for one in squares:
        same = [(data[ARM] == one.panel.arm.name), data["level"] == one.level, data["source"] == one.source]
        same += [data["method"] == one.panel.method, data["window"] == WINDOW]
        data.loc[np.logical_and.reduce(same), "drawn"] = True
    figure = _figure(squares)
    return figure, data[COLUMNS]


def _squares(material: Material) -> list[Square]:
    there = [p for p in panels(material, "mean_affinity") if p.method and len(p.arm.study.tasks) >= FEWEST]
    first = next((p for p in there if {BENEFIT, TASKONOMY} & set(p.arm.study.experiments)), None)
    first = first or next(iter(there), None)
    found: list[Square] = []
    for panel in sorted(there, key=lambda p: p is not first):
        ends = dict.fromkeys([panel.levels[0], panel.levels[-1]])
        squares = [one for level in ends if (one := _square(panel, level))]
        if panel is not first and squares:
            new = not any(np.array_equal(squares[-1].values, one.values, equal_nan=True) for one in found)
            squares = squares[-1:] if new else squares[:1]
        found += squares
    return found[:MOST]


def _square(panel: Panel, level: str) -> Square | None:
    """The matrix of the first estimator that has every pair, else of the last that has any."""
    tasks = [task.name for task in panel.arm.study.tasks]
    means = _at(panel, "mean_affinity", level)
    found = None
    for source in (CORRECTED, MINIBATCH):
        values = matrix(means[means["source"] == source], tasks)
        np.fill_diagonal(values, np.nan)
        whole = np.isfinite(values[np.triu_indices(len(tasks), 1)])
        if whole.any():
            joins = _at(panel, "linkages", level)
            joins = joins[joins["source"] == source].sort_values("step")
            linkage = joins[["left", "right", "distance", "size"]].to_numpy(dtype=float)
            order = [tasks.index(name) for name in joins["leaves"].iloc[0].split(" ")] if len(joins) else []
            found = Square(panel, level, source, values, linkage, order or list(range(len(tasks))))
        if whole.all():
            break
    return found


def _at(panel: Panel, name: str, level: str) -> pd.DataFrame:
    table = shown(panel.arm.table(name), panel.method, "source")
    return table[(table["level"] == level) & (table["method"] == panel.method)]


def _figure(squares: list[Square]) -> Figure:
    down = -(-len(squares) // ACROSS)
    keys = _keys([one.panel for one in squares])
    names = NAMES * sum(text.count("\n") + 1 for text in keys)
    height = HEIGHT * down + names + 0.1
    figure = Figure(figsize=(TEXT_WIDTH, height), layout="constrained")
    figure.get_layout_engine().set(hspace=0.0, h_pad=0.02)
    above, below = figure.subfigures(2, 1, height_ratios=[HEIGHT * down, names + 0.1])
    grid = above.subplots(2 * down, ACROSS, squeeze=False, height_ratios=[TREE, 1] * down)
    sizes = np.concatenate([np.abs(one.values[np.isfinite(one.values)]) for one in squares])
    most = float(np.quantile(sizes, SHARE))
    norm, colours = Normalize(-most, most), sns.color_palette(COLOURS, as_cmap=True).with_extremes(bad="0.88")
    used: list[Axes] = []
    for n in range(ACROSS * down):
        tree, square = (grid[2 * (n // ACROSS) + k][n % ACROSS] for k in range(2))
        if n < len(squares):
            _panel(tree, square, squares[n], norm, colours)
            used += [tree, square]
        else:
            tree.remove()
            square.remove()
    scale = ScalarMappable(norm, colours)
    bar = above.colorbar(scale, ax=used, shrink=0.5, aspect=25, pad=0.01, extend="both")
    bar.set_label("Mean cosine", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    below.text(0.5, 0.5, "\n".join(keys), ha="center", va="center", fontsize=7.5)
    return figure


def _keys(there: list[Panel]) -> list[str]:
    """What the numbers stand for, where arms differ in their tasks with the arms in front."""
    groups = same_tasks(there)
    told = [f"{', '.join(dict.fromkeys(p.arm.title for p in same))}: " * (len(groups) > 1) for same in groups]
    return [broken(before + key(same[0].arm.study, str), WORDS) for before, same in zip(told, groups, strict=True)]


def _panel(above: Axes, ax: Axes, one: Square, norm: Normalize, colours: Colormap) -> None:
    n = len(one.order)
    values = one.values[np.ix_(one.order, one.order)]
    ax.imshow(values, norm=norm, cmap=colours, aspect="equal", interpolation="nearest")
    ax.set_xticks(range(n), [str(i + 1) for i in one.order], fontsize=7)
    ax.set_yticks(range(n), [str(i + 1) for i in one.order], fontsize=7)
    ax.tick_params(length=0, pad=1.5)
    ax.set_anchor("N")  # below the tree
    for side in ax.spines.values():
        side.set_visible(False)
    above.set(xticks=[], yticks=[])
    above.set_axis_off()
    above.set_xlim(-0.5, n - 0.5)
    if len(one.linkage):
        drawn = dendrogram(one.linkage, no_plot=True)
        for x, y in zip(drawn["icoord"], drawn["dcoord"], strict=True):
            above.plot((np.array(x) - 5) / 10, y, color="0.25", lw=0.7)
        low, high = one.linkage[:, 2].min(), one.linkage[:, 2].max()
        above.set_ylim(max(low - 0.35 * (high - low), 0), high + 0.05 * max(high - low, 1e-9))
    lines = [broken(one.panel.title, 27), figure_text(level_of(one.panel.arm.study, one.level))]
    above.set_title("\n".join([*lines, *["minibatches"] * (one.source == MINIBATCH)]), loc="left", fontsize=7.5)
