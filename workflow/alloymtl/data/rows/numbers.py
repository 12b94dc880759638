"""Cells of text as numbers."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

# Each character can be matched in one way only: on a long text that is no number others take quadratic time.
NUMBER = r"^-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"
_MINUS = str.maketrans({"\N{MINUS SIGN}": "-", "\N{EN DASH}": "-"})


def numbers(text: pd.Series) -> np.ndarray:
    """Numbers (rows,) of cells (rows,); NaN where a cell is no decimal number, infinite where it is too large for one.

    Each is the floating-point number nearest to what is written. Full-width digits, a plus sign and typographic minus
    signs are read; words such as ``inf`` and ``nan``, hexadecimal numbers and digits in groups are not.
    """
    cells = pa.array(text, pa.string())
    plain = pc.match_substring_regex(cells, NUMBER)
    values = pc.if_else(plain, cells, None).cast(pa.float64()).to_numpy(zero_copy_only=False)
    odd = np.flatnonzero(~plain.to_numpy(zero_copy_only=False) & (text != "").to_numpy())
    if len(odd):
        values = values.copy()
        codes, unique = pd.factorize(text.iloc[odd])
        values[odd] = np.array([number(cell) for cell in unique])[codes]
    return values


def is_raised(text: str) -> bool:
    """Whether any character is a superscript: an exponent or the mark of a footnote, and no digit of a number."""
    return any(unicodedata.decomposition(character).startswith("<super>") for character in text)


def number(cell: str) -> float:
    """A number however it is written; NaN if the cell is none."""
    if is_raised(cell):
        return np.nan
    written = unicodedata.normalize("NFKC", cell).strip().translate(_MINUS).removeprefix("+")
    return float(written) if re.match(NUMBER, written) else np.nan


@dataclass(frozen=True)
class Readings:
    """The single readings that cells hold.

    Attributes:
        values: (readings,), NaN where one is no number.
        row: (readings,) the cell that each stands in, in order; a cell that holds none has one that is NaN.
        rows: how many cells there are.
    """

    values: np.ndarray
    row: np.ndarray
    rows: int

    @property
    def counts(self) -> np.ndarray:
        """Number of readings of each cell (rows,)."""
        return np.bincount(self.row, minlength=self.rows)

    @property
    def lowest(self) -> np.ndarray:
        """Smallest reading of each cell (rows,); NaN where any is none."""
        return self._reduced(np.minimum)

    @property
    def highest(self) -> np.ndarray:
        """Largest reading of each cell (rows,); NaN where any is none."""
        return self._reduced(np.maximum)

    @property
    def mean(self) -> np.ndarray:
        """Mean of each cell's readings (rows,)."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self._reduced(np.add) / self.counts

    @property
    def spread(self) -> np.ndarray:
        """Standard deviation (n - 1) of each cell's readings (rows,); NaN where there is one."""
        counts = self.counts
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            squares = Readings((self.values - self.mean[self.row]) ** 2, self.row, self.rows)._reduced(np.add)
            return np.where(counts > 1, np.sqrt(squares / (counts - 1)), np.nan)

    def _reduced(self, how: np.ufunc) -> np.ndarray:
        if len(self.values) == self.rows:
            return self.values
        return how.reduceat(self.values, np.searchsorted(self.row, np.arange(self.rows)))


def readings(text: pd.Series) -> Readings:
    """Single readings of cells (rows,), each a number or a list such as ``[60, 10, 20]``.

    A list of which any item is no number is no number as a whole.
    """
    values = numbers(text)
    lists = np.flatnonzero(text.str.startswith("[").to_numpy(dtype=bool))
    if not len(lists):
        return Readings(values, np.arange(len(text)), len(text))
    items = [listed(cell) or [""] for cell in text.iloc[lists]]
    lengths = np.ones(len(text), dtype=np.int64)
    lengths[lists] = [len(cell) for cell in items]
    row = np.repeat(np.arange(len(text)), lengths)
    single = values[row]
    single[np.isin(row, lists)] = numbers(pd.Series([item.strip() for cell in items for item in cell], dtype=str))
    return Readings(single, row, len(text))


def listed(cell: str) -> list[str]:
    """The items of a list as text; none where the cell is no flat list. Brackets may be missing: ``Cu, Fe, Zr``."""
    if not cell.startswith("["):
        return [item for item in re.split(r"[\s,;/|]+", cell) if item]
    try:
        items = json.loads(cell, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return []
    return items if all(isinstance(item, str) for item in items) else []
