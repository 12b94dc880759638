"""Booktabs tabulars: rows of LaTeX cells to the file that the paper inputs."""

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
    heading: Sequence[Sequence[str]]
    body: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        """Number of cells in a full row."""
        plain = self.columns
        while "@{" in plain:
            start = plain.index("@{")
            end, depth = start + 2, 1
            while depth:
                depth += {"{": 1, "}": -1}.get(plain[end], 0)
                end += 1
            plain = plain[:start] + plain[end:]
        return sum(character in "lcr" for character in plain)

    def row(self, *cells: str) -> None:
        """Add a row."""
        self.body.append(f"{' & '.join(cells)} \\\\")

    def rule(self) -> None:
        """Add a thin rule, unless one stands there or nothing does."""
        if self.body and self.body[-1] != r"\midrule":
            self.body.append(r"\midrule")

    def panel(self, title: str) -> None:
        """Add a row across the whole table that names what follows."""
        self.rule()
        self.row(rf"\multicolumn{{{self.width}}}{{@{{}}l}}{{\textit{{{title}}}}}")

    def render(self) -> str:
        """The tabular as LaTeX; it shrinks to the page if it is larger, so that nothing is cut off."""
        lines = [
            r"\begin{adjustbox}{max width=\linewidth,max totalheight=0.8\textheight}",
            rf"\begin{{tabular}}{{@{{}}{self.columns}@{{}}}}",
            r"\toprule",
            *(f"{' & '.join(cells)} \\\\" for cells in self.heading),
            r"\midrule",
            *self.body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{adjustbox}",
        ]
        return "\n".join(lines) + "\n"


def spanning(cells: int, text: str, align: str = "c") -> Tex:
    """A cell over several columns."""
    return Tex(rf"\multicolumn{{{cells}}}{{{align}}}{{{text}}}")


def bold(text: str) -> Tex:
    """Text in bold, its mathematics too."""
    return Tex(rf"\textbf{{\boldmath {text}}}")
