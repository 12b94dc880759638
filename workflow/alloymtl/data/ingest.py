"""Step ``ingest``: from the raw files of all tasks to the union data set, with every rejected row accounted for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from alloymtl import files
from alloymtl.data.account import REJECT_COLUMNS, report, spreadsheet_safe
from alloymtl.data.fractions import Compositions, read_fractions
from alloymtl.data.labels import NO_VALUE, is_missing, read_labels
from alloymtl.data.matching import matched_fractions
from alloymtl.data.raw import RawTable, read_table
from alloymtl.data.rules import alloys_schema
from alloymtl.data.screening import Reason, Screening
from alloymtl.data.union import Reading, measurements, unite
from alloymtl.data.unreadable import reject_faults
from alloymtl.task import Source, Task

DUPLICATE = Reason("id.duplicate", "duplicate id", "remove the row, or give it an id of its own.")
log = logging.getLogger("alloymtl")


def read_source(task: Task, number: int, data: Mapping[str, Any]) -> Reading:
    """Read one source of a task and screen its rows.

    Args:
        task: the property.
        number: which of its sources.
        data: the config's ``data`` section.

    Raises:
        UserError: a file, a column, the encoding or a unit does not fit the config.
    """
    source = task.sources[number]
    key = f"tasks.{task.name}.sources[{number}]"
    table = read_table(source, key)
    screening = Screening(len(table))
    text = table.column(source.label, f"{key}.label")
    reject_faults(table, screening)
    # A row without a label is of no use, whatever its cells hold, so that this is never an error.
    screening.reject(is_missing(text, data["missing"]), NO_VALUE, source.label, text)
    _reject_duplicates(table, source, screening, key)
    compositions, tables = _compositions(table, source, data, screening, f"{key}.composition")
    labels = read_labels(text, table.pointed(text), task, source, screening, key)
    return Reading(task, source, tables, compositions, labels, text, screening)


def _compositions(
    table: RawTable, source: Source, data: Mapping[str, Any], screening: Screening, key: str
) -> tuple[Compositions, tuple[RawTable, ...]]:
    """Compositions of the rows, and the tables that were read."""
    if source.composition.get("table") is None:
        return read_fractions(table, source.composition, data, screening, key), (table,)
    compositions, other = matched_fractions(table, source.composition, data, screening, key)
    return compositions, (table, other)


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
        alloys (see ``union.unite``), rejects (see ``account.REJECT_COLUMNS``) and the report as plain values.

    Raises:
        UserError: see ``read_source``.
    """
    readings = [read_source(task, number, data) for task in tasks for number in range(len(task.sources))]
    table, identity = measurements(readings, data["decimals"])
    alloys, merged = unite(table, identity, tasks, data)
    alloys_schema(data["elements"], {task.name: not task.is_regression for task in tasks}).validate(alloys)
    rejects = pd.concat([r.screening.table(r.tables[0], r.task.name) for r in readings], ignore_index=True)
    return alloys, rejects[REJECT_COLUMNS], report(readings, table, merged, rejects, alloys, tasks)


def step(spec: Mapping[str, Any], inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> None:
    """Run the step; ``spec`` holds the config's ``data`` section and the tasks.

    Raises:
        UserError: see ``read_source``.
    """
    tasks = [Task.from_dict(task) for task in spec["tasks"]]
    alloys, rejects, told = ingest(spec["data"], tasks)
    files.write_csv(outputs["rejects"], spreadsheet_safe(rejects))
    files.write_json(outputs["report"], told)
    files.write_parquet(outputs["alloys"], alloys)
    read = sum(source["rows"] for source in told["sources"])
    log.info("%d raw rows -> %d alloys, %d rows rejected", read, told["alloys"], len(rejects))
