"""Step ``ingest``: from the raw files of all tasks to the union data set, with every rejected row accounted for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alloymtl import files
from alloymtl.data.composition import read_fractions
from alloymtl.data.labels import NO_VALUE, read_labels
from alloymtl.data.raw import RawTable, read_table
from alloymtl.data.screening import Reason, Screening
from alloymtl.data.union import Reading, measurements, unite
from alloymtl.task import Source, Task

DUPLICATE = Reason("duplicate id", "remove the row, or give it an id of its own.")
REJECT_COLUMNS = ["file", "row", "column", "value", "reason"]
log = logging.getLogger("alloymtl")


def read_source(task: Task, number: int, data: Mapping[str, Any]) -> Reading:
    """Read one raw file of a task and screen its rows.

    Args:
        task: the property.
        number: which of its sources.
        data: the config's ``data`` section.

    Raises:
        UserError: the file, a column, the encoding or a unit does not fit the config.
    """
    source = task.sources[number]
    key = f"tasks.{task.name}.sources[{number}]"
    table = read_table(source, key)
    screening = Screening(len(table))
    text = table.column(source.label, f"{key}.label")
    # A row without a label is of no use, whatever else is wrong with it, so that this is never an error.
    screening.reject((text == "").to_numpy(), NO_VALUE, source.label, text)
    _reject_duplicates(table, source, screening, key)
    fractions = read_fractions(table, source.composition, data, screening, key)
    labels = read_labels(text, task, source, screening, key)
    return Reading(task, source.label, source.path, fractions, labels, text, screening)


def _reject_duplicates(table: RawTable, source: Source, screening: Screening, key: str) -> None:
    if source.id is None:
        return
    ids = table.column(source.id, f"{key}.id")
    counted = ids.where(screening.good & (ids != "").to_numpy())
    screening.reject((counted.duplicated() & counted.notna()).to_numpy(), DUPLICATE, source.id, ids)


def ingest(data: Mapping[str, Any], tasks: Sequence[Task]) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """The union data set, the rejected rows and the report of a study.

    Args:
        data: the config's ``data`` section.
        tasks: its tasks with their sources.

    Returns:
        alloys (see ``union.unite``), rejects (file, row, column, value, reason) and the report as plain values.

    Raises:
        UserError: see ``read_source``.
    """
    readings = [read_source(task, number, data) for task in tasks for number in range(len(task.sources))]
    table, identity = measurements(readings, data["decimals"])
    alloys, merged = unite(table, identity, tasks, data)
    rejects = pd.concat([r.screening.table(r.path) for r in readings], ignore_index=True)
    report = {
        "sources": [_account(r, table["source"].to_numpy() == n, merged) for n, r in enumerate(readings)],
        **_summary(rejects),
        **_contents(alloys, tasks),
    }
    return alloys, rejects[REJECT_COLUMNS], report


def _account(reading: Reading, own: np.ndarray, merged: pd.Series) -> dict[str, Any]:
    """Where the rows of one source went."""
    rows = len(reading.labels)
    rejected = int((~reading.screening.good).sum())
    further = int(merged[own].sum())
    accepted = int(own.sum()) - further
    if rows != accepted + further + rejected:
        raise AssertionError(f"{reading.path}: {rows} rows, but {accepted} + {further} + {rejected} accounted for")
    return {
        "path": reading.path,
        "task": reading.task.name,
        "sha256": files.sha256(reading.path),
        "rows": rows,
        "accepted": accepted,
        "merged": further,
        "rejected": rejected,
    }


def _summary(rejects: pd.DataFrame) -> dict[str, Any]:
    """Counts of the rejected rows by reason, and the first invalid one."""
    invalid = rejects[rejects["invalid"]]
    first = invalid[[*REJECT_COLUMNS, "mend"]].head(1).to_dict("records")
    counts = rejects["reason"].value_counts()
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {
        "reasons": {reason: int(count) for reason, count in ordered},
        "invalid": len(invalid),
        "first_invalid": {**first[0], "row": int(first[0]["row"])} if first else None,
    }


def _contents(alloys: pd.DataFrame, tasks: Sequence[Task]) -> dict[str, Any]:
    """How many alloys, labels, classes and common labels there are."""
    has = {task.name: alloys[f"n:{task.name}"] > 0 for task in tasks}
    return {
        "alloys": len(alloys),
        "labels": {name: int(mask.sum()) for name, mask in has.items()},
        "classes": {
            task.name: {str(c): int((alloys[f"y:{task.name}"] == c).sum()) for c in (0, 1)}
            for task in tasks
            if not task.is_regression
        },
        "overlap": {f"{a}|{b}": int((has[a] & has[b]).sum()) for a, b in combinations(has, 2)},
    }


def step(spec: Mapping[str, Any], inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> None:
    """Run the step; ``spec`` holds the config's ``data`` section and the tasks.

    Raises:
        UserError: see ``read_source``.
    """
    tasks = [Task.from_dict(task) for task in spec["tasks"]]
    alloys, rejects, report = ingest(spec["data"], tasks)
    files.write_csv(outputs["rejects"], rejects)
    files.write_json(outputs["report"], report)
    files.write_parquet(outputs["alloys"], alloys)
    read = sum(source["rows"] for source in report["sources"])
    log.info("%d raw rows -> %d alloys, %d rows rejected", read, len(alloys), len(rejects))
