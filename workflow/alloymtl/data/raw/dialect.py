"""Finding how delimited text is written: its separator and its decimal sign."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

SEPARATORS = (",", ";", "\t", "|")
_NUMBER = re.compile(r"\s*[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?\s*")
_EXPONENT = r"([eE][+-]?\d+)?\s*$"
_POINT = rf"^\s*[+-]?\d*\.\d+{_EXPONENT}"
_COMMA = rf"^\s*[+-]?\d*,\d+{_EXPONENT}"
_THOUSANDS = r"^\s*[+-]?[1-9]\d{0,2},\d{3}\s*$"


def find_separator(lines: Sequence[str]) -> str | None:
    """The separator of a text; None where none splits its header.

    It is the one by which most rows have as many cells as the header; among those the one that leaves most numbers
    whole, so that decimal commas and commas in headers do not mislead.

    Args:
        lines: the header and the first rows.
    """
    scores = {}
    for separator in SEPARATORS:
        header, *rows = _parsed(lines, separator)
        if len(header) < 2:
            continue
        rows = [row for row in rows if any(row)] or [header]
        cells = [cell for row in rows for cell in row]
        fitting = sum(len(row) == len(header) for row in rows) / len(rows)
        numbers = sum(bool(_NUMBER.fullmatch(cell)) for cell in cells) / len(cells)
        scores[separator] = (round(fitting, 6), round(numbers, 6), len(header))
    return max(scores, key=scores.__getitem__) if scores else None


def _parsed(lines: Sequence[str], separator: str) -> list[list[str]]:
    """The rows up to the first that cannot be parsed, which is told when the text is read; at least one."""
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        rows.extend(csv.reader(lines, delimiter=separator))
    return rows or [[]]


def likely_separator(header: str) -> str | None:
    """The usual separator that occurs most often in a header; None where none does."""
    best = max(SEPARATORS, key=header.count)
    return best if best in header else None


def find_decimal(columns: Iterable[pa.ChunkedArray], separator: str) -> str:
    """The decimal sign: a comma where some numbers are written with one and none with a point, else a point.

    ``1,234`` may be a thousand or a little over one. It counts as the latter only where semicolons separate the cells,
    as spreadsheets do where the comma is the decimal sign.

    Args:
        columns: the cells as text, each (rows,).
        separator: between the cells.
    """
    columns = list(columns)
    if not any(_has_comma(column, separator) for column in columns):
        return "."
    return "." if any(_any(column, ".", _POINT) for column in columns) else ","


def _has_comma(column: pa.ChunkedArray, separator: str) -> bool:
    return any(_matches(chunk, _COMMA, but=None if separator == ";" else _THOUSANDS) for chunk in _holding(column, ","))


def _any(column: pa.ChunkedArray, sign: str, pattern: str) -> bool:
    return any(_matches(chunk, pattern) for chunk in _holding(column, sign))


def _holding(column: pa.ChunkedArray, sign: str) -> Iterable[pa.Array]:
    for chunk in column.chunks:
        held = pc.match_substring(chunk, sign)
        if pc.any(held).as_py():
            yield chunk.filter(held)


def _matches(cells: pa.Array, pattern: str, but: str | None = None) -> bool:
    found = pc.match_substring_regex(cells, pattern)
    if but is not None:
        found = pc.and_not(found, pc.match_substring_regex(cells, but))
    return bool(pc.any(found).as_py())
