"""Critical-difference diagram of the balancers: who ranks where, and whom the ranks do not tell apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from alloymtl.evaluation.balancing.delta_tables import BOTH
from alloymtl.evaluation.balancing.ranks import cliques
from alloymtl.paper.balancing import ABSENT, Balancing, batches, of_study, titles
from alloymtl.paper.display import figure_text
from alloymtl.paper.figures.style import TEXT_WIDTH, notice
from alloymtl.paper.material import Material

COLUMNS = [
    "sampler",
    "method",
    "mean_rank",
    "blocks",
    "methods",
    "statistic",
    "p_value",
    "critical_difference",
]
LINE = 0.135  # inches, of one method
BAR = 0.05  # inches between the bars of two groups
BAR_ENDS = 0.003  # share of the width by which a bar reaches beyond its group
HEAD = 0.62  # inches, of a panel's title, of the bar of the critical difference and of the axis's numbers
SMALL = 7.5  # points
GAP = 0.02  # share of the width between the axis and titles
MOST = 0.4  # share of the width on each side that titles may take
FEW = 12  # methods, up to which every rank is numbered
FAMILY_MARK = r"$^\dagger$"


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """One panel for each sampler: mean ranks on a line, the best at its left; titles left and right of it.

    A bar joins methods whose mean ranks differ by less than the critical difference (Demsar, JMLR 7, 2006, figure 1).
    The plain baseline and the independent networks are black. The CSV has the ranks among the methods of all
    samplers as well (empty ``sampler``).
    """
    balancing = of_study(material.study)
    if balancing is None:
        return notice(ABSENT), pd.DataFrame(columns=COLUMNS)
    groups = [*balancing.samplers, BOTH] if len(balancing.samplers) > 1 else balancing.samplers
    data = material.ranks[COLUMNS]
    data = data.assign(place=data["sampler"].map({name: n for n, name in enumerate(groups)}))
    data = data.sort_values(["place", "mean_rank"], kind="stable")[COLUMNS].reset_index(drop=True)
    parts = [data[data["sampler"] == of_sampler] for of_sampler in balancing.samplers]
    joined = [cliques(part["mean_rank"], part["critical_difference"].iloc[0]) for part in parts]
    heights = [_height(len(part), len(bars)) for part, bars in zip(parts, joined, strict=True)]
    figure = Figure(figsize=(TEXT_WIDTH, sum(heights)))
    top = sum(heights)
    for of_sampler, part, bars, height in zip(balancing.samplers, parts, joined, heights, strict=True):
        ax = figure.add_axes((0, (top - height) / sum(heights), 1, height / sum(heights)))
        ax.set_axis_off()
        ax.set_xlim(0, 1)
        ax.set_ylim(height, 0)
        ax.text(0, 0.02, figure_text(batches(of_sampler).capitalize()), ha="left", va="top", fontsize=9)
        _diagram(ax, _named(material, balancing, of_sampler, part), bars)
        top -= height
    return figure, data


def _named(material: Material, balancing: Balancing, of_sampler: str, data: pd.DataFrame) -> pd.DataFrame:
    """Ranks with what each method is called, and whether it is one of those that the others are held to."""
    family = material.delta.drop_duplicates("method").set_index("method")["family"]
    called = titles(material.study, balancing, of_sampler)
    held = [balancing.alone, *balancing.plains]
    return data.assign(
        title=[figure_text(called[m]) + (FAMILY_MARK if family.get(m) else "") for m in data["method"]],
        stressed=data["method"].isin(held),
    )


def _height(methods: int, bars: int) -> float:
    """Height of a panel in inches."""
    return HEAD + BAR * (bars + 1) + LINE * (-(-methods // 2) + 1.5)


def _diagram(ax: Axes, data: pd.DataFrame, bars: Sequence[tuple[int, int]]) -> None:
    """The diagram of one sampler, in inches from its top and in shares of the width."""
    ranks, methods = data["mean_rank"].to_numpy(), len(data)
    half = -(-methods // 2)
    start = HEAD + BAR * (len(bars) + 1) + LINE
    labels = [
        _label(ax, row, left=n < half, depth=start + LINE * (n if n < half else methods - 1 - n))
        for n, row in enumerate(data.itertuples())
    ]
    side = min(MOST, max(label.get_window_extent().width for label in labels) / ax.bbox.width + GAP)

    def across(rank: float) -> float:
        return side + (1 - 2 * side) * (rank - 1) / (methods - 1)

    for label, rank in zip(labels, ranks, strict=True):
        left, depth = label.get_ha() == "right", label.get_position()[1]
        edge = side - GAP / 2 if left else 1 - side + GAP / 2
        label.set_x(edge - GAP / 4 if left else edge + GAP / 4)
        line = {"color": label.get_color(), "lw": 0.6}
        ax.plot([across(rank)] * 2 + [edge], [HEAD, depth, depth], **line)
    for n, (first, last) in enumerate(bars):
        ends = across(ranks[first]) - BAR_ENDS, across(ranks[last]) + BAR_ENDS
        ax.plot(ends, [HEAD + BAR * (n + 1)] * 2, color="0.25", lw=2)
    _axis(ax, methods, float(data["critical_difference"].iloc[0]), across)


def _label(ax: Axes, row: Any, left: bool, depth: float) -> Text:
    """A method's title with its mean rank; placed across once all are known."""
    text = f"{row.title} ({row.mean_rank:.1f})" if left else f"({row.mean_rank:.1f}) {row.title}"
    colour = "black" if row.stressed else "0.35"
    return ax.text(0, depth, text, ha="right" if left else "left", va="center", fontsize=SMALL, color=colour)


def _axis(ax: Axes, methods: int, difference: float, across: Callable[[float], float]) -> None:
    """The line of ranks with its numbers, and above it the critical difference."""
    ax.plot([across(1), across(methods)], [HEAD] * 2, color="black", lw=0.8)
    step = 1 if methods <= FEW else 5
    between = [rank for rank in range(step, methods, step) if 1 < rank <= methods - step / 2]
    for rank in (1, *between, methods):
        ax.plot([across(rank)] * 2, [HEAD - 0.05, HEAD], color="black", lw=0.8)
        ax.text(across(rank), HEAD - 0.07, str(rank), ha="center", va="bottom", fontsize=SMALL)
    ends = across(1), across(min(1 + difference, methods))
    ax.plot(ends, [HEAD - 0.3] * 2, color="black", lw=1.4)
    for end in ends:
        ax.plot([end] * 2, [HEAD - 0.33, HEAD - 0.27], color="black", lw=0.8)
    text = f"critical difference {difference:.1f}"
    ax.text(sum(ends) / 2, HEAD - 0.34, text, ha="center", va="bottom", fontsize=SMALL)
