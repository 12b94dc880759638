"""The union data set: all measurements of all tasks, one row for each alloy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.data.composition import alloy_ids, identities, systems
from alloymtl.data.screening import Reason, Screening
from alloymtl.task import Task

CONFLICT = Reason("conflicting classes", "keep the rows of one class for this alloy.")


@dataclass(frozen=True)
class Reading:
    """What was read from one source: of every row the atomic fractions, the label and its text; and what failed.

    ``fractions`` (rows, elements), ``labels`` (rows,) and ``text`` (rows,) count only where ``screening.good``.
    """

    task: Task
    column: str
    path: str
    fractions: np.ndarray
    labels: np.ndarray
    text: pd.Series
    screening: Screening


def measurements(readings: Sequence[Reading], decimals: int) -> tuple[pd.DataFrame, np.ndarray]:
    """The good rows of all sources, and the identities of the alloys in them.

    Classes of one alloy that disagree are rejected here, all of them: nothing tells which is right.

    Returns:
        A table of source, row, task, alloy, label (``alloy`` is a row of the identities), and identities (alloys,
        elements), in order of appearance.
    """
    keys = np.vstack([identities(r.fractions[r.screening.good], decimals) for r in readings])
    # Rows of one width are equal where their bytes are, and bytes are quick to tell apart.
    codes, _ = pd.factorize(
        np.ascontiguousarray(keys, dtype=">i4").view(f"S{4 * keys.shape[1]}").ravel().astype(object)
    )
    first = np.unique(codes, return_index=True)[1]
    parts = [
        pd.DataFrame(
            {
                "source": number,
                "row": np.flatnonzero(r.screening.good),
                "task": r.task.name,
                "label": r.labels[r.screening.good],
            }
        )
        for number, r in enumerate(readings)
    ]
    table = pd.concat(parts, ignore_index=True).assign(alloy=codes)
    return _without_conflicts(table, readings), keys[first]


def _without_conflicts(table: pd.DataFrame, readings: Sequence[Reading]) -> pd.DataFrame:
    keep = np.ones(len(table), dtype=bool)
    for task in {r.task.name: r.task for r in readings if not r.task.is_regression}.values():
        rows = table[table["task"] == task.name]
        classes = rows.groupby("alloy")["label"].transform("nunique")
        keep[rows.index[classes > 1]] = False
    for number, reading in enumerate(readings):
        mask = np.zeros(len(reading.labels), dtype=bool)
        mask[table.loc[~keep & (table["source"] == number).to_numpy(), "row"]] = True
        reading.screening.reject(mask, CONFLICT, reading.column, reading.text)
    return table[keep].reset_index(drop=True)


def unite(
    table: pd.DataFrame, identity: np.ndarray, tasks: Sequence[Task], data: Mapping[str, Any]
) -> tuple[pd.DataFrame, pd.Series]:
    """The union data set, and which measurements were merged into an earlier one.

    A merged alloy has the composition that its id says, not that of its first row: so the data set does not depend on
    the order of files and rows. For the same reason repeats are sorted before they are summed.

    Args:
        table: the measurements.
        identity: identities (alloys, elements) that its ``alloy`` points to.
        tasks: all tasks of the study.
        data: the config's ``data`` section.

    Returns:
        The alloys (columns alloy, system, c:<element>, and per task y, n, sd), sorted by id; and a mask over the
        measurements, true for further ones of the same alloy and task.
    """
    merged = table.duplicated(["task", "alloy"])
    used = np.unique(table["alloy"])
    identity = identity[used]
    elements, decimals = data["elements"], data["decimals"]
    columns: dict[str, Any] = {
        "alloy": np.array(alloy_ids(identity, elements, decimals), dtype=object),
        "system": np.array(systems(identity, elements), dtype=object),
    }
    fractions = identity / identity.sum(axis=1, keepdims=True)
    columns |= {f"c:{element}": fractions[:, number] for number, element in enumerate(elements)}
    for task in tasks:
        labels = _aggregate(table[table["task"] == task.name], data["repeats"]).reindex(used)
        columns[f"y:{task.name}"] = labels["y"].to_numpy(dtype=float)
        columns[f"n:{task.name}"] = labels["n"].fillna(0).to_numpy(dtype=np.int64)
        columns[f"sd:{task.name}"] = labels["sd"].to_numpy(dtype=float)
    return pd.DataFrame(columns).sort_values("alloy", ignore_index=True), merged


def _aggregate(table: pd.DataFrame, how: str) -> pd.DataFrame:
    """Label, number of measurements and their standard deviation (n - 1) of each alloy of one task."""
    groups = table.sort_values(["alloy", "label"]).groupby("alloy")["label"]
    return pd.DataFrame({"y": groups.agg(how), "n": groups.count(), "sd": groups.std(ddof=1)})
