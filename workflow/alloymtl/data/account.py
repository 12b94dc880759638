"""What ``ingest`` tells of itself: where every row went, how files were read, and what the data set holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.data.raw import RawTable
from alloymtl.data.repeats import distinct
from alloymtl.data.union import Reading
from alloymtl.task import Task

REJECT_COLUMNS = ["file", "member", "row", "task", "column", "value", "rule", "reason", "mend"]
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
LABELS, COMPOSITIONS = "labels", "compositions"
IGNORED = "ignored"
IGNORED_SHOWN = 20


def report(
    readings: Sequence[Reading],
    table: pd.DataFrame,
    merged: np.ndarray,
    rejects: pd.DataFrame,
    alloys: pd.DataFrame,
    tasks: Sequence[Task],
) -> dict[str, Any]:
    """The report of a study's ingestion as plain values.

    ``source`` of a file in ``readings`` is the place of its source in ``sources``; ``of`` says whether the file holds
    its ``labels`` or lends it ``compositions``. The first ignored files are listed, all are counted in the source's
    ``tables``. ``labels`` counts rows of the union data set, which is what levels and weights by size count;
    ``labelled``, ``classes`` and ``overlap`` count distinct alloys.

    Args:
        readings: what was read from each source, screening done.
        table: the measurements that were kept.
        merged: mask over them, of those that were merged into another.
        rejects: all rejected rows, ``invalid`` among the columns.
        alloys: the union data set, of which an alloy may have several rows.
        tasks: the study's.

    Raises:
        AssertionError: a row of a source is not accounted for.
    """
    return {
        "sources": [_account(r, table["source"].to_numpy() == n, merged) for n, r in enumerate(readings)],
        "readings": [found for n, r in enumerate(readings) for found in _files_of(n, r)],
        **_summary(rejects, tasks),
        **_contents(alloys, tasks),
    }


def _account(reading: Reading, own: np.ndarray, merged: np.ndarray) -> dict[str, Any]:
    """Where the rows of one source went."""
    rows = len(reading.text)
    rejected = int((~reading.screening.good).sum())
    further = int(merged[own].sum())
    accepted = int(own.sum()) - further
    path = reading.source.path
    if rows != accepted + further + rejected:
        raise AssertionError(f"{path}: {rows} rows, but {accepted} + {further} + {rejected} accounted for")
    return {
        "path": path,
        "task": reading.task.name,
        "sha256": dict(sorted(item for sums in reading.checksums.values() for item in sums.items())),
        "rows": rows,
        "accepted": accepted,
        "merged": further,
        "rejected": rejected,
        "traces": int((reading.compositions.traces & reading.screening.good).sum()),
        "tables": [
            {"of": of, "path": table.location.path, "ignored": len(table.ignored)} for of, table in _tables(reading)
        ],
    }


def _tables(reading: Reading) -> Iterator[tuple[str, RawTable]]:
    """The raw tables of a source, each with what it is read for."""
    yield from zip((LABELS, COMPOSITIONS), reading.tables, strict=False)


def _files_of(number: int, reading: Reading) -> list[dict[str, Any]]:
    """How each file was read, and what lay beside it unread."""
    found = []
    for of, table in _tables(reading):
        named = {"source": number, "task": reading.task.name, "of": of}
        for read in table.readings:
            place = {"file": read.origin.file, "member": read.origin.member}
            how = {k: v for k, v in vars(read).items() if k != "origin"}
            found.append({**named, **place, **how})
        for origin, why in table.ignored[:IGNORED_SHOWN]:
            place = {"file": origin.file, "member": origin.member}
            found.append({**named, **place, "format": IGNORED, "why": why, "rows": 0})
    return found


def _summary(rejects: pd.DataFrame, tasks: Sequence[Task]) -> dict[str, Any]:
    """Counts of the rejected rows by reason, by task and reason, and the first invalid one."""
    invalid = rejects[rejects["invalid"]]
    first = invalid[REJECT_COLUMNS].head(1).to_dict("records")
    counts = rejects["reason"].value_counts()
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    by_task = rejects.groupby(["task", "rule", "reason"]).size().reset_index(name="rows")
    by_task["place"] = by_task["task"].map({task.name: number for number, task in enumerate(tasks)})
    by_task["fewer"] = -by_task["rows"]
    by_task = by_task.sort_values(["place", "fewer", "rule", "reason"])[["task", "rule", "reason", "rows"]]
    return {
        "reasons": {reason: int(count) for reason, count in ordered},
        "summary": [{**row, "rows": int(row["rows"])} for row in by_task.to_dict("records")],
        "invalid": len(invalid),
        "first_invalid": {**first[0], "row": int(first[0]["row"])} if first else None,
    }


def _contents(rows: pd.DataFrame, tasks: Sequence[Task]) -> dict[str, Any]:
    """How many rows with a label there are, distinct alloys, and of these labelled ones, classes and common labels."""
    single, _ = distinct(rows, [f"y:{task.name}" for task in tasks])
    has = {task.name: single[f"y:{task.name}"].notna() for task in tasks}
    return {
        "alloys": len(single),
        "labels": {task.name: int(rows[f"y:{task.name}"].notna().sum()) for task in tasks},
        "labelled": {name: int(mask.sum()) for name, mask in has.items()},
        "classes": {
            task.name: {str(c): int((single[f"y:{task.name}"] == c).sum()) for c in (0, 1)}
            for task in tasks
            if not task.is_regression
        },
        "overlap": {f"{a}|{b}": int((has[a] & has[b]).sum()) for a, b in combinations(has, 2)},
    }


def spreadsheet_safe(rejects: pd.DataFrame) -> pd.DataFrame:
    """The rejected rows with an apostrophe before texts that a spreadsheet would run as a formula.

    Numbers such as ``-3`` are left alone. Headers, names of files and cells are as foreign as values.
    """
    safe = rejects.copy()
    for column in ("file", "member", "column", "value"):
        text = safe[column].astype(str)
        runs = text.str.startswith(FORMULA_STARTS) & pd.to_numeric(text, errors="coerce").isna()
        safe[column] = text.where(~runs, "'" + text)
    return safe
