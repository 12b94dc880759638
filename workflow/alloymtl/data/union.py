"""The union data set: all measurements of all tasks, one row for each alloy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.data.composition import alloy_ids, identities, row_codes, systems
from alloymtl.data.raw import RawTable
from alloymtl.data.repeats import KEEP, MARK
from alloymtl.data.rows.fractions import Compositions
from alloymtl.data.rows.labels import Labels
from alloymtl.data.rows.screening import Reason, Screening
from alloymtl.task import Source, Task

CONFLICT = Reason("label.conflict", "conflicting classes", "keep the rows of one class for this alloy.")


@dataclass(frozen=True)
class Reading:
    """What was read from one source: of every row the composition, the label and its text; and what failed.

    ``compositions``, ``labels`` and ``text`` (rows,) count only where ``screening.good``. ``tables`` are the raw table
    of the labels and, where that is another one, that of the compositions. ``checksums`` are those of the files on disk
    behind each file that the tables name: an archive may lie in parts.
    """

    task: Task
    source: Source
    tables: tuple[RawTable, ...]
    compositions: Compositions
    labels: Labels
    text: pd.Series
    screening: Screening
    checksums: Mapping[str, Mapping[str, str]]


def measurements(readings: Sequence[Reading], decimals: int) -> tuple[pd.DataFrame, np.ndarray]:
    """The good rows of all sources, and the identities of the alloys in them.

    Classes of one alloy that disagree are rejected here, all of them: nothing tells which is right.

    Returns:
        A table of source, row, task, label, n (single readings), sd (of them) and alloy (a row of the identities), and
        the identities (alloys, elements), in order of appearance.
    """
    keys = np.vstack([identities(r.compositions.fractions[r.screening.good], decimals) for r in readings])
    codes = row_codes(keys)
    first = np.unique(codes, return_index=True)[1]
    table = pd.concat([_good_rows(number, r) for number, r in enumerate(readings)], ignore_index=True)
    return _without_conflicts(table.assign(alloy=codes), readings), keys[first]


def _good_rows(number: int, reading: Reading) -> pd.DataFrame:
    good = reading.screening.good
    return pd.DataFrame(
        {
            "source": number,
            "row": np.flatnonzero(good),
            "task": reading.task.name,
            "label": reading.labels.values[good],
            "n": reading.labels.counts[good],
            "sd": reading.labels.spreads[good],
        }
    )


def _without_conflicts(table: pd.DataFrame, readings: Sequence[Reading]) -> pd.DataFrame:
    keep = np.ones(len(table), dtype=bool)
    for task in {r.task.name: r.task for r in readings if not r.task.is_regression}.values():
        rows = table[table["task"] == task.name]
        classes = rows.groupby("alloy")["label"].transform("nunique")
        keep[rows.index[classes > 1]] = False
    if keep.all():
        return table
    for number, reading in enumerate(readings):
        mask = np.zeros(len(reading.text), dtype=bool)
        mask[table.loc[~keep & (table["source"] == number).to_numpy(), "row"]] = True
        reading.screening.reject(mask, CONFLICT, reading.source.label, reading.text)
    return table[keep].reset_index(drop=True)


def unite(
    table: pd.DataFrame, identity: np.ndarray, tasks: Sequence[Task], data: Mapping[str, Any]
) -> tuple[pd.DataFrame, np.ndarray]:
    """The union data set, and which measurements were merged into an earlier one.

    A merged alloy has the composition that its id says, not that of its first row: so the data set does not depend on
    the order of files and rows. For the same reason repeats are sorted before they are summed. Where repeats are kept,
    nothing is merged: the measurements of an alloy, sorted task by task, fill as many rows as the task with the most
    of them needs, and the second and further rows are called ``<alloy>#2`` and so on.

    Args:
        table: the measurements.
        identity: identities (alloys, elements) that its ``alloy`` points to.
        tasks: all tasks of the study.
        data: the config's ``data`` section.

    Returns:
        The alloys (columns alloy, system, c:<element>, and per task y, n, sd), sorted by id; and a mask over the
        measurements, true for further ones of the same alloy and task that were merged.
    """
    kept = data["repeats"] == KEEP
    merged = np.zeros(len(table), dtype=bool) if kept else table.duplicated(["task", "alloy"]).to_numpy()
    table = table.sort_values(["task", "alloy", "label", "n", "sd"], kind="stable").assign(repeat=0)
    if kept:
        table["repeat"] = table.groupby(["task", "alloy"], sort=False).cumcount()
    rows = table[["alloy", "repeat"]].drop_duplicates().sort_values(["alloy", "repeat"], ignore_index=True)
    used = np.unique(rows["alloy"])
    elements = data["elements"]
    names = _names(identity[used], elements, data["decimals"])
    fractions = identity[used] / identity[used].sum(axis=1, keepdims=True)
    place = np.searchsorted(used, rows["alloy"])
    repeat = rows["repeat"].to_numpy()
    ids = names["alloy"][place]
    ids[repeat > 0] = [f"{alloy}{MARK}{n + 1}" for alloy, n in zip(ids[repeat > 0], repeat[repeat > 0], strict=True)]
    columns: dict[str, Any] = {
        "alloy": pd.Series(ids, dtype=str),
        "system": pd.Series(names["system"][place], dtype=str),
    }
    columns |= {f"c:{element}": fractions[place, number] for number, element in enumerate(elements)}
    index = pd.MultiIndex.from_frame(rows)
    for task in tasks:
        labels = _aggregate(table[table["task"] == task.name], "mean" if kept else data["repeats"]).reindex(index)
        columns[f"y:{task.name}"] = labels["y"].to_numpy(dtype=float)
        columns[f"n:{task.name}"] = labels["n"].fillna(0).to_numpy(dtype=np.int64)
        columns[f"sd:{task.name}"] = labels["sd"].to_numpy(dtype=float)
    return pd.DataFrame(columns).sort_values("alloy", ignore_index=True), merged


def _names(identity: np.ndarray, elements: Sequence[str], decimals: int) -> dict[str, np.ndarray]:
    return {
        "alloy": np.array(alloy_ids(identity, elements, decimals), dtype=object),
        "system": np.array(systems(identity, elements), dtype=object),
    }


def _aggregate(table: pd.DataFrame, how: str) -> pd.DataFrame:
    """Label, number of single readings and their standard deviation (n - 1) of each row of one task.

    The label is the mean or median over measurements, each counting once however many readings it has.
    """
    groups = table.groupby(["alloy", "repeat"])
    found = pd.DataFrame({"y": groups["label"].agg(how), "n": groups["n"].sum(), "sd": groups["label"].std(ddof=1)})
    lists = table["n"] > 1
    if lists.any():
        pooled = table.assign(sum=table["n"] * table["label"], within=(table["n"] - 1) * table["sd"].fillna(0) ** 2)
        mean = (pooled.groupby(["alloy", "repeat"])["sum"].transform("sum")) / groups["n"].transform("sum")
        pooled["squares"] = pooled["within"] + pooled["n"] * (pooled["label"] - mean) ** 2
        squares = pooled.groupby(["alloy", "repeat"])["squares"].sum()
        found["sd"] = np.sqrt(squares / (found["n"] - 1).where(found["n"] > 1))
    return found
