"""Bounds of what is read for one location: a table of alloys lies far below them, a decompression bomb far above."""

from __future__ import annotations

MIB = 1 << 20
NESTING = 4  # archives within archives
MEMBERS = 100_000
EXPANDED = 1024 * MIB  # bytes that the archives of one location expand to
IN_MEMORY = 256 * MIB  # bytes of one member that must be held whole: an archive, a workbook, a Parquet or JSON file
TEXT = 768 * MIB  # bytes of all cells
LINE = MIB  # characters
COLUMNS = 16_384  # as many as a spreadsheet has
ROWS = 10_000_000
CELLS = 100_000_000
BLOCK_ROWS = 20_000
BLOCK_CHARACTERS = 16 * MIB
