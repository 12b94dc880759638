"""Finding what separates the cells of delimited text."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Sequence

SEPARATORS = (",", ";", "\t", "|")
_NUMBER = re.compile(r"\s*[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?\s*")


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
