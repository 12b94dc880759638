"""Putting the rows of several files one below the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from alloymtl.data.raw import limits
from alloymtl.data.raw.names import visible
from alloymtl.data.raw.table import Fault, Origin, Part, RawTable, Reading
from alloymtl.errors import UserError
from alloymtl.task import Location


def strings(cells: Sequence[str]) -> pa.Array:
    """An Arrow array of text; half a surrogate pair, which no encoding has, is written as its escape."""
    try:
        return pa.array(cells, pa.string())
    except UnicodeEncodeError:
        return pa.array([c.encode("utf-8", "backslashreplace").decode() for c in cells], pa.string())


class Assembly:
    """A raw table in the making: each reader gives it blocks of rows, in order.

    Args:
        location: what is read.
        key: its config key, for messages.
    """

    def __init__(self, location: Location, key: str) -> None:
        self._location, self._key = location, key
        self._numbers: dict[tuple[str, int], int] = {}
        self._segments: list[list[tuple[int, pa.Array]]] = []
        self._rows = self._bytes = 0
        self._origin: list[np.ndarray] = []
        self._row: list[np.ndarray] = []
        self._parts: list[Part] = []
        self._objects = _Objects()
        self.origins: list[Origin] = []
        self.readings: list[Reading] = []
        self.faults: list[Fault] = []
        self.ignored: list[tuple[Origin, str]] = []

    def begin(self, origin: Origin, headers: Sequence[str]) -> None:
        """Begin a file with a header; its rows follow by ``add``.

        Raises:
            UserError: there are too many columns.
        """
        self._flush()
        self.origins.append(origin)
        self._parts.append(Part(self._rows, self._rows, self._columns(headers), is_optional=False))

    def add(self, columns: Sequence[pa.Array], first_row: int, faults: Sequence[Fault] = ()) -> None:
        """Add a block of rows to the file that was begun.

        Args:
            columns: text (rows,) for each of its headers.
            first_row: number of the first row.
            faults: ``index`` counts from the block's first row.

        Raises:
            UserError: there are too many rows.
        """
        count = len(columns[0])
        self.faults.extend(replace(fault, index=fault.index + self._rows) for fault in faults)
        self._append(columns, np.full(count, len(self.origins) - 1), np.arange(first_row, first_row + count))

    def begin_objects(self, origin: Origin) -> None:
        """Begin a file of objects; they follow by ``add_object``."""
        self.origins.append(origin)

    def add_object(self, cells: Mapping[str, str], row: int, faults: Sequence[Fault] = ()) -> None:
        """Add an object of the file that was begun.

        Args:
            cells: text by header.
            row: number of the object.
            faults: of the object; ``index`` is put in.

        Raises:
            UserError: there are too many rows or columns.
        """
        objects = self._objects
        self.faults.extend(replace(fault, index=self._rows + len(objects.rows)) for fault in faults)
        objects.add(cells, len(self.origins) - 1, row)
        if len(objects.rows) >= limits.BLOCK_ROWS or objects.size > limits.BLOCK_CHARACTERS:
            self._flush()

    def end(self, reading: Reading) -> None:
        """Say how the file that was begun was read."""
        self.readings.append(reading)

    def table(self) -> RawTable:
        """The table of all rows."""
        self._flush()
        return RawTable(
            location=self._location,
            headers=[header for header, _ in self._numbers],
            columns=[self._joined(segments) for segments in self._segments],
            origins=self.origins,
            origin=np.concatenate([np.empty(0, np.int32), *self._origin]).astype(np.int32),
            row=np.concatenate([np.empty(0, np.int64), *self._row]).astype(np.int64),
            readings=self.readings,
            faults=self.faults,
            ignored=self.ignored,
            parts=[part for part in self._parts if part.stop > part.start],
        )

    def _flush(self) -> None:
        objects, self._objects = self._objects, _Objects()
        if objects.rows:
            self._parts.append(Part(self._rows, self._rows, self._columns(list(objects.cells)), is_optional=True))
            columns = [strings(objects.filled(header)) for header in objects.cells]
            self._append(columns, np.array(objects.origins), np.array(objects.rows))

    def _columns(self, headers: Sequence[str]) -> tuple[int, ...]:
        """The table's columns for the headers of a file; equal headers keep their order."""
        seen: dict[str, int] = {}
        columns = []
        for header in headers:
            occurrence = seen[header] = seen.get(header, -1) + 1
            columns.append(self._numbers.setdefault((header, occurrence), len(self._numbers)))
        self._segments.extend([] for _ in range(len(self._numbers) - len(self._segments)))
        if len(self._numbers) > limits.COLUMNS:
            self._refuse(f"more than {limits.COLUMNS:,} columns")
        return tuple(columns)

    def _append(self, columns: Sequence[pa.Array], origin: np.ndarray, row: np.ndarray) -> None:
        part = self._parts[-1]
        for number, cells in zip(part.columns, columns, strict=True):
            self._segments[number].append((self._rows, cells))
            self._bytes += cells.nbytes
        self._rows += len(row)
        self._parts[-1] = replace(part, stop=self._rows)
        self._origin.append(origin)
        self._row.append(row)
        if self._bytes > limits.TEXT:
            self._refuse(f"more than {limits.TEXT // limits.MIB:,} MiB of text")
        if self._rows > limits.ROWS:
            self._refuse(f"more than {limits.ROWS:,} rows")
        if self._rows * len(self._numbers) > limits.CELLS:
            self._refuse(f"more than {limits.CELLS:,} cells")

    def _joined(self, segments: Sequence[tuple[int, pa.Array]]) -> pa.ChunkedArray:
        """One column over all rows; rows of files that lack it are empty."""
        chunks: list[pa.Array] = []
        end = 0
        for start, cells in [*segments, (self._rows, strings([]))]:
            if start > end:
                chunks.append(pa.repeat(pa.scalar(""), start - end))
            chunks.append(cells)
            end = start + len(cells)
        return pa.chunked_array(chunks, pa.string())

    def _refuse(self, what: str) -> None:
        where = str(self.origins[-1]) if self.origins else visible(self._location.path)
        raise UserError(where, f"it holds {what}; no table of alloys does.", f"split it, or set {self._key}.path.")


class _Objects:
    """Objects waiting to become a block of rows."""

    def __init__(self) -> None:
        self.cells: dict[str, list[str]] = {}
        self.origins: list[int] = []
        self.rows: list[int] = []
        self._characters = 0

    @property
    def size(self) -> int:
        """Characters and cells together, so that neither long texts nor many keys pile up."""
        return self._characters + len(self.cells) * len(self.rows)

    def add(self, cells: Mapping[str, str], origin: int, row: int) -> None:
        count = len(self.rows)
        for header, text in cells.items():
            column = self.cells.setdefault(header, [])
            column.extend([""] * (count - len(column)))
            column.append(text)
            self._characters += len(text)
        self.origins.append(origin)
        self.rows.append(row)

    def filled(self, header: str) -> list[str]:
        """A column's cells (rows,); the keys that objects lack are empty."""
        column = self.cells[header]
        return column + [""] * (len(self.rows) - len(column))
