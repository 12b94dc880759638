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

NUMBER = r"^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
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
        values[odd] = np.array([_number(cell) for cell in unique])[codes]
    return values


def _number(cell: str) -> float:
    """A number that is not written in plain digits; NaN if it is none."""
    written = unicodedata.normalize("NFKC", cell).strip().translate(_MINUS).removeprefix("+")
    return float(written) if re.match(NUMBER, written) else np.nan


@dataclass(frozen=True)
class Measured:
    """What cells say of a property: of each its value, the number of single readings and their standard deviation.

    ``values`` (rows,), NaN where a cell is no number; ``counts`` (rows,), one but for a list; ``spreads`` (rows,) with
    n - 1 in the denominator, NaN where there is one reading.
    """

    values: np.ndarray
    counts: np.ndarray
    spreads: np.ndarray


def measured(text: pd.Series) -> Measured:
    """Numbers of cells (rows,), each a number or a list such as ``[60, 10, 20]``, which counts by its mean."""
    values = numbers(text).copy()
    counts, spreads = np.ones(len(text), dtype=np.int64), np.full(len(text), np.nan)
    for row in np.flatnonzero(text.str.startswith("[").to_numpy(dtype=bool)):
        readings = _readings(text.iloc[row])
        if len(readings):
            with np.errstate(over="ignore", invalid="ignore"):
                values[row], counts[row] = readings.mean(), len(readings)
                spreads[row] = readings.std(ddof=1) if len(readings) > 1 else np.nan
    return Measured(values, counts, spreads)


def _readings(cell: str) -> np.ndarray:
    """The numbers of a list; none where the cell is no list, or any of it is no number."""
    items = listed(cell)
    values = numbers(pd.Series(items, dtype=str)) if items else np.empty(0)
    return np.empty(0) if np.isnan(values).any() else values


def listed(cell: str) -> list[str]:
    """The items of a list as text; none where the cell is no flat list. Brackets may be missing: ``Cu, Fe, Zr``."""
    if not cell.startswith("["):
        return [item for item in re.split(r"[\s,;/|]+", cell) if item]
    try:
        items = json.loads(cell, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return []
    return items if all(isinstance(item, str) for item in items) else []
