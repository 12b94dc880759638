"""Formulas of a sheet that no spreadsheet has ever computed, as a program writes them that leaves values out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

_FORMULA = re.compile(rb"<(?:[\w.-]+:)?f[\s/>]")
_BLOCK = 1 << 20
_OVERLAP = 100  # bytes; the longest tag that is found across two blocks


def uncomputed(opener: Callable[[], BinaryIO]) -> Iterator[tuple[int, dict[int, str]]]:
    """The rows of a sheet with formulas that have no value.

    Args:
        opener: opens the XML of the sheet from its first byte.

    Yields:
        The number of the row in the sheet, and the formulas by the index of their cell, from 0, with their sign ``=``.

    Raises:
        Exception: the XML is broken.
    """
    if not _has_formulas(opener):
        return
    from openpyxl.utils.cell import coordinate_to_tuple  # slow to import
    from openpyxl.xml.constants import SHEET_MAIN_NS
    from openpyxl.xml.functions import iterparse

    tag = f"{{{SHEET_MAIN_NS}}}"
    number = 0
    with opener() as stream:
        for _, row in iterparse(stream):
            if row.tag != f"{tag}row":
                continue
            number = int(float(row.get("r", number + 1)))
            found, column = {}, 0
            for cell in row:
                coordinate = cell.get("r")
                column = coordinate_to_tuple(coordinate)[1] if coordinate else column + 1
                formula = cell.find(f"{tag}f")
                if formula is not None and not _has_value(cell, cell.find(f"{tag}v")):
                    found[column - 1] = f"={formula.text or ''}"
            row.clear()
            if found:
                yield number, found


def _has_value(cell: Any, value: Any) -> bool:
    kind = cell.get("t")
    # A formula may give an empty text, but not an empty number.
    return kind == "inlineStr" or (value is not None and (bool(value.text) or kind == "str"))


def _has_formulas(opener: Callable[[], BinaryIO]) -> bool:
    """Whether there is any formula, which a look at the bytes tells far faster than a parser."""
    left = b""
    with opener() as stream:
        while block := stream.read(_BLOCK):
            text = left + block.replace(b"\0", b"")  # of UTF-16
            if _FORMULA.search(text):
                return True
            left = text[-_OVERLAP:]
    return False
