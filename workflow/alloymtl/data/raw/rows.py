"""Rows of cells, as text files and sheets hold them, made as wide as their header."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from alloymtl.data.raw import limits
from alloymtl.data.raw.assembly import strings
from alloymtl.data.raw.faults import WHOLE
from alloymtl.data.raw.names import visible
from alloymtl.data.raw.table import Fault, normal
from alloymtl.errors import UserError

CELLS = "cells"  # the rule that a row breaks which has not as many as the header


def headers(cells: Sequence[str], row: int, where: str, key: str) -> list[str]:
    """The column names of a header row.

    Args:
        cells: of the header row.
        row: its number.
        where: the file, as a message shows it.
        key: config key of the location.

    Raises:
        UserError: the row is empty or far too long.
    """
    if not any(cell.strip() for cell in cells):
        what = f"row {row} should hold the names of the columns, and is empty."
        raise UserError(where, what, f"set {key}.header to the row of the names.")
    if len(cells) > limits.COLUMNS:
        what = f"the header has {len(cells):,} cells; no table of alloys has more than {limits.COLUMNS:,}."
        raise UserError(where, what, f"check that it is the right file, or set {key}.header.")
    return [normal(cell) for cell in cells]


def fitted(rows: list[list[str]], width: int, mend: str) -> tuple[list[pa.Array], list[Fault]]:
    """The columns of some rows, and those of them that do not fit; the rows are changed.

    A short row is filled with empty cells, since spreadsheets leave those at the end of a row out. It is a fault only
    where its last cell goes over a line end: then a quotation mark has swallowed the rest. A long row is a fault where
    more than empty cells are cut off.

    Args:
        rows: lists of cells.
        width: of the header.
        mend: what to do about a row that is too long.
    """
    faults = []
    for index, row in enumerate(rows):
        count = len(row)
        if count == width:
            continue
        if count < width:
            if row and ("\n" in row[-1] or "\r" in row[-1]):
                reason = f"the row ends early, in a quoted cell, with fewer cells than the header, which has {width}"
                faults.append(Fault(index, "", visible(row[-1]), CELLS, reason, "look for a stray quotation mark."))
            row.extend([""] * (width - count))
            continue
        extra = [cell for cell in row[width:] if cell.strip()]
        if extra:
            reason = f"more cells than the header, which has {width}"
            faults.append(Fault(index, "", visible(extra[0]), CELLS, reason, mend))
        del row[width:]
    return [strings(column) for column in zip(*rows, strict=True)], faults


def cut_short(index: int, width: int, value: str) -> Fault:
    """The fault of a last row that ends early, in a file without a line end: the rest of the file is missing."""
    reason = f"the row ends early, with fewer cells than the header, which has {width}"
    return Fault(index, "", visible(value), CELLS, reason, WHOLE)
