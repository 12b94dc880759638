"""Step ``collect``: from one folder per run to tidy tables, with every cell of the matrix or not at all.

Nothing of a run goes into a table before its files are held to the checksums that its record carries. Shipped records,
if there are any, stand in for runs that have no folder.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from alloymtl.errors import UserError
from alloymtl.evaluation.run_files import RECORD, RETRAIN, read_run
from alloymtl.evaluation.run_records import CELL, METRICS, RUNS, Cell, Records, check, course
from alloymtl.evaluation.run_tables import EXTRAS, OF_ALL, TAKEN, Reader
from alloymtl.evaluation.shipped import ShippedRuns
from alloymtl.evaluation.tidy import growing
from alloymtl.experiment import Experiment, collected
from alloymtl.files import write_parquet

log = logging.getLogger("alloymtl")

READERS = 8
"""Runs that are read at a time: not for the cores, but because a shared file system lets each file wait."""
AHEAD = 32
"""Runs that are read ahead of the one that is added to the tables."""
NAMED = 5
"""Damaged runs that an error names; the log names all."""


@dataclass(frozen=True)
class Origin:
    """Where the rows of runs come from.

    Attributes:
        runs: the folder of runs.
        tasks: kind of each task by name.
        shipped: the shipped records that hold some of the runs.
        cells: those runs.
    """

    runs: Path
    tasks: Mapping[str, str]
    shipped: ShippedRuns | None = None
    cells: frozenset[Cell] = frozenset()


@dataclass(frozen=True)
class Table:
    """A table of the study that is stacked from one file of each of some runs.

    Attributes:
        file: the file's name in a run's folder, without ending.
        schema: the file's columns.
        read: reads it.
        cells: the runs.
    """

    file: str
    schema: pa.Schema
    read: Reader
    cells: frozenset[Cell]

    @property
    def columns(self) -> pa.Schema:
        """Its columns after those that name the run."""
        return pa.schema([*CELL, *self.schema])


@dataclass(frozen=True)
class Found:
    """What is collected of one run: metrics as in its record, its course, and its part of each table by name."""

    metrics: Mapping[str, Any]
    course: tuple[Any, ...]
    parts: Mapping[str, pa.Table]


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write the tables ``metrics``, ``runs``, and those of ``EXTRAS`` and ``TAKEN``.

    Rows follow the order of experiments, methods, levels, split seeds and seeds in the spec; a cell that several
    experiments share appears once. ``metrics`` and ``runs`` hold every run; which runs the others hold,
    ``experiment.collected`` says. Of predictions those of the test partition are taken.

    A run without a record of its own is read from shipped records if their ``manifest`` is among the inputs, with the
    present ``features`` and ``split.<seed>`` to hold them to. The result is the same to the byte.

    Raises:
        UserError: runs are missing, damaged, incomplete or of another specification, or a value is not finite; or the
            shipped records are damaged or of other data.
    """
    experiments = [Experiment.from_dict(values) for values in spec["experiments"]]
    cells = _cells(experiments)
    origin, tables = _origin(spec, inputs, cells), _tables(spec["extras"], experiments)
    expected = {cell.method: (*OF_ALL, *spec["extras"].get(cell.method, ())) for cell in cells}
    records, damaged = Records(origin.tasks), []
    with ExitStack() as stack:
        add = {name: stack.enter_context(growing(outputs[name], table.columns)) for name, table in tables.items()}
        for cell, reading in _in_order(cells, origin, tables, expected):
            if reading is None:
                found = _shipped(origin.shipped, cell, tables)
                _add_shipped(records, cell, found, origin)
            else:
                try:
                    found = reading.result()
                    records.add(cell, found.metrics, found.course, cell.folder(origin.runs) / RECORD)
                except UserError as mistake:
                    damaged.append(mistake)
            if not damaged:
                for name, part in found.parts.items():
                    add[name](_named(part, cell, tables[name]))
        if damaged:
            raise _of_all(damaged, len(cells), origin.runs)
        write_parquet(outputs["metrics"], records.metrics().to_pandas())
        write_parquet(outputs["runs"], records.runs().to_pandas())
    log.debug("collected %d runs, %d of them shipped ones", len(cells), len(origin.cells))


def _cells(experiments: Iterable[Experiment]) -> list[Cell]:
    """The cells of some experiments, each once."""
    return [Cell(*values) for values in dict.fromkeys(cell for e in experiments for cell in e.cells())]


def _tables(extras: Mapping[str, Any], experiments: list[Experiment]) -> dict[str, Table]:
    """The tables that are stacked, by name."""
    of_table = {name: frozenset(Cell(*c) for c in found) for name, found in collected(experiments, extras).items()}
    none: frozenset[Cell] = frozenset()
    return {
        **{name: Table(name, *EXTRAS[name], of_table.get(name, none)) for name in EXTRAS},
        **{name: Table(*TAKEN[name], of_table.get(name, none)) for name in TAKEN},
    }


def _origin(spec: Mapping[str, Any], inputs: Mapping[str, Path], cells: list[Cell]) -> Origin:
    """Where each run is to be read, after a check that shipped ones are of the present data."""
    runs, tasks = Path(spec["runs"]), {task["name"]: task["kind"] for task in spec["tasks"]}
    if "manifest" not in inputs:
        return Origin(runs, tasks)
    shipped = ShippedRuns(inputs["manifest"].parent, spec["control"])
    used = [c for c in cells if c.key() in shipped and not (c.folder(runs) / RECORD).is_file()]
    shipped.check_data([cell.key() for cell in used], {k: v for k, v in inputs.items() if k != "manifest"})
    return Origin(runs, tasks, shipped, frozenset(used))


def _in_order(
    cells: list[Cell], origin: Origin, tables: Mapping[str, Table], expected: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[Cell, Future[Found] | None]]:
    """The runs in the order of their cells, while those that follow are being read; shipped ones as None."""
    with ThreadPoolExecutor(READERS) as pool:
        waiting: deque[tuple[Cell, Future[Found] | None]] = deque()
        for cell in cells:
            of_run = {name: table for name, table in tables.items() if cell in table.cells}
            shipped = cell in origin.cells
            waiting.append((cell, None if shipped else pool.submit(_read, cell, origin, of_run, expected[cell.method])))
            if len(waiting) > AHEAD:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()


def _read(cell: Cell, origin: Origin, tables: Mapping[str, Table], expected: tuple[str, ...]) -> Found:
    """One run from its folder."""
    run = read_run(cell.folder(origin.runs), expected, {table.file for table in tables.values()})
    where = run.folder / RECORD
    check(run.record, cell, origin.tasks, where)
    parts = {
        name: table.read(run.contents[table.file], run.path(table.file), origin.tasks) for name, table in tables.items()
    }
    return Found(run.record["metrics"], course(run.record, where), parts)


def _shipped(shipped: ShippedRuns, cell: Cell, tables: Mapping[str, Table]) -> Found:
    """One shipped run; its metrics in the form of a run record."""
    metrics: dict[str, Any] = {}
    for row in shipped.rows("metrics", METRICS, cell.key()).to_pylist():
        metrics.setdefault(row["task"], {}).setdefault(row["partition"], {})[row["metric"]] = row["value"]
    (of_run,) = shipped.rows("runs", RUNS, cell.key()).to_pylist()
    parts = {name: shipped.rows(name, t.schema, cell.key()) for name, t in tables.items() if cell in t.cells}
    return Found(metrics, tuple(of_run[name] for name in RUNS.names if name not in CELL.names), parts)


def _add_shipped(records: Records, cell: Cell, run: Found, origin: Origin) -> None:
    """Add a shipped run to the records."""
    folder = cell.folder(origin.runs)
    try:
        records.add(cell, run.metrics, run.course, folder / RECORD)
    except UserError as mistake:
        mend = "the code has changed since it was shipped; the target `all` trains it anew."
        raise UserError(f"{origin.shipped.path('metrics')}, {folder}", mistake.what, mend) from None


def _named(part: pa.Table, cell: Cell, table: Table) -> pa.Table:
    """One run's part of a table, with the columns that name the run in front."""
    key = [pa.repeat(pa.scalar(v, f.type), len(part)) for v, f in zip(cell.key(), CELL, strict=True)]
    return pa.Table.from_arrays([*key, *part.columns], schema=table.columns)


def _of_all(damaged: list[UserError], cells: int, runs: Path) -> UserError:
    """One mistake for those of several runs, on one line: how many they are, and the first of them by name."""
    if len(damaged) == 1:
        return damaged[0]
    for mistake in damaged:
        log.debug("cannot be collected: %s", mistake)
    mends = {mistake.mend for mistake in damaged}
    alike = len(mends) == 1
    named = [f"{m.where}: {m.what}" if alike else str(m) for m in damaged[:NAMED]]
    if len(damaged) > NAMED:
        named.append(f"{len(damaged) - NAMED} more are in the log.")
    what = f"{len(damaged)} of {cells} runs cannot be collected: {'; '.join(text.rstrip('.') for text in named)}."
    several = "delete the folders of these runs and start the build again; it trains them anew."
    return UserError(str(runs), what, several if mends == {RETRAIN} else mends.pop() if alike else "")
