"""Step ``collect``: from one folder per run to four tidy tables, with every cell of the matrix or not at all."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alloymtl.errors import UserError
from alloymtl.evaluation.metrics import NAMES
from alloymtl.experiment import MAIN, Experiment
from alloymtl.files import write_parquet
from alloymtl.run import PARTITIONS, Level, run_folder

log = logging.getLogger("alloymtl")

REQUIRED_PARTITIONS = frozenset({"validation", "test"})
CURVES = frozenset({"train", "validation"})
RETRAIN = "delete the run's folder and start the build again; it trains the run anew."

CELL = pa.schema(
    [("method", pa.string()), ("level", pa.string()), ("split_seed", pa.int64()), ("seed", pa.int64())],
)
METRICS = pa.schema(
    [*CELL, *(pa.field(n, pa.string()) for n in ("task", "partition", "metric")), ("value", pa.float64())]
)
PREDICTIONS = pa.schema(
    [
        ("alloy", pa.string()),
        ("task", pa.string()),
        ("partition", pa.string()),
        ("target", pa.float64()),
        ("prediction", pa.float64()),
    ]
)
HISTORY = pa.schema(
    [
        ("epoch", pa.int64()),
        ("task", pa.string()),
        ("partition", pa.string()),
        ("loss", pa.float64()),
        ("learning_rate", pa.float64()),
    ]
)
RELATIONS = pa.schema([("task", pa.string()), ("source", pa.string()), ("strength", pa.float64())])


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix, and where its run lies."""

    method: str
    level: Level
    split_seed: int
    seed: int

    def folder(self, runs: Path) -> Path:
        """The run's folder."""
        return runs / run_folder(self.method, self.level, self.split_seed, self.seed)

    def key(self) -> tuple[str, str, int, int]:
        """Values of the columns that name a run in every tidy table."""
        return self.method, str(self.level), self.split_seed, self.seed


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write the tables ``metrics``, ``relations``, ``histories`` and ``predictions``.

    Rows follow the order of experiments, methods, levels, split seeds and seeds in the spec; a cell that several
    experiments share appears once. ``metrics`` holds every run, ``relations`` those of the methods ``with_relations``,
    ``histories`` and ``predictions`` (test partition) those of the experiment ``main``.

    Raises:
        UserError: a run is missing, damaged, incomplete or of another specification, or a value is not finite.
    """
    runs, tasks = Path(spec["runs"]), {task["name"]: task["kind"] for task in spec["tasks"]}
    experiments = [Experiment.from_dict(values) for values in spec["experiments"]]
    cells = [Cell(*values) for values in dict.fromkeys(cell for e in experiments for cell in e.cells())]
    main = [Cell(*values) for e in experiments if e.name == MAIN for values in e.cells()]
    related = [cell for cell in cells if cell.method in set(spec["with_relations"])]

    write_parquet(outputs["metrics"], collect_metrics(cells, runs, tasks))
    write_parquet(outputs["relations"], _stack(related, runs, RELATIONS, lambda f: read_relations(f, tasks)))
    write_parquet(outputs["histories"], _stack(main, runs, HISTORY, lambda f: read_history(f, tasks)))
    write_parquet(outputs["predictions"], _stack(main, runs, PREDICTIONS, lambda f: read_test_predictions(f, tasks)))
    log.debug("collected %d runs from %s", len(cells), runs)


def collect_metrics(cells: list[Cell], runs: Path, tasks: Mapping[str, str]) -> pd.DataFrame:
    """Metrics of all runs, one row per cell, task, partition and metric.

    Args:
        cells: the runs to read.
        runs: the folder that holds them.
        tasks: kind of each task by name.

    Raises:
        UserError: as ``step``; a run that reports other partitions than the first one is incomplete too.
    """
    columns: dict[str, list[Any]] = {name: [] for name in METRICS.names}
    partitions: tuple[str, ...] = ()
    for cell in cells:
        folder = cell.folder(runs)
        metrics = read_record(folder, cell, tasks)["metrics"]
        partitions = partitions or _reported(metrics)
        for row in _metric_rows(metrics, tasks, partitions, folder / "record.json"):
            for column, value in zip(columns.values(), (*cell.key(), *row), strict=True):
                column.append(value)
    return pa.table(columns, schema=METRICS).to_pandas()


def read_record(folder: Path, cell: Cell, tasks: Mapping[str, str]) -> dict[str, Any]:
    """One run record, after a check that it belongs to its cell and reports each task.

    Raises:
        UserError: there is none, it is not JSON, it is of another cell or other tasks, or lacks a task.
    """
    path = folder / "record.json"
    try:
        record = json.loads(path.read_bytes())
        specification, metrics = record["specification"], record["metrics"]
        found = Cell(*(specification[name] for name in CELL.names))
        trained = {task["name"]: task["kind"] for task in specification["tasks"]}
    except FileNotFoundError:
        raise UserError(str(folder), "this run has no record.json.", "build the target `runs`.") from None
    except (ValueError, KeyError, TypeError) as damage:
        raise UserError(str(path), f"not a run record ({damage!r}).", RETRAIN) from None
    if found.key() != cell.key():
        what = f"the record is of {'/'.join(map(str, found.key()))} and not of its folder."
        raise UserError(str(path), what, RETRAIN)
    if trained != dict(tasks):
        raise UserError(str(path), f"trained for the tasks {trained}, the study has {dict(tasks)}.", RETRAIN)
    _same_names(metrics, tasks, "metrics", "task", path)
    return record


def read_test_predictions(folder: Path, tasks: Mapping[str, str]) -> pa.Table:
    """One run's predictions of the test rows, in the order of its file.

    Raises:
        UserError: the file is missing, damaged, lacks a column or a task, or holds a value that is not finite.
    """
    path = folder / "predictions.parquet"
    table = _read(path, PREDICTIONS)
    table = table.filter(pc.equal(table["partition"], "test"))
    _same_names(pc.unique(table["task"]).to_pylist(), tasks, "test predictions", "task", path)
    return table


def read_history(folder: Path, tasks: Mapping[str, str]) -> pa.Table:
    """One run's losses by epoch.

    Raises:
        UserError: as ``read_test_predictions``; or a task lacks its training or validation losses.
    """
    path = folder / "history.parquet"
    table = _read(path, HISTORY)
    curves = {(row["task"], row["partition"]) for row in table.select(["task", "partition"]).to_pylist()}
    _same_names(curves, set(product(tasks, CURVES)), "losses", "curve", path)
    return table


def read_relations(folder: Path, tasks: Mapping[str, str]) -> pa.Table:
    """One run's learned task relations: strength with which each task (receiver) draws on each source.

    Raises:
        UserError: as ``read_test_predictions``; or the pairs of tasks are not each there once.
    """
    path = folder / "relations.parquet"
    table = _read(path, RELATIONS)
    pairs = list(zip(table["task"].to_pylist(), table["source"].to_pylist(), strict=True))
    _same_names(pairs, set(product(tasks, tasks)), "relations", "pair", path)
    if len(pairs) != len(tasks) ** 2:
        raise UserError(str(path), "a pair of tasks appears twice.", RETRAIN)
    return table


def _reported(metrics: Mapping[str, Any]) -> tuple[str, ...]:
    """Partitions that the runs of a study report: validation and test always, train if the first run does."""
    first = [parts for parts in metrics.values() if isinstance(parts, dict)]
    return tuple(p for p in PARTITIONS if p in REQUIRED_PARTITIONS or any(p in parts for parts in first))


def _metric_rows(
    metrics: Mapping[str, Any], tasks: Mapping[str, str], partitions: tuple[str, ...], where: Path
) -> Iterator[tuple[str, str, str, float]]:
    """(task, partition, metric, value) of one record, each of them there and finite."""
    for task, kind in tasks.items():
        _same_names(metrics[task], partitions, f"metrics.{task}", "partition", where)
        for partition in partitions:
            values = metrics[task][partition]
            _same_names(values, NAMES[kind], f"metrics.{task}.{partition}", "metric", where)
            for name in NAMES[kind]:
                value = values[name]
                if type(value) not in (int, float) or not math.isfinite(value):
                    what = f"metrics.{task}.{partition}.{name} is {value!r} and not a finite number."
                    raise UserError(str(where), what, RETRAIN)
                yield task, partition, name, float(value)


def _same_names(found: Any, expected: Any, what: str, kind: str, where: Path) -> None:
    """Names found in a run's file against those that belong there: none missing, none unknown."""
    if not isinstance(found, (dict, list, set)):
        raise UserError(str(where), f"{what} holds no {kind}.", RETRAIN)
    there, wanted = set(found), set(expected)
    if there != wanted:
        word, names = ("lacks", wanted - there) if wanted - there else ("holds an unknown", there - wanted)
        name = min(names, key=str)
        name = " <- ".join(name) if isinstance(name, tuple) else name
        raise UserError(str(where), f"{what} {word} {kind} {name!r}.", RETRAIN)


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    """Columns of one Parquet file, cast to their types; nothing missing, every number finite."""
    try:
        # ParquetFile and not read_table: a tenth of the time for the thousands of small files there are.
        with pq.ParquetFile(path) as file:
            table = file.read(columns=schema.names, use_threads=False).select(schema.names).cast(schema)
    except FileNotFoundError:
        raise UserError(str(path), "this file of the run is missing.", RETRAIN) from None
    except (pa.ArrowException, OSError, KeyError, ValueError) as damage:
        reason = str(damage).splitlines()[0]
        raise UserError(str(path), f"not readable as {', '.join(schema.names)} ({reason}).", RETRAIN) from None
    for name in schema.names:
        column = table[name]
        floating = pa.types.is_floating(column.type)
        if column.null_count or (floating and not pc.all(pc.is_finite(column), min_count=0).as_py()):
            raise UserError(str(path), f"column {name} holds an empty cell or a number that is not finite.", RETRAIN)
    return table


def _stack(cells: list[Cell], runs: Path, schema: pa.Schema, read: Callable[[Path], pa.Table]) -> pd.DataFrame:
    """The tables of all cells below each other, with the columns that name the cell in front."""
    whole = pa.schema([*CELL, *schema])
    parts = [whole.empty_table()]
    for cell in cells:
        table = read(cell.folder(runs))
        named = [pa.repeat(pa.scalar(v, f.type), len(table)) for v, f in zip(cell.key(), CELL, strict=True)]
        parts.append(pa.Table.from_arrays([*named, *table.columns], schema=whole))
    return pa.concat_tables(parts).to_pandas()
