r"""Tables as LaTeX: rows of cells to the file that the paper inputs.

A ``Tabular`` fits on one page and goes into a float. A ``LongTable`` runs over pages; its caption and label come from
the paper, as the macro ``\longcaption``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from alloymtl.paper.latex import Tex

PLUS_MINUS = r"r@{\,$\pm$\,}l"


@dataclass(frozen=True)
class Table:
    """One table of the paper: its data in full precision, and the same as LaTeX without a float around it."""

    data: pd.DataFrame
    tex: str


@dataclass
class Tabular:
    """A tabular under construction.

    Args:
        columns: column specification, for example ``llr``.
        heading: lines of the head, each a list of cells; a cell may span columns by ``spanning``.
    """

    columns: str
    heading: Sequence[Sequence[str]] = ()
    body: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        """Number of cells in a full row."""
        return sum(character in "lcrp" for character in _without_braces(self.columns))

    def row(self, *cells: str) -> None:
        """Add a row."""
        self.body.append(f"{' & '.join(cells)} \\\\")

    def rule(self) -> None:
        """Add a thin rule, unless one stands there or nothing does."""
        if self.body and self.body[-1] != r"\midrule":
            self.body.append(r"\midrule")

    def space(self) -> None:
        """Set the next row a little apart from the last one, unless a rule does."""
        if self.body and not self.body[-1].startswith((r"\midrule", r"\addlinespace")):
            self.body.append(r"\addlinespace[3pt]")

    def panel(self, title: str) -> None:
        """Add a row across the whole table that names what follows."""
        self.rule()
        self.row(rf"\multicolumn{{{self.width}}}{{@{{}}l}}{{\textit{{{title}}}}}")

    def render(self) -> str:
        """The tabular as LaTeX; it shrinks to the page if it is larger, so that nothing is cut off."""
        return stacked(self)

    def lines(self) -> list[str]:
        """The tabular as lines of LaTeX, of its natural size."""
        head = [*(f"{' & '.join(cells)} \\\\" for cells in self.heading), *([r"\midrule"] if self.heading else [])]
        start = rf"\begin{{tabular}}{{@{{}}{self.columns}@{{}}}}"
        return [start, r"\toprule", *head, *self.body, r"\bottomrule", r"\end{tabular}"]


@dataclass
class LongTable:
    """A table of words that may break across pages.

    Args:
        widths: shares of the text's width, one for each column; their sum is at most 1.
        heading: cells of the head, which every page repeats.
    """

    widths: Sequence[float]
    heading: Sequence[str]
    body: list[str] = field(default_factory=list)

    def row(self, *cells: str) -> None:
        """Add a row; it stays on one page."""
        self.body.append(f"{' & '.join(cells)} \\\\")

    def panel(self, title: str) -> None:
        """Add a row across the whole table that names what follows."""
        self.body.append(rf"\multicolumn{{{len(self.widths)}}}{{@{{}}l}}{{\textit{{{title}}}}} \\*")

    def render(self) -> str:
        """The table as LaTeX."""
        columns = "".join(paragraph(width) for width in self.widths)
        head = [r"\toprule", f"{' & '.join(self.heading)} \\\\", r"\midrule"]
        return "\n".join(
            [
                rf"\begin{{longtable}}{{@{{}}{columns}@{{}}}}",
                r"\longcaption\\",
                *head,
                r"\endfirsthead",
                *head,
                r"\endhead",
                r"\bottomrule",
                r"\endfoot",
                *(line for row in self.body for line in (row, r"\addlinespace[2pt]")),
                r"\end{longtable}",
                "",
            ]
        )


def stacked(*tabulars: Tabular) -> str:
    """Tabulars below each other as LaTeX; together they shrink to the page if they are larger."""
    inner = tabulars[0].lines()
    if len(tabulars) > 1:
        parts = [line for tabular in tabulars for line in (r"\\\noalign{\vskip 10pt}", *tabular.lines())]
        inner = [r"\begin{tabular}{@{}c@{}}", *parts[1:], r"\end{tabular}"]
    start = r"\begin{adjustbox}{max width=\linewidth,max totalheight=0.8\textheight}"
    return "\n".join([start, *inner, r"\end{adjustbox}", ""])


def spanning(cells: int, text: str, align: str = "c") -> Tex:
    """A cell over several columns."""
    return Tex(rf"\multicolumn{{{cells}}}{{{align}}}{{{text}}}")


def bold(text: str) -> Tex:
    """Text in bold, its mathematics too."""
    return Tex(rf"\textbf{{\boldmath {text}}}")


def paragraph(width: float) -> str:
    """Specification of a column of ragged paragraphs, its share of the text's width including the gaps beside it."""
    return rf">{{\raggedright\arraybackslash}}p{{\dimexpr{width:g}\linewidth-2\tabcolsep\relax}}"


def _without_braces(columns: str) -> str:
    """A column specification without what stands in braces: separators, widths and declarations."""
    depth, plain = 0, []
    for character in columns:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0:
            plain.append(character)
    return "".join(plain)
