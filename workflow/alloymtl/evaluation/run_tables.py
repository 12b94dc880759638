"""The tables of one run, read from the bytes of its files and held to what belongs in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alloymtl.errors import UserError
from alloymtl.evaluation.run_files import RETRAIN

CURVES = frozenset({"train", "validation"})
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
PAIR = pa.schema([("first", pa.string()), ("second", pa.string()), ("measure", pa.string()), ("value", pa.float64())])
GRADIENTS = pa.schema([("epoch", pa.int64()), *PAIR, ("n", pa.int64())])
TEXTS = ("first", "second", "estimator", "window")
COSINES = pa.schema([*((name, pa.string()) for name in TEXTS), ("value", pa.float64())])
SEARCH = pa.schema(
    [
        ("trial", pa.int64()),
        ("task", pa.string()),
        ("weight", pa.float64()),
        ("validation_loss", pa.float64()),
        ("change", pa.float64()),
        ("kept", pa.bool_()),
    ]
)

Reader = Callable[[bytes, Path, Mapping[str, str]], pa.Table]
"""Reads one table of a run from the bytes of its file, given where that lies and the kind of each task."""


def read_test_predictions(content: bytes, path: Path, tasks: Mapping[str, str]) -> pa.Table:
    """One run's predictions of the test rows, in the order of its file.

    Raises:
        UserError: the file is damaged, lacks a column or a task, or holds a value that is not finite.
    """
    table = _read(content, path, PREDICTIONS)
    table = table.filter(pc.equal(table["partition"], "test"))
    same_names(pc.unique(table["task"]).to_pylist(), tasks, "test predictions", "task", path)
    return table


def read_history(content: bytes, path: Path, tasks: Mapping[str, str]) -> pa.Table:
    """One run's losses by epoch.

    Raises:
        UserError: as ``read_test_predictions``; or a task lacks its training or validation losses.
    """
    table = _read(content, path, HISTORY)
    curves = table.group_by(["task", "partition"]).aggregate([]).to_pydict()
    found = set(zip(curves["task"], curves["partition"], strict=True))
    same_names(found, set(product(tasks, CURVES)), "losses", "curve", path)
    return table


def read_relations(content: bytes, path: Path, tasks: Mapping[str, str]) -> pa.Table:
    """One run's learned task relations: strength with which each task (receiver) draws on each source.

    Raises:
        UserError: as ``read_test_predictions``; or the pairs of tasks are not each there once.
    """
    table = _read(content, path, RELATIONS)
    pairs = list(zip(table["task"].to_pylist(), table["source"].to_pylist(), strict=True))
    same_names(pairs, set(product(tasks, tasks)), "relations", "pair", path)
    if len(pairs) != len(tasks) ** 2:
        raise UserError(str(path), "a pair of tasks appears twice.", RETRAIN)
    return table


def read_gradients(content: bytes, path: Path, tasks: Mapping[str, str]) -> pa.Table:
    """One run's measures of pairs of gradients by epoch.

    Raises:
        UserError: as ``read_test_predictions``; or the file is empty, names an unknown task, or holds a measure twice.
    """
    return _pairs(_read(content, path, GRADIENTS), path, tasks)


def read_cosines(content: bytes, path: Path, tasks: Mapping[str, str]) -> pa.Table:
    """Of the same file, the cosines between gradients over parts of training (``affinity.cosines``).

    Raises:
        UserError: as ``read_gradients``.
    """
    # Imported here: only studies that ask for the affinity of tasks need it.
    from alloymtl.evaluation.affinity.cosines import cosines

    found = cosines(read_gradients(content, path, tasks).to_pandas())
    return pa.Table.from_pandas(found, schema=COSINES, preserve_index=False)


def read_similarity(content: bytes, path: Path, tasks: Mapping[str, str]) -> pa.Table:
    """One run's measures of pairs of networks at its end.

    Raises:
        UserError: as ``read_gradients``.
    """
    return _pairs(_read(content, path, PAIR), path, tasks)


def read_search(content: bytes, path: Path, tasks: Mapping[str, str]) -> pa.Table:
    """What one run tried before it kept what it is: weights and validation loss of each task in each trial.

    Raises:
        UserError: as ``read_test_predictions``; or not one trial is the one that was kept.
    """
    table = _read(content, path, SEARCH)
    same_names(pc.unique(table["task"]).to_pylist(), tasks, "search", "task", path)
    if pc.sum(table["kept"]).as_py() != len(tasks):
        raise UserError(str(path), "search does not say which trial was kept.", RETRAIN)
    return table


def same_names(found: Any, expected: Any, what: str, kind: str, where: Path) -> None:
    """Hold the names found in a run's file to those that belong there.

    Args:
        found: names, or tuples of names.
        expected: likewise.
        what: the thing that holds them.
        kind: what they are the names of.
        where: the file.

    Raises:
        UserError: one is missing or unknown.
    """
    if not isinstance(found, (dict, list, set)):
        raise UserError(str(where), f"{what} holds no {kind}.", RETRAIN)
    there, wanted = set(found), set(expected)
    if there != wanted:
        word, names = ("lacks", wanted - there) if wanted - there else ("holds an unknown", there - wanted)
        name = min(names, key=str)
        name = " <- ".join(name) if isinstance(name, tuple) else name
        raise UserError(str(where), f"{what} {word} {kind} {name!r}.", RETRAIN)


def _pairs(table: pa.Table, path: Path, tasks: Mapping[str, str]) -> pa.Table:
    """A table of measures of pairs of tasks, each known and there once."""
    for column in ("first", "second"):
        if unknown := set(pc.unique(table[column]).to_pylist()) - set(tasks):
            raise UserError(str(path), f"{path.stem} holds an unknown task {min(unknown)!r}.", RETRAIN)
    key = [column for column in table.column_names if column not in ("value", "n")]
    if not len(table):
        raise UserError(str(path), f"{path.stem} holds no row.", RETRAIN)
    if len(table.group_by(key, use_threads=False).aggregate([])) != len(table):
        raise UserError(str(path), f"{path.stem} holds a measure of a pair of tasks twice.", RETRAIN)
    return table


def _read(content: bytes, path: Path, schema: pa.Schema) -> pa.Table:
    """Columns of one Parquet file, cast to their types; nothing missing, every number finite."""
    try:
        # ParquetFile and not read_table: a tenth of the time for the thousands of small files there are.
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            table = file.read(columns=schema.names, use_threads=False).select(schema.names).cast(schema)
    except (pa.ArrowException, OSError, KeyError, ValueError) as damage:
        reason = str(damage).splitlines()[0]
        raise UserError(str(path), f"not readable as {', '.join(schema.names)} ({reason}).", RETRAIN) from None
    for name in schema.names:
        column = table[name]
        floating = pa.types.is_floating(column.type)
        if column.null_count or (floating and not pc.all(pc.is_finite(column), min_count=0).as_py()):
            raise UserError(str(path), f"column {name} holds an empty cell or a number that is not finite.", RETRAIN)
    return table


OF_ALL: Mapping[str, tuple[pa.Schema, Reader]] = {
    "predictions": (PREDICTIONS, read_test_predictions),
    "history": (HISTORY, read_history),
}
"""The files of every run, by name without ending."""
EXTRAS: Mapping[str, tuple[pa.Schema, Reader]] = {
    "relations": (RELATIONS, read_relations),
    "gradients": (GRADIENTS, read_gradients),
    "similarity": (PAIR, read_similarity),
    "search": (SEARCH, read_search),
}
"""Files that a method's parts or diagnostics add to a run, each a table of the study under the same name."""
TAKEN: Mapping[str, tuple[str, pa.Schema, Reader]] = {
    "cosines": ("gradients", COSINES, read_cosines),
    "histories": ("history", *OF_ALL["history"]),
    "predictions": ("predictions", *OF_ALL["predictions"]),
}
"""Tables of the runs whose experiments keep them: the file of a run that each is read from, its columns, its reader."""
