"""How figures look: fonts of the paper, colours that colour-blind readers tell apart, files without dates."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import wrap

import matplotlib as mpl
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from alloymtl.files import atomic
from alloymtl.paper.display import STANDARDISED, TITLES, figure_text, has_unit, unit_in_figure
from alloymtl.paper.spec import PaperStudy
from alloymtl.task import Task

Colour = tuple[float, float, float]

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

# Colours of seaborn's palette ``colorblind`` for methods outside the main comparison, which takes its first ones: those
# first that differ most from them in hue and in brightness.
AFTER_MAIN = (4, 9, 5, 7, 3, 6, 8, 2, 1, 0)
# How values that a paper reported stand beside ours: open diamonds, in front of all else.
REPORTED = {"ls": "", "marker": "D", "ms": 4.6, "mfc": "none", "mec": "0.15", "mew": 0.9, "zorder": 4}


@contextmanager
def paper_style() -> Iterator[None]:
    """Draw with the paper's settings, on no screen."""
    mpl.use("Agg")
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it warns of dates inside matplotlib's own fonts
    with mpl.rc_context({**mpl.rcParamsDefault, "backend": "Agg", **SETTINGS}):
        yield


def colours(study: PaperStudy, methods: Iterable[str] = ()) -> dict[str, Colour]:
    """One colour for each method of the main comparison, the same in every figure, and for others that a figure shows.

    Args:
        study: the study.
        methods: further methods, usually those of the figure's own experiment; they share the colours that the main
            comparison leaves, in their order.
    """
    main = list(study.main.methods)
    others = [name for name in dict.fromkeys(methods) if name not in main]
    base = sns.color_palette("colorblind", 10)
    first = base[: len(main)] if len(main) <= len(base) else sns.color_palette("husl", len(main))
    left = [base[n] for n in AFTER_MAIN if base[n] not in first]
    rest = left[: len(others)] if len(others) <= len(left) else sns.color_palette("husl", len(others))
    return dict(zip([*main, *others], [*first, *rest], strict=True))


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
    lines = [Line2D([], [], color=palette[m.name], lw=2, label=figure_text(m.title)) for m in study.main_methods]
    legend(figure, lines)


def legend(figure: Figure, handles: Sequence[Artist], per_row: int = 4, place: str = "upper") -> None:
    """One legend above the whole figure, or (``lower``) below it."""
    if handles:
        figure.legend(handles=handles, loc=f"outside {place} center", ncols=min(len(handles), per_row))


def metric_in_figure(name: str, task: Task) -> str:
    """Name of a metric on an axis, with the unit of what it measures."""
    base = name.removesuffix(STANDARDISED)
    title = TITLES.get(base, base.replace("_", " "))
    title = title if "$" in title else figure_text(title.replace(r"\,", " ").replace(r"\%", "%"))
    if base != name:
        return rf"{title}$_\mathrm{{z}}$"
    return f"{title} ({unit_in_figure(task)})" if has_unit(name) and task.unit else title


def broken(text: str, width: int) -> str:
    """Text of the config over several lines of so many characters at most, for a figure."""
    return "\n".join(figure_text(line) for line in wrap(text, width, break_long_words=False) or [""])


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
