"""Step ``ingest``: from the raw files of all tasks to the union data set, with every rejected row accounted for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from alloymtl import files
from alloymtl.data.account import REJECT_COLUMNS, report, spreadsheet_safe
from alloymtl.data.raw import RawTable, places, read_table
from alloymtl.data.raw.names import quoted
from alloymtl.data.rows.amounts import amount_columns
from alloymtl.data.rows.fractions import Compositions, read_fractions
from alloymtl.data.rows.labels import NO_VALUE, is_missing, read_labels
from alloymtl.data.rows.matching import matched_fractions
from alloymtl.data.rows.rules import alloys_schema
from alloymtl.data.rows.screening import Reason, Screening, reject_faults
from alloymtl.data.rows.units import differ, unit_of
from alloymtl.data.union import Reading, measurements, unite
from alloymtl.errors import UserError
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
    _check_unit(task, source, key)
    table = read_table(source, key)
    text = table.column(source.label, f"{key}.label")
    table = table.with_decimal([name for name in _number_columns(task, source, table) if table.has(name)], key)
    screening = Screening(len(table))
    reject_faults(table, screening)
    # A row without a label is of no use, whatever its cells hold, so that this is never an error.
    screening.reject(is_missing(text, source, data["missing"]), NO_VALUE, source.label, text)
    compositions, tables = _compositions(table, source, data, screening, f"{key}.composition")
    labels = read_labels(text, table.pointed(text), task, source, screening, key)
    # Last, so that a good row is not lost to a bad one of its name.
    _reject_duplicates(table, source, screening, key)
    named = {origin.file for table in tables for origin in table.origins}
    checksums = {name: {file: files.sha256(file) for file in places.files(name)} for name in sorted(named)}
    return Reading(task, source, tables, compositions, labels, text, screening, checksums)


def _stated_unit(task: Task, source: Source) -> str | None:
    """The unit that a label's header names, where it is another than the one that is taken; else None."""
    stated = unit_of(source.label) if task.is_regression else None
    return stated if stated is not None and differ(stated, source.unit or task.unit) else None


def _check_unit(task: Task, source: Source, key: str) -> None:
    """Make sure that a label's unit is not another than its header says, unless the config says so.

    Raises:
        UserError: the source has no unit of its own, and its header names another than the study's.
    """
    stated = _stated_unit(task, source)
    if stated is not None and source.unit is None:
        what = f"the column {quoted(source.label)} names the unit {stated}, and the study's is {task.unit}."
        raise UserError(f"{key}.unit", what, f"set it to {stated!r}, or to {task.unit!r} if the header is wrong.")


def _warn_of_units(tasks: Sequence[Task]) -> None:
    """Say which labels are read in another unit than their header names, because the config says so."""
    for task in tasks:
        for number, source in enumerate(task.sources):
            stated = _stated_unit(task, source)
            if stated is not None:
                key = f"tasks.{task.name}.sources[{number}].unit"
                taken = (quoted(source.label), stated, source.unit)
                log.warning("%s: the column %s names the unit %s and is read as %s", key, *taken)


def _number_columns(task: Task, source: Source, table: RawTable) -> list[str]:
    """The columns of a source's rows that are read as numbers."""
    labels = [source.label] if task.is_regression else []
    other = source.composition.get("table")
    return [*labels, *(amount_columns(table, source.composition, _taken(source)) if other is None else other["match"])]


def _taken(source: Source) -> set[str]:
    """The columns of a source's rows that are no elements, whatever their names."""
    return {source.label, *([source.id] if source.id is not None else [])}


def _compositions(
    table: RawTable, source: Source, data: Mapping[str, Any], screening: Screening, key: str
) -> tuple[Compositions, tuple[RawTable, ...]]:
    """Compositions of the rows, and the tables that were read."""
    if source.composition.get("table") is None:
        return read_fractions(table, source.composition, data, _taken(source), screening, key), (table,)
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
    _check_repeats(readings)
    table, identity = measurements(readings, data["decimals"])
    alloys, merged = unite(table, identity, tasks, data)
    alloys_schema(data["elements"], {task.name: not task.is_regression for task in tasks}).validate(alloys)
    _warn_of_units(tasks)
    rejects = pd.concat([r.screening.table(r.tables[0], r.task.name) for r in readings], ignore_index=True)
    return alloys, rejects[REJECT_COLUMNS], report(readings, table, merged, rejects, alloys, tasks)


def _check_repeats(readings: Sequence[Reading]) -> None:
    """Make sure that no file counts twice.

    Files of labels whose compositions lie elsewhere are left out: two samples may have measured the same.

    Raises:
        UserError: two files of a task are the same, byte for byte, and read in the same way.
    """
    seen: dict[tuple[str, ...], str] = {}
    for reading in (reading for reading in readings if len(reading.tables) == 1):
        table, label = reading.tables[0], reading.source.label
        content = {name: "".join(sums.values()) for name, sums in reading.checksums.items()}
        for origin, how in zip(table.origins, table.readings, strict=True):
            what = (reading.task.name, label, content[origin.file], origin.member, how.sheet or "")
            if what in seen:
                same = f"it holds the same rows as {seen[what]}, and they would count twice."
                raise UserError(str(origin), same, "remove one of the two, or choose files by path and member.")
            seen[what] = str(origin)


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
