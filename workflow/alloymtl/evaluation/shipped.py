"""Rows of shipped runs, read from the tables in ``records/<study>/`` in the place of folders of runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from alloymtl.errors import UserError
from alloymtl.evaluation.manifest import NAME, Entry, Manifest, file_checksum, mend, prefix

DIGITS = 20
"""Binary digits of a column's largest number that two machines are sure to agree on: about six decimal ones."""
KEY = ("method", "level", "split_seed", "seed")

Key = tuple[str, str, int, int]
"""Values of the columns that name a run in every tidy table."""


def content_checksum(path: str | Path) -> str:
    """SHA-256 of a Parquet table's values, numbers to about six digits of the largest one in their column.

    Libraries and processors differ in the last bits of a logarithm and in the bytes that they compress a table to; the
    data are the same all the same.
    """
    with pq.ParquetFile(path) as file:
        table = file.read()
    digest = hashlib.sha256(f"{table.num_rows}".encode())
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.update(f"\0{name}\0".encode())
        values = column.to_pandas()
        if pd.api.types.is_float_dtype(values):
            digest.update(_rounded(values.to_numpy(dtype=np.float64)).tobytes())
        else:
            digest.update("\0".join(map(str, values.tolist())).encode())
    return digest.hexdigest()


def _rounded(values: np.ndarray) -> np.ndarray:
    """Whole multiples of the last common digit; exact, because the scale is a power of two."""
    finite = np.isfinite(values)
    # A little more than the largest: it may be a power of two itself, give or take its last digit. And not less than a
    # millionth: a column may be empty but for such digits.
    _, exponent = np.frexp(np.abs(values[finite]).max(initial=2.0**-DIGITS) * (1 + 2.0**-DIGITS))
    rounded = np.rint(np.ldexp(np.where(finite, values, 0.0), DIGITS - exponent)).astype("<i8")
    # Not a number, plus and minus infinity: beyond any rounded value.
    odd = np.where(np.isnan(values), 2, np.sign(np.where(finite, 0.0, values))) * 2.0 ** (DIGITS + 2)
    return np.where(finite, rounded, odd).astype("<i8")


class ShippedRuns:
    """The shipped runs of a study or one of its controls.

    Args:
        folder: the study's shipped records.
        control: a control's name, or empty for the study itself.

    Raises:
        UserError: the manifest is missing, damaged or of another study.
    """

    def __init__(self, folder: Path, control: str) -> None:
        manifest = Manifest.read(folder)
        if manifest is None:
            raise UserError(str(folder), "there are no shipped records.", mend(folder))
        self._folder, self._control, self._manifest = folder, control, manifest
        self._tables: dict[str, tuple[pa.Table, dict[Key, slice]]] = {}

    @cached_property
    def entries(self) -> dict[Key, Entry]:
        """What the manifest says of each run."""
        of_control = (entry for entry in self._manifest.entries if entry.control == self._control)
        return {(e.method, str(e.level), e.split_seed, e.seed): e for e in of_control}

    def check_data(self, keys: Iterable[Key], files: Mapping[str, Path]) -> None:
        """Make sure that runs were trained from the data that there are now.

        Args:
            keys: the runs.
            files: the present files: ``features``, and one ``split.<seed>`` for each split seed.

        Raises:
            UserError: a file holds other values than the one that a run was trained from; names it.
        """
        known = self._manifest.data[self._control]["contents"]
        there = {name: file_checksum(path) for name, path in files.items()}
        values: dict[str, str] = {}
        for key in keys:
            entry = self.entries[key]
            for name, wanted in entry.inputs.items():
                file = name if name in files else f"{name}.{entry.split_seed}"
                if there[file] == wanted:
                    continue
                if file not in values:
                    values[file] = content_checksum(files[file])
                if values[file] != known.get(wanted):
                    what = f"the records in {self._folder} were made from other data: {name} differ from these."
                    step = f"without the folder `{self._folder}` every run is trained, from these data."
                    raise UserError(str(files[file]), what, step)

    def path(self, table: str) -> Path:
        """Where a table lies."""
        return self._folder / f"{prefix(self._control)}{table}.parquet"

    def rows(self, table: str, schema: pa.Schema, key: Key) -> pa.Table:
        """Rows of one run in a collected table, without the columns that name the run.

        Args:
            table: name of the table.
            schema: the columns to give, as they were collected.
            key: the run.

        Raises:
            UserError: the table is missing or is not the one that was shipped, or holds no row of the run.
        """
        whole, places = self._table(table, schema)
        if key not in places:
            raise UserError(str(self.path(table)), f"it holds no row of {'/'.join(map(str, key))}.", mend(self._folder))
        place = places[key]
        return whole.slice(place.start, place.stop - place.start)

    def __contains__(self, key: Key) -> bool:
        return key in self.entries

    def _table(self, name: str, schema: pa.Schema) -> tuple[pa.Table, dict[Key, slice]]:
        if name not in self._tables:
            path = self.path(name)
            self._manifest.check_files(self._folder, [path.relative_to(self._folder).as_posix()])
            try:
                with pq.ParquetFile(path) as stream:
                    keys = stream.read(columns=list(KEY)).select(KEY).to_pandas()
                    table = stream.read(columns=schema.names).select(schema.names).cast(schema)
            except (pa.ArrowException, KeyError, ValueError) as damage:
                reason = str(damage).splitlines()[0]
                what = f"not readable as {', '.join(schema.names)} ({reason}); {self._folder / NAME} is of other code."
                raise UserError(str(path), what, mend(self._folder)) from None
            self._tables[name] = table, _places(keys)
        return self._tables[name]


def _places(keys: pd.DataFrame) -> dict[Key, slice]:
    """Where each run's rows lie in a table that holds the runs one after another."""
    starts = np.flatnonzero((keys != keys.shift()).any(axis=1).to_numpy())
    stops = [*starts[1:], len(keys)]
    rows = keys.iloc[starts].itertuples(index=False, name=None)
    return {tuple(row): slice(int(a), int(b)) for row, a, b in zip(rows, starts, stops, strict=True)}
