"""Reading a sheet of an XLSX workbook: the values that were last computed; no formula is evaluated."""

from __future__ import annotations

import datetime
import math
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from alloymtl.data.raw import limits, rows
from alloymtl.data.raw.assembly import Assembly
from alloymtl.data.raw.containers import Leaf
from alloymtl.data.raw.faults import WHOLE, readable_as
from alloymtl.data.raw.formulas import uncomputed
from alloymtl.data.raw.names import listed, nfc, quoted, visible
from alloymtl.data.raw.table import Fault, Reading
from alloymtl.errors import UserError
from alloymtl.task import Location

_KIND = "an XLSX workbook"
_ROWS = 1 << 20  # as many as a spreadsheet has
_NONE: tuple[float, dict[int, str]] = (math.inf, {})


class _Uncomputed(str):
    """The cell of a formula that has no value, as the text of the formula; it would else look like an empty cell."""


def read(leaf: Leaf, location: Location, key: str, assembly: Assembly) -> None:
    """Read a sheet of a workbook; without a name, the only one that holds anything.

    Args:
        leaf: what to read.
        location: names the sheet, and says where the header is.
        key: config key of the location, for messages.
        assembly: takes the rows.

    Raises:
        UserError: it is broken or too large, or which sheet is meant is not clear.
    """
    where = str(leaf.origin)
    with _opened(leaf) as workbook:
        sheet = _sheet(workbook.worksheets, location, where, key)
        _read(sheet, leaf, location, key, assembly)


def sheets(leaf: Leaf) -> list[str]:
    """Titles of the sheets that hold anything.

    Raises:
        UserError: the workbook is broken or too large.
    """
    with _opened(leaf) as workbook:
        return [sheet.title for sheet in workbook.worksheets if next(_rows(sheet, str(leaf.origin)), None) is not None]


@contextmanager
def _opened(leaf: Leaf) -> Iterator[Any]:
    where = str(leaf.origin)
    with leaf.open_seekable() as stream, warnings.catch_warnings(), readable_as(_KIND, where):
        warnings.simplefilter("ignore")  # of styles and validations, which are not read
        _check_size(stream, where)
        from openpyxl import load_workbook  # slow to import

        yield load_workbook(stream, read_only=True, data_only=True, keep_links=False)


def _check_size(stream: Any, where: str) -> None:
    with zipfile.ZipFile(stream) as archive:
        size = sum(info.file_size for info in archive.infolist())
    if size > limits.IN_MEMORY:
        what = f"the workbook expands to more than {limits.IN_MEMORY // limits.MIB} MiB."
        raise UserError(where, what, "write its sheet as CSV.")
    stream.seek(0)


def _sheet(sheets: list[Any], location: Location, where: str, key: str) -> Any:
    titles = [sheet.title for sheet in sheets]
    if location.sheet is not None:
        wanted = nfc(str(location.sheet)).strip()
        chosen = [sheet for sheet in sheets if nfc(sheet.title).strip() == wanted]
        if not chosen:
            mend = f"set {key}.sheet to one of {listed(titles, 12)}."
            raise UserError(where, f"there is no sheet {quoted(wanted)}.", mend)
        return chosen[0]
    filled = [sheet for sheet in sheets if next(_rows(sheet, where), None) is not None]
    if not filled:
        raise UserError(where, "the workbook is empty.", WHOLE)
    if len(filled) > 1:
        titles = [sheet.title for sheet in filled]
        raise UserError(
            where, f"the workbook has {len(filled)} sheets.", f"set {key}.sheet to one of {listed(titles, 12)}."
        )
    return filled[0]


def _read(sheet: Any, leaf: Leaf, location: Location, key: str, assembly: Assembly) -> None:
    where = f"{leaf.origin}, sheet {quoted(nfc(sheet.title))}"
    cells = islice(_rows(sheet, where), location.header - 1, None)
    header = rows.headers(next(cells, []), location.header, where, key)
    if len(header) == 1:
        what = f"the header {quoted(header[0])} has only one column."
        raise UserError(where, what, f"set {key}.sheet, or {key}.header to the row of the names.")
    assembly.begin(leaf.origin, header)
    mend = f"give the column a name in row {location.header}, or set {key}.header."
    count = 0
    for block in _blocks(cells, len(header)):
        unknown = [fault for index, row in enumerate(block) for fault in _faults(index, row, header)]
        columns, faults = rows.fitted(block, len(header), mend)
        assembly.add(columns, location.header + 1 + count, faults + unknown)
        count += len(block)
    if not count:
        raise UserError(where, "the sheet is empty but for its header.", WHOLE)
    decimal = location.decimal or "."
    assembly.end(Reading(leaf.origin, "sheet", None, None, decimal, sheet.title, count, location.header - 1))


def _rows(sheet: Any, where: str) -> Iterator[list[str]]:
    """The rows of a sheet as text, from its first to the last that holds anything, without empty cells at their end."""
    sheet.reset_dimensions()  # what a workbook states of them may be wrong
    blank = 0
    formulas = uncomputed(sheet._get_source)
    row, found = next(formulas, _NONE)
    for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
        if number > _ROWS:
            raise UserError(where, f"the sheet has more than {_ROWS:,} rows.", "check that it is the right file.")
        cells = [_text(value) for value in values]
        while row <= number:
            for place, formula in found.items() if row == number else ():
                cells.extend([""] * (place + 1 - len(cells)))
                cells[place] = _Uncomputed(formula)
            row, found = next(formulas, _NONE)
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            blank += 1
            continue
        yield from ([] for _ in range(blank))
        blank = 0
        yield cells


def _faults(index: int, row: list[str], header: list[str]) -> list[Fault]:
    """The first formula without a value in a row; beyond the header it is one cell too many, whatever it holds."""
    place = next((place for place, cell in enumerate(row[: len(header)]) if type(cell) is _Uncomputed), None)
    if place is None:
        return []
    reason, mend = "the formula of this cell was never computed", "open the workbook in a spreadsheet and save it."
    return [Fault(index, header[place], visible(row[place]), rows.CELLS, reason, mend)]


def _blocks(cells: Iterator[list[str]], width: int) -> Iterator[list[list[str]]]:
    block: list[list[str]] = []
    size = 0
    for row in cells:
        block.append(row)
        size += max(len(row), width) + sum(map(len, row))  # a workbook says a text once for all the cells that hold it
        if len(block) == limits.BLOCK_ROWS or size > limits.BLOCK_CHARACTERS // 8:
            yield block
            block, size = [], 0
    if block:
        yield block


def _text(value: Any) -> str:
    """A cell's value as text: numbers at full precision, dates as ISO 8601 has them."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return str(value)
