"""The tables of the reported paper, cell by cell as it printed them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from alloymtl.errors import UserError
from alloymtl.evaluation.reported import MEND, read_tables
from alloymtl.paper.latex import Tex, count, escape
from alloymtl.run import Level

KEY = ("table", "method", "level", "task", "metric", "source")


@dataclass(frozen=True)
class Printed:
    """One cell of a reported table: numbers as text with the digits that were printed, empty where there is none.

    ``delta`` is a change from ``baseline`` in percent, ``p_value`` that of a test against it.
    """

    mean: str = ""
    std: str = ""
    delta: str = ""
    p_value: str = ""
    baseline: str = ""

    @property
    def value(self) -> float:
        """The mean as a number; NaN where none was printed."""
        return float(self.mean) if self.mean else math.nan

    @property
    def spread(self) -> Tex:
        """Mean, and SD where one was printed, as one cell; a dash where there is no mean."""
        return Tex(rf"{printed(self.mean)}\,$\pm$\,{printed(self.std)}") if self.std else printed(self.mean)


class Reported:
    """The tables of the reported paper, their methods, levels, tasks and metrics by the names of this project.

    Args:
        path: the file that ``evaluation.reported.read_tables`` reads.

    Raises:
        UserError: the file is damaged, or a cell stands there twice.
    """

    def __init__(self, path: Path) -> None:
        self._table = read_tables(path)
        self._cells: dict[tuple[str, ...], Printed] = {}
        for row in self._table[self._table["text"] == ""].to_dict("records"):
            key = tuple(row[name] for name in KEY)
            if key in self._cells:
                where = f"{path}: table {row['table']}, row {row['row']!r}, {row['metric']} of {row['task']}"
                raise UserError(where, "this cell stands there twice.", MEND)
            self._cells[key] = Printed(*(row[name] for name in ("mean", "std", "delta", "p_value", "baseline")))

    def of(
        self, table: int, task: str, metric: str, method: str = "", level: Level = "all", source: str = ""
    ) -> Printed:
        """What a table of the paper says of a cell; nothing where it has no such cell."""
        return self._cells.get((str(table), method, str(level), task, metric, source), Printed())

    def texts(self, table: int) -> pd.DataFrame:
        """Rows of a table of words: ``row`` and ``text``."""
        return self._table.loc[(self._table["table"] == str(table)) & (self._table["text"] != ""), ["row", "text"]]


def printed(text: str) -> Tex:
    """A printed number with its own digits; a dash where there is none."""
    if not text:
        return Tex("--")
    if text[0] in "<-":
        return Tex(rf"\ensuremath{{{text[0]}}}{escape(text[1:])}")
    return count(int(text)) if text.isdigit() else escape(text)
