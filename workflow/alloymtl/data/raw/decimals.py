"""Telling whether numbers are written with a decimal point or with a decimal comma."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

MIXED = "mixed"
_SIGN = r"^[+\-\x{2212}\x{2013}]?"
_EXPONENT = r"([eE][+-]?\d+)?$"
_POINT = rf"{_SIGN}(\d+\.\d*|\.\d+|\d{{1,3}}(,\d{{3}})+\.\d*){_EXPONENT}"
_COMMA = rf"{_SIGN}\d*,\d+{_EXPONENT}"
_GROUPED = rf"{_SIGN}[1-9]\d{{0,2}}(,\d{{3}})+$"
# Symbols, brackets and amounts. It may begin with a bracket, but what ends in a square one as well is a list.
_FORMULA = r"^[\s()\[\]{}]*[A-Z][a-z]?([A-Z][a-z]?|[\s()\[\]{}]|\d*[.,]?\d+)*$"


def find_decimal(columns: Sequence[pa.ChunkedArray]) -> str | None:
    """The decimal sign of cells that are meant as numbers or formulas: ``.`` or ``,``; None where it cannot be told.

    A number or a formula with a decimal point speaks for the one, a number that can only have a decimal comma for the
    other: not ``1,234``, which may be a thousand or a little over one. Where both speak, it is ``MIXED``. Lists, whose
    commas stand between their items, say nothing, and neither does any other text.

    Args:
        columns: the cells as text, each (rows,).
    """
    if next(_holding(columns, ","), None) is None:
        return "."
    has_point = _any(_holding(columns, "."), _POINT, r"[A-Z].*\d\.\d")
    has_comma = _any(_holding(columns, ","), _COMMA, r"[A-Z].*\d,\d", but=_GROUPED)
    if has_point and has_comma:
        return MIXED
    if has_point or has_comma:
        return "." if has_point else ","
    return "." if all(first_unclear(column) is None for column in columns) else None


def first_unclear(column: pa.ChunkedArray) -> int | None:
    """The first row of a column (rows,) whose comma may stand for a decimal point or between thousands, if any does."""
    found = pc.index(pc.match_substring_regex(pc.utf8_trim_whitespace(column), _GROUPED), True).as_py()
    return None if found < 0 else found


def _holding(columns: Sequence[pa.ChunkedArray], sign: str) -> Iterator[pa.Array]:
    """The cells that hold a sign, without spaces around them and without lists."""
    for chunk in (chunk for column in columns for chunk in column.chunks):
        held = pc.match_substring(chunk, sign)
        if pc.any(held).as_py():
            cells = pc.utf8_trim_whitespace(chunk.filter(held))
            is_list = pc.and_(pc.starts_with(cells, "["), pc.ends_with(cells, "]"))
            yield cells.filter(pc.invert(is_list))


def _any(cells: Iterable[pa.Array], number: str, in_formula: str, but: str | None = None) -> bool:
    """Whether any cell is such a number, or a formula that holds such an amount."""
    for chunk in cells:
        found = pc.match_substring_regex(chunk, number)
        if but is not None:
            found = pc.and_not(found, pc.match_substring_regex(chunk, but))
        if pc.any(found).as_py():
            return True
        amounts = chunk.filter(pc.match_substring_regex(chunk, in_formula))
        if pc.any(pc.match_substring_regex(amounts, _FORMULA)).as_py():
            return True
    return False
