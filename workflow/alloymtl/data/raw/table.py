"""The table of text cells that the raw files of one location become, and where each of its rows comes from."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from alloymtl.data.raw import decimals
from alloymtl.data.raw.names import listed, quoted, visible
from alloymtl.errors import UserError
from alloymtl.task import Location

TEXTS = ("delimited", "sheet")  # formats whose numbers are written as their authors do


def normal(header: str) -> str:
    """A header in Unicode normal form C, without spaces around it."""
    return unicodedata.normalize("NFC", header).strip()


def _alike(header: str) -> str:
    # The micro sign and the Greek mu look the same; so do the ohm sign and the omega.
    return unicodedata.normalize("NFKC", header).strip()


@dataclass(frozen=True)
class Origin:
    """A file on disk and, where that is an archive, the member of it, such as ``inner.zip/a/b.csv``."""

    file: str
    member: str = ""

    def __str__(self) -> str:
        return f"{visible(self.file)}: {visible(self.member)}" if self.member else visible(self.file)


@dataclass(frozen=True)
class Reading:
    """How one file or member was read.

    Attributes:
        origin: what was read.
        format: ``delimited``, ``sheet``, ``json`` or ``parquet``.
        encoding: of the text, else None.
        separator: of delimited text, else None.
        decimal: the decimal sign, ``.`` or ``,``.
        sheet: of a workbook, else None.
        rows: how many it holds.
        skipped: rows above the header.
    """

    origin: Origin
    format: str
    encoding: str | None
    separator: str | None
    decimal: str
    sheet: str | None
    rows: int
    skipped: int


@dataclass(frozen=True)
class Fault:
    """A row that the reader itself found wrong: ``index`` counts the rows of the table from 0."""

    index: int
    column: str
    value: str
    rule: str
    reason: str
    mend: str


@dataclass(frozen=True)
class Part:
    """Consecutive rows ``start`` to ``stop`` that were read with the same header.

    Attributes:
        start: first row.
        stop: one past the last row.
        columns: of the table, that the header names.
        is_optional: whether a row need not hold every column, as an object need not hold every key.
    """

    start: int
    stop: int
    columns: tuple[int, ...]
    is_optional: bool


@dataclass(frozen=True)
class RawTable:
    """The raw rows of one location as text, files one below the other; a missing cell is empty.

    Attributes:
        location: where they lie.
        headers: names of the columns, normalised; they may repeat.
        columns: their cells, each (rows,) strings without nulls.
        origins: the files and members in the order of their rows.
        origin: (rows,) which of the origins a row comes from.
        row: (rows,) the number of the row as a user counts it there.
        readings: how each origin was read.
        faults: rows that are not as their file's others.
        ignored: what lay there and was not read, and why.
        parts: which rows hold which columns.
    """

    location: Location
    headers: list[str]
    columns: list[pa.ChunkedArray]
    origins: list[Origin]
    origin: np.ndarray
    row: np.ndarray
    readings: list[Reading]
    faults: list[Fault]
    ignored: list[tuple[Origin, str]]
    parts: list[Part]

    def __len__(self) -> int:
        return len(self.row)

    def has(self, name: str) -> bool:
        """Whether a column, of any origin, has that header."""
        return any(self._find(name, part) for part in self.parts)

    def column(self, name: str, key: str) -> pd.Series:
        """One column's text (rows,), without spaces around it.

        Args:
            name: its header.
            key: the config key that names it.

        Raises:
            UserError: in some origin no column, or more than one, has that header.
        """
        held = [self._find(name, part) for part in self.parts]
        if not any(held):
            raise UserError(self._where, f"there is no column {quoted(name)}.", f"{self._hint(name)} Or set {key}.")
        for part, found in zip(self.parts, held, strict=True):
            where = str(self.origins[self.origin[part.start]])
            if len(found) > 1:
                raise UserError(where, f"{len(found)} columns are named {quoted(name)}.", "rename all but one of them.")
            if not found and not part.is_optional:
                what = f"there is no column {quoted(name)}, which other files of {visible(self.location.path)} have."
                raise UserError(where, what, f"{self._hint(name, part)} Or choose the files to read by member.")
        text = self._stitched([found[0] if found else None for found in held])
        return pd.Series(pc.utf8_trim_whitespace(text).to_pandas(), dtype="str")

    def _stitched(self, chosen: Sequence[int | None]) -> pa.ChunkedArray:
        """For each part, the cells of one column, or empty ones."""
        distinct = {number for number in chosen if number is not None}
        if len(distinct) == 1:
            return self.columns[distinct.pop()]  # parts without it hold empty cells there
        pieces = [
            chunk
            for part, number in zip(self.parts, chosen, strict=True)
            for chunk in (
                [pa.repeat(pa.scalar(""), part.stop - part.start)]
                if number is None
                else self.columns[number].slice(part.start, part.stop - part.start).chunks
            )
        ]
        return pa.chunked_array(pieces, pa.string())

    def with_decimal(self, names: Sequence[str], key: str) -> RawTable:
        """The table with the decimal sign that its texts and sheets have in common, told from some columns.

        A sign that the config sets stands. JSON and Parquet files have numbers of their own, with a point.

        Args:
            names: headers of the columns that are used as numbers or as formulas; one that is not there is passed over.
            key: config key of the location.

        Raises:
            UserError: there are both signs, or only commas that may as well stand between thousands.
        """
        is_text = np.array([reading.format in TEXTS for reading in self.readings], dtype=bool)
        if self.location.decimal or not is_text.any():
            return self
        numbers = sorted({number for name in names for part in self.parts for number in self._find(name, part)})
        rows = None if is_text.all() else np.flatnonzero(is_text[self.origin])
        columns = [self.columns[number] if rows is None else self.columns[number].take(rows) for number in numbers]
        sign = decimals.find_decimal(columns)
        if sign == decimals.MIXED:
            what = "some numbers have a decimal point, and some a decimal comma."
            raise UserError(
                self._where, what, f"set {key}.decimal to ',' or '.'; those of the other sign are rejected."
            )
        if sign is None:
            raise self._unclear(numbers, columns, rows, key)
        signed = [replace(r, decimal=sign) if told else r for r, told in zip(self.readings, is_text, strict=True)]
        return replace(self, readings=signed)

    def _unclear(
        self, numbers: Sequence[int], columns: Sequence[pa.ChunkedArray], rows: np.ndarray | None, key: str
    ) -> UserError:
        """The error to raise where the decimal sign cannot be told."""
        found = ((n, c, decimals.first_unclear(c)) for n, c in zip(numbers, columns, strict=True))
        number, column, row = next((n, c, row) for n, c, row in found if row is not None)
        cell = column[row].as_py().strip()
        where = f"{self.where(row if rows is None else rows[row])}, column {visible(self.headers[number], 60)}"
        what = (
            f"the comma of {quoted(cell)} may be a decimal sign or a mark of thousands, and no other cell tells which."
        )
        return UserError(where, what, f"set {key}.decimal to ',' or '.' (with '.' such cells are rejected).")

    def pointed(self, text: pd.Series) -> pd.Series:
        """The text of some rows, by their index, with points for the decimal commas of the origins that write those.

        The commas of lists stand between their items, and stay. Where the comma is the sign, a point can only be a mark
        of thousands: such a number comes out as none.
        """
        commas = np.array([reading.decimal == "," for reading in self.readings])[self.origin[text.index]]
        if not commas.any():
            return text
        commas &= ~(text.str.startswith("[") & text.str.endswith("]")).to_numpy(dtype=bool)
        grouped = text.str.fullmatch(r"[^A-Za-z]*\d\.[^A-Za-z]*").to_numpy(dtype=bool)
        pointed = text.str.replace(r",(?=\d)", ".", regex=True)
        return text.where(~commas, pointed.where(~grouped, "grouped: " + text))

    def where(self, index: int) -> str:
        """A row for a message, such as ``archive.zip: data.csv, row 14``."""
        return f"{self.origins[self.origin[index]]}, row {self.row[index]}"

    @property
    def _where(self) -> str:
        return str(self.origins[0]) if len(self.origins) == 1 else visible(self.location.path)

    def _find(self, name: str, part: Part) -> list[int]:
        """The columns of a part that have a header: exactly, else by its look."""
        for form in (normal, _alike):
            found = [number for number in part.columns if form(self.headers[number]) == form(name)]
            if found:
                return found
        return []

    def _hint(self, name: str, part: Part | None = None) -> str:
        """The columns whose names come nearest, whatever their case; all of them where none comes near."""
        headers = [self.headers[number] for number in part.columns] if part else self.headers
        folded = {header.casefold(): header for header in headers}
        near = [folded[header] for header in difflib.get_close_matches(name.casefold()[:200], folded, n=3)]
        if near:
            return f"did you mean {_either(near)}?"
        return f"its columns are {listed((visible(header, 40) for header in headers), limit=12)}."


def _either(headers: Iterable[str]) -> str:
    return " or ".join(map(quoted, headers))
