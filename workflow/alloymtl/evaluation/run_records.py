"""The records of runs, held to the cells of the matrix, as tables of metrics and of the course of training."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from alloymtl.errors import UserError
from alloymtl.evaluation.metrics import NAMES
from alloymtl.evaluation.run_files import RETRAIN
from alloymtl.evaluation.run_tables import same_names
from alloymtl.run import PARTITIONS, Level, run_folder

REQUIRED_PARTITIONS = frozenset({"validation", "test"})
CELL = pa.schema(
    [("method", pa.string()), ("level", pa.string()), ("split_seed", pa.int64()), ("seed", pa.int64())],
)
METRICS = pa.schema(
    [*CELL, *(pa.field(n, pa.string()) for n in ("task", "partition", "metric")), ("value", pa.float64())]
)
RUNS = pa.schema(
    [
        *CELL,
        ("epochs", pa.int64()),
        ("best_epoch", pa.int64()),
        ("steps", pa.int64()),
        ("trainings", pa.int64()),
        ("seconds", pa.float64()),
        ("engine", pa.string()),
        ("predictions_sha256", pa.string()),
    ]
)


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


class Records:
    """Metrics of runs, one row per cell, task, partition and metric; and the course of each, one row per cell.

    Args:
        tasks: kind of each task by name.
    """

    def __init__(self, tasks: Mapping[str, str]) -> None:
        self._tasks, self._partitions = tasks, ()
        self._names: list[tuple[str, str, str]] = []
        self._values, self._runs = array("d"), []

    def add(self, cell: Cell, metrics: Mapping[str, Any], course: tuple[Any, ...], where: Path) -> None:
        """Add a run.

        Args:
            cell: its cell.
            metrics: of its record.
            course: what ``course`` gives.
            where: its record.

        Raises:
            UserError: a metric is missing, unknown or not finite, or it has other partitions than the first run.
        """
        partitions = self._partitions or _reported(metrics)
        rows = list(_metric_rows(metrics, self._tasks, partitions, where))
        if not self._partitions:
            self._partitions, self._names = partitions, [row[:-1] for row in rows]
        self._values.extend(row[-1] for row in rows)
        self._runs.append((*cell.key(), *course))

    def metrics(self) -> pa.Table:
        """The metrics, by run in the order in which they were added."""
        runs, rows = len(self._runs), len(self._names)
        of_run, of_row = np.repeat(np.arange(runs), rows), np.tile(np.arange(rows), runs)
        cells = [column.take(pa.array(of_run)) for column in _columns([run[:4] for run in self._runs], CELL)]
        named = pa.schema(list(METRICS)[len(CELL) : -1])
        names = [column.take(pa.array(of_row)) for column in _columns(self._names, named)]
        return pa.Table.from_arrays([*cells, *names, pa.array(np.frombuffer(self._values))], schema=METRICS)

    def runs(self) -> pa.Table:
        """The course of each run, in the order in which they were added."""
        return pa.Table.from_arrays(_columns(self._runs, RUNS), schema=RUNS)


def check(record: Mapping[str, Any], cell: Cell, tasks: Mapping[str, str], where: Path) -> None:
    """Make sure that a record belongs to its cell and reports each task.

    Args:
        record: the run record.
        cell: the cell in whose folder it lies.
        tasks: kind of each task of the study by name.
        where: the record's file.

    Raises:
        UserError: it is of another cell or other tasks, or lacks a task.
    """
    try:
        specification, metrics = record["specification"], record["metrics"]
        found = Cell(*(specification[name] for name in CELL.names))
        trained = {task["name"]: task["kind"] for task in specification["tasks"]}
    except (KeyError, TypeError) as damage:
        raise UserError(str(where), f"not a run record ({damage!r}).", RETRAIN) from None
    if found.key() != cell.key():
        what = f"the record is of {'/'.join(map(str, found.key()))} and not of its folder."
        raise UserError(str(where), what, RETRAIN)
    if trained != dict(tasks):
        raise UserError(str(where), f"trained for the tasks {trained}, the study has {dict(tasks)}.", RETRAIN)
    same_names(metrics, tasks, "metrics", "task", where)


def course(record: Mapping[str, Any], where: Path) -> tuple[int, int, int, int, float, str, str]:
    """The course of one run, as the columns of ``RUNS`` have it after the cell.

    Epochs and best epoch are of the network or task with most, steps of all networks that were kept; trainings count
    all that were trained.

    Args:
        record: the run record.
        where: its file.

    Raises:
        UserError: the record does not say.
    """
    try:
        stages = record["stages"].values()
        return (
            max(int(stage["epochs"]) for stage in stages),
            max(int(epoch) for epoch in record["best_epoch"].values()),
            sum(int(stage["steps"]) for stage in stages),
            sum(int(stage["trainings"]) for stage in stages),
            float(record["seconds"]),
            str(record["engine"]),
            str(record["predictions_sha256"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as damage:
        raise UserError(str(where), f"it does not say how the run went ({damage!r}).", RETRAIN) from None


def _columns(rows: list[tuple[Any, ...]], schema: pa.Schema) -> list[pa.Array]:
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    return [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]


def _reported(metrics: Mapping[str, Any]) -> tuple[str, ...]:
    """Partitions that the runs of a study report: validation and test always, train if the first run does."""
    first = [parts for parts in metrics.values() if isinstance(parts, dict)]
    return tuple(p for p in PARTITIONS if p in REQUIRED_PARTITIONS or any(p in parts for parts in first))


def _metric_rows(
    metrics: Mapping[str, Any], tasks: Mapping[str, str], partitions: tuple[str, ...], where: Path
) -> Iterator[tuple[str, str, str, float]]:
    """(task, partition, metric, value) of one record, each of them there and finite."""
    for task, kind in tasks.items():
        same_names(metrics[task], partitions, f"metrics.{task}", "partition", where)
        for partition in partitions:
            values = metrics[task][partition]
            same_names(values, NAMES[kind], f"metrics.{task}.{partition}", "metric", where)
            for name in NAMES[kind]:
                value = values[name]
                if type(value) not in (int, float) or not math.isfinite(value):
                    what = f"metrics.{task}.{partition}.{name} is {value!r} and not a finite number."
                    raise UserError(str(where), what, RETRAIN)
                yield task, partition, name, float(value)
