"""Step ``collect``: from one folder per run to tidy tables, with every cell of the matrix or not at all.

Shipped records, if there are any, stand in for runs that have no folder.
"""

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
from alloymtl.evaluation.shipped import ShippedRuns
from alloymtl.experiment import Experiment
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
RUNS = pa.schema(
    [
        *CELL,
        ("epochs", pa.int64()),
        ("best_epoch", pa.int64()),
        ("steps", pa.int64()),
        ("seconds", pa.float64()),
        ("engine", pa.string()),
        ("predictions_sha256", pa.string()),
    ]
)
RELATIONS = pa.schema([("task", pa.string()), ("source", pa.string()), ("strength", pa.float64())])
PAIR = pa.schema([("first", pa.string()), ("second", pa.string()), ("measure", pa.string()), ("value", pa.float64())])
GRADIENTS = pa.schema([("epoch", pa.int64()), *PAIR, ("n", pa.int64())])
# Files that a method's parts or diagnostics add to a run, each a table of the study under the same name.
EXTRAS = {"relations": RELATIONS, "gradients": GRADIENTS, "similarity": PAIR}


Reader = Callable[[Path, Mapping[str, str]], pa.Table]
"""Reads one table of a run from its folder, given the kind of each task."""


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


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write the tables ``metrics``, ``runs``, ``histories``, ``predictions`` and those of ``EXTRAS``.

    Rows follow the order of experiments, methods, levels, split seeds and seeds in the spec; a cell that several
    experiments share appears once. ``metrics`` and ``runs`` hold every run, the tables of ``EXTRAS`` those of the
    methods whose runs have such a file (``extras`` of the spec: method to files), ``histories`` and ``predictions``
    (test partition) those of the experiment ``main`` and of others that keep them.

    A run without a record of its own is read from shipped records if their ``manifest`` is among the inputs, with the
    present ``features`` and ``split.<seed>`` to hold them to. The result is the same to the byte.

    Raises:
        UserError: a run is missing, damaged, incomplete or of another specification, or a value is not finite; or the
            shipped records are damaged or of other data.
    """
    experiments = [Experiment.from_dict(values) for values in spec["experiments"]]
    cells = _cells(experiments)
    origin = _origin(spec, inputs, cells)
    readers = {
        "relations": read_relations,
        "gradients": lambda folder, tasks: read_pairs(folder, "gradients", tasks),
        "similarity": lambda folder, tasks: read_pairs(folder, "similarity", tasks),
    }

    metrics, accounts = collect_records(cells, origin)
    write_parquet(outputs["metrics"], metrics)
    write_parquet(outputs["runs"], accounts)
    for name, schema in EXTRAS.items():
        having = [cell for cell in cells if name in spec["extras"].get(cell.method, ())]
        write_parquet(outputs[name], _stack(having, origin, name, schema, readers[name]))
    for name, schema, reader in (
        ("histories", HISTORY, read_history),
        ("predictions", PREDICTIONS, read_test_predictions),
    ):
        kept = _cells([e for e in experiments if e.keeps(name)])
        write_parquet(outputs[name], _stack(kept, origin, name, schema, reader))
    log.debug("collected %d runs, %d of them shipped ones", len(cells), len(origin.cells))


def _cells(experiments: list[Experiment]) -> list[Cell]:
    """The cells of some experiments, each once."""
    return [Cell(*values) for values in dict.fromkeys(cell for e in experiments for cell in e.cells())]


def _origin(spec: Mapping[str, Any], inputs: Mapping[str, Path], cells: list[Cell]) -> Origin:
    """Where each run is to be read, after a check that shipped ones are of the present data."""
    runs, tasks = Path(spec["runs"]), {task["name"]: task["kind"] for task in spec["tasks"]}
    if "manifest" not in inputs:
        return Origin(runs, tasks)
    shipped = ShippedRuns(inputs["manifest"].parent, spec["control"])
    used = [c for c in cells if c.key() in shipped and not (c.folder(runs) / "record.json").is_file()]
    shipped.check_data([cell.key() for cell in used], {k: v for k, v in inputs.items() if k != "manifest"})
    return Origin(runs, tasks, shipped, frozenset(used))


def collect_records(cells: list[Cell], origin: Origin) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Metrics of all runs, one row per cell, task, partition and metric; and the course of each run, one row per cell.

    Args:
        cells: the runs to read.
        origin: where.

    Raises:
        UserError: as ``step``; a run that reports other partitions than the first one is incomplete too.
    """
    metrics: list[tuple[Any, ...]] = []
    accounts: list[tuple[Any, ...]] = []
    partitions: tuple[str, ...] = ()
    for cell in cells:
        where = cell.folder(origin.runs) / "record.json"
        if cell in origin.cells:
            found, account = _shipped_record(origin.shipped, cell)
        else:
            record = read_record(where.parent, cell, origin.tasks)
            found, account = record["metrics"], _account(record, where)
        partitions = partitions or _reported(found)
        try:
            metrics += [(*cell.key(), *row) for row in _metric_rows(found, origin.tasks, partitions, where)]
        except UserError as mistake:
            if cell not in origin.cells:
                raise
            mend = "the code has changed since it was shipped; the target `all` trains it anew."
            raise UserError(f"{origin.shipped.path('metrics')}, {where.parent}", mistake.what, mend) from None
        accounts.append((*cell.key(), *account))
    return _table(metrics, METRICS), _table(accounts, RUNS)


def _table(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pd.DataFrame:
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema).to_pandas()


def _account(record: Mapping[str, Any], where: Path) -> tuple[int, int, int, float, str, str]:
    """Of one run: epochs and best epoch (of the network or task with most), steps of all its networks, and the rest."""
    try:
        stages = record["stages"].values()
        return (
            max(int(stage["epochs"]) for stage in stages),
            max(int(epoch) for epoch in record["best_epoch"].values()),
            sum(int(stage["steps"]) for stage in stages),
            float(record["seconds"]),
            str(record["engine"]),
            str(record["predictions_sha256"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as damage:
        raise UserError(str(where), f"it does not say how the run went ({damage!r}).", RETRAIN) from None


def _shipped_record(shipped: ShippedRuns, cell: Cell) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Metrics of one shipped run, in the form of a run record, and how it went."""
    metrics: dict[str, Any] = {}
    for row in shipped.rows("metrics", METRICS, cell.key()).to_pylist():
        metrics.setdefault(row["task"], {}).setdefault(row["partition"], {})[row["metric"]] = row["value"]
    (account,) = shipped.rows("runs", RUNS, cell.key()).to_pylist()
    return metrics, tuple(account[name] for name in RUNS.names if name not in CELL.names)


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


def read_pairs(folder: Path, name: str, tasks: Mapping[str, str]) -> pa.Table:
    """One run's measures of pairs of tasks: ``gradients`` or ``similarity``.

    Raises:
        UserError: as ``read_test_predictions``; or the file is empty, names an unknown task, or holds a measure twice.
    """
    path = folder / f"{name}.parquet"
    schema = EXTRAS[name]
    table = _read(path, schema)
    for column in ("first", "second"):
        if unknown := set(pc.unique(table[column]).to_pylist()) - set(tasks):
            raise UserError(str(path), f"{name} holds an unknown task {min(unknown)!r}.", RETRAIN)
    key = [column for column in schema.names if column not in ("value", "n")]
    if not len(table):
        raise UserError(str(path), f"{name} holds no row.", RETRAIN)
    if len(table.group_by(key).aggregate([])) != len(table):
        raise UserError(str(path), f"{name} holds a measure of a pair of tasks twice.", RETRAIN)
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


def _stack(cells: list[Cell], origin: Origin, name: str, schema: pa.Schema, read: Reader) -> pd.DataFrame:
    """The tables of all cells below each other, with the columns that name the cell in front."""
    whole = pa.schema([*CELL, *schema])
    parts = [whole.empty_table()]
    for cell in cells:
        if cell in origin.cells:
            table = origin.shipped.rows(name, schema, cell.key())
        else:
            table = read(cell.folder(origin.runs), origin.tasks)
        named = [pa.repeat(pa.scalar(v, f.type), len(table)) for v, f in zip(cell.key(), CELL, strict=True)]
        parts.append(pa.Table.from_arrays([*named, *table.columns], schema=whole))
    return pa.concat_tables(parts).to_pandas()
