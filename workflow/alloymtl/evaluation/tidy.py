"""Tidy tables that are written while they are read, so that those of many runs need not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from alloymtl.files import atomic

ROWS = 1 << 20
"""Rows of a row group: those that pyarrow gives a table that is written at once."""


@contextmanager
def growing(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that adds rows to a table; the file is there once the block ends well.

    Its bytes are those that ``write_parquet`` gives the whole table.

    Args:
        path: the file.
        schema: of the rows.
    """
    with atomic(path) as temporary:
        writer = _Writer(temporary, schema)
        try:
            yield writer.add
            writer.finish()
        finally:
            writer.close()


class _Writer:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._file = path, None
        self._parts, self._rows = [schema.empty_table()], 0

    def add(self, part: pa.Table) -> None:
        self._parts.append(part)
        self._rows += len(part)
        while self._rows > ROWS:
            self._write(ROWS)

    def finish(self) -> None:
        # An empty table has a row group too.
        self._write(self._rows)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _write(self, rows: int) -> None:
        whole = pa.concat_tables(self._parts)
        # By way of pandas, whose types the file's metadata tell.
        group = pa.Table.from_pandas(whole.slice(0, rows).to_pandas(), preserve_index=False)
        if self._file is None:
            self._file = pq.ParquetWriter(self._path, group.schema, compression="zstd")
        self._file.write_table(group, row_group_size=ROWS)
        self._parts, self._rows = [whole.slice(rows)], self._rows - rows
