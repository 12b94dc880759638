"""Reading a Parquet file as text."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alloymtl.data.raw import limits
from alloymtl.data.raw.assembly import Assembly, strings
from alloymtl.data.raw.containers import Leaf
from alloymtl.data.raw.faults import WHOLE, readable_as
from alloymtl.data.raw.table import Reading, normal
from alloymtl.errors import UserError
from alloymtl.task import Location


def read(leaf: Leaf, location: Location, assembly: Assembly) -> None:
    """Read a Parquet file: a column for each leaf of nested structures, lists as JSON text.

    Args:
        leaf: what to read.
        location: may force a decimal sign for columns of text.
        assembly: takes the rows.

    Raises:
        UserError: it is broken, empty or too large.
    """
    where = str(leaf.origin)
    with leaf.open_seekable() as stream, readable_as("a Parquet file", where):
        facts = pq.read_metadata(stream)
        _check_size(facts, where)
        file = pq.ParquetFile(stream, metadata=facts, read_dictionary=_texts(facts.schema))
        first_row = 1
        for batch in file.iter_batches(batch_size=limits.BLOCK_ROWS, use_threads=False):
            table = pa.Table.from_batches([batch])
            while any(pa.types.is_struct(kind) for kind in table.schema.types):
                table = table.flatten()
            if first_row == 1:
                assembly.begin(leaf.origin, [normal(name) for name in table.column_names])
            _check_text(table.columns, where)
            assembly.add([_text(column) for column in table.columns], first_row)
            first_row += len(table)
    if first_row == 1:
        raise UserError(where, "the file holds no rows.", WHOLE)
    decimal = location.decimal or "."
    assembly.end(Reading(leaf.origin, "parquet", None, None, decimal, None, first_row - 1, 0))


def _check_size(facts: Any, where: str) -> None:
    size = sum(facts.row_group(number).total_byte_size for number in range(facts.num_row_groups))
    for count, limit, what in (
        (facts.num_columns, limits.COLUMNS, "columns"),
        (facts.num_rows, limits.ROWS, "rows"),
        (facts.num_rows * facts.num_columns, limits.CELLS, "cells"),
        (size, limits.EXPANDED, "bytes"),
    ):
        if count > limit:
            message = f"the file holds more than {limit:,} {what}; no table of alloys does."
            raise UserError(where, message, "check that it is the right file, or split it.")


def _texts(schema: Any) -> list[str]:
    """The columns of text. Kept as dictionaries until their size is known: a file says an equal text only once."""
    columns = [schema.column(number) for number in range(len(schema))]
    return [c.path for c in columns if c.physical_type == "BYTE_ARRAY" and c.max_repetition_level == 0]


def _check_text(columns: Any, where: str) -> None:
    size = 0
    for chunk in (chunk for column in columns for chunk in column.chunks if pa.types.is_dictionary(chunk.type)):
        lengths = pc.binary_length(chunk.dictionary).take(chunk.indices)
        size += pc.sum(lengths, min_count=0).as_py()
    if size > limits.IN_MEMORY:
        what = f"the file holds more than {limits.IN_MEMORY:,} bytes of text in {limits.BLOCK_ROWS:,} rows"
        raise UserError(where, f"{what}; no table of alloys does.", "check that it is the right file.")


def _text(column: pa.ChunkedArray) -> pa.Array:
    """Cells (rows,) as text; nothing, and what is not a number, is empty."""
    cells = column.combine_chunks()
    if isinstance(cells, pa.ChunkedArray):
        cells = pa.concat_arrays(cells.chunks)
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    kind = cells.type
    if pa.types.is_floating(kind):
        cells = pc.if_else(pc.is_nan(cells), pa.scalar(None, kind), cells)
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return strings([_written(value) for value in cells.to_pylist()])
    if pa.types.is_null(kind):
        return strings([""] * len(cells))
    if pa.types.is_float16(kind):
        cells = cells.cast(pa.float32())
    return pc.fill_null(cells.cast(pa.string()), "")


def _written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return json.dumps(value, ensure_ascii=False, default=str)
