"""How figures look: fonts of the paper, colours that colour-blind readers tell apart, files without dates."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from alloymtl.files import atomic
from alloymtl.paper.display import figure_text
from alloymtl.paper.spec import PaperStudy

TEXT_WIDTH = 6.29  # inches; the width of the paper's text, so that nothing is scaled and fonts keep their size
PANELS_PER_ROW = 3

# The paper is set in Latin Modern, which descends from the Computer Modern that matplotlib brings along. Characters
# that it lacks come from the next family.
SETTINGS = {
    "font.family": ["cmr10", "DejaVu Serif"],
    "mathtext.fontset": "cm",
    "axes.formatter.use_mathtext": True,
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8.5,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "0.25",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.color": "0.15",
    "ytick.color": "0.15",
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "svg.hashsalt": "alloymtl",
}


@contextmanager
def paper_style() -> Iterator[None]:
    """Draw with the paper's settings, on no screen."""
    mpl.use("Agg")
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it warns of dates inside matplotlib's own fonts
    with mpl.rc_context({**mpl.rcParamsDefault, "backend": "Agg", **SETTINGS}):
        yield


def colours(study: PaperStudy) -> dict[str, tuple[float, float, float]]:
    """One colour for each method of the study, the same in every figure."""
    names = list(study.methods)
    palette = sns.color_palette("colorblind", len(names)) if len(names) <= 10 else sns.color_palette("husl", len(names))
    return dict(zip(names, palette, strict=True))


def panels(number: int, height: float, rows_each: int = 1, per_row: int = PANELS_PER_ROW) -> tuple[Figure, list[Axes]]:
    """A figure as wide as the text with so many panels side by side, wrapped into rows; unused places stay empty.

    Args:
        number: panels.
        height: height of one panel, in inches.
        rows_each: axes below each other that form one panel; they come as consecutive entries.
        per_row: panels in a row.
    """
    across = min(number, per_row)
    down = math.ceil(number / across)
    figure = Figure(figsize=(TEXT_WIDTH, height * rows_each * down + 0.35), layout="constrained")
    grid = figure.subplots(down * rows_each, across, squeeze=False)
    axes = []
    for n in range(across * down):
        block = [grid[(n // across) * rows_each + k][n % across] for k in range(rows_each)]
        if n < number:
            axes += block
        else:
            for ax in block:
                ax.set_axis_off()
    return figure, axes


def method_legend(figure: Figure, study: PaperStudy) -> None:
    """One legend for the whole figure: a coloured line for each method of the main comparison."""
    palette = colours(study)
    handles = [Line2D([], [], color=palette[m.name], lw=2, label=figure_text(m.title)) for m in study.main_methods]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 4))


def notice(text: str) -> Figure:
    """A figure that only says why there is nothing to show."""
    figure = Figure(figsize=(TEXT_WIDTH, 0.8), layout="constrained")
    figure.text(0.5, 0.5, figure_text(text), ha="center", va="center")
    return figure


def save(figure: Figure, pdf: Path, png: Path) -> None:
    """Write a figure as PDF and PNG; the same figure always gives the same bytes."""
    for path, kind, metadata in ((pdf, "pdf", {"CreationDate": None}), (png, "png", {"Software": None})):
        with atomic(path) as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata)
