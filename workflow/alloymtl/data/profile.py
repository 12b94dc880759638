"""Step ``profile``: what the union data set holds. Counts, ranges, histograms, common labels and elements of tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alloymtl import files
from alloymtl.data.repeats import alloy_of, distinct

MOST_BINS = 40
ALL_TASKS = "all tasks"
CLASS_EDGES = np.array([-0.5, 0.5, 1.5])


def measured(rows: pd.DataFrame, task: str) -> pd.DataFrame:
    """Label, number of single readings (``n``) and their standard deviation (``sd``) of each alloy of one task.

    A measurement whose cell holds a list has several readings. The label of an alloy with several rows is their mean;
    its standard deviation (n - 1) is that of the readings of all of them.

    Args:
        rows: the union data set.
        task: name of the task.

    Returns:
        The alloys with a label, indexed by alloy in order of appearance.
    """
    own = rows[rows[f"y:{task}"].notna()]
    y, n, sd = (own[f"{kind}:{task}"] for kind in ("y", "n", "sd"))
    alloy = alloy_of(own["alloy"])
    total = n.groupby(alloy, sort=False).sum()
    mean = (n * y).groupby(alloy, sort=False).sum() / total
    squares = ((n - 1) * sd.fillna(0) ** 2 + n * (y - alloy.map(mean)) ** 2).groupby(alloy, sort=False).sum()
    rows_of = y.groupby(alloy, sort=False)
    pooled = np.sqrt(squares / (total - 1).where(total > 1))
    spread = pooled.where(rows_of.size() > 1, sd.groupby(alloy, sort=False).first())
    return pd.DataFrame({"y": rows_of.mean(), "n": total, "sd": spread})


def summary(alloys: pd.DataFrame, rows: pd.DataFrame, task: Mapping[str, str]) -> dict[str, Any]:
    """Counts and range of one task's labels.

    ``repeated`` counts alloys with more than one single reading, in one row of the raw tables or in several. ``spread``
    is the median, over these, of the standard deviation (n - 1) of an alloy's readings relative to the absolute value
    of its label; an alloy whose label is zero has none.

    Args:
        alloys: one row for each alloy.
        rows: the union data set, of which an alloy may have several rows.
        task: ``name``, ``kind`` and ``unit``.
    """
    name = task["name"]
    labelled = measured(rows, name)
    y = labelled["y"].to_numpy()
    again = labelled[labelled["n"] > 1]
    counts = {
        "task": name,
        "kind": task["kind"],
        "unit": task["unit"],
        "alloys": len(labelled),
        "readings": int(labelled["n"].sum()),
        "systems": alloys.loc[alloys[f"y:{name}"].notna(), "system"].nunique(),
        "repeated": len(again),
    }
    if task["kind"] == "classification":
        return counts | {f"class_{c}": int((y == c).sum()) for c in (0, 1)}
    of_range = zip(("minimum", "q1", "median", "q3", "maximum"), np.percentile(y, [0, 25, 50, 75, 100]), strict=True)
    relative = (again["sd"] / again["y"].abs())[again["y"] != 0]
    return counts | dict(of_range) | {"mean": y.mean(), "sd": y.std(ddof=1), "spread": relative.median()}


def bin_edges(values: np.ndarray) -> np.ndarray:
    """Edges of a histogram's bins: of equal width, by the rule of Freedman and Diaconis, at most ``MOST_BINS``.

    The rule (Z. Wahrscheinlichkeitstheorie verw. Gebiete 57, 453, 1981) has bins of twice the interquartile range over
    the cube root of the number of values; where that range is zero there are ``MOST_BINS``.
    """
    low, high = values.min(), values.max()
    if low == high:
        half = abs(low) / 2 or 0.5
        return np.array([low - half, high + half])
    q1, q3 = np.percentile(values, [25, 75])
    width = 2 * (q3 - q1) / len(values) ** (1 / 3)
    bins = math.ceil(min(MOST_BINS, (high - low) / width)) if width > 0 else MOST_BINS
    return np.linspace(low, high, bins + 1)


def histogram(values: np.ndarray, edges: np.ndarray, task: str) -> pd.DataFrame:
    """Alloys of one task in each bin (task, bin_low, bin_high, alloys); the last bin holds its upper edge too."""
    counts, _ = np.histogram(values, edges)
    return pd.DataFrame({"task": task, "bin_low": edges[:-1], "bin_high": edges[1:], "alloys": counts})


def overlap(alloys: pd.DataFrame, tasks: Sequence[str]) -> pd.DataFrame:
    """Common alloys of every two tasks, each with itself included: how many have both labels, how many either.

    ``jaccard`` is their ratio.
    """
    has = alloys[[f"y:{task}" for task in tasks]].notna().to_numpy(dtype=np.int64)
    both = has.T @ has
    size = np.diag(both)
    either = size[:, None] + size[None, :] - both
    first, second = np.indices(both.shape)
    names = np.array(tasks, dtype=object)
    pairs = {"task_a": names[first.ravel()], "task_b": names[second.ravel()]}
    return pd.DataFrame(pairs | {"both": both.ravel(), "either": either.ravel(), "jaccard": (both / either).ravel()})


def frequencies(alloys: pd.DataFrame, elements: Sequence[str], tasks: Sequence[str]) -> pd.DataFrame:
    """How many alloys hold each element, of each task and of ``ALL_TASKS`` together.

    Returns:
        task, element, alloys, share (of the task's alloys) and mean_fraction, the mean atomic fraction in the alloys
        that hold the element, NaN where none does.
    """
    fractions = alloys[[f"c:{element}" for element in elements]].to_numpy()
    labelled = alloys[[f"y:{task}" for task in tasks]].notna().to_numpy()
    parts = []
    for name, own in zip((*tasks, ALL_TASKS), (*labelled.T, labelled.any(axis=1)), strict=True):
        held = np.count_nonzero(fractions[own], axis=0)
        mean = np.divide(fractions[own].sum(axis=0), held, out=np.full(len(elements), np.nan), where=held > 0)
        columns = {"task": name, "element": list(elements), "alloys": held, "share": held / own.sum()}
        parts.append(pd.DataFrame(columns | {"mean_fraction": mean}))
    return pd.concat(parts, ignore_index=True)


SUMMARY = [
    *("task", "kind", "unit", "alloys", "readings", "systems"),
    *("minimum", "q1", "median", "q3", "maximum", "mean", "sd"),
    *("class_0", "class_1", "repeated", "spread"),
]


def profile(rows: pd.DataFrame, elements: Sequence[str], tasks: Sequence[Mapping[str, str]]) -> dict[str, pd.DataFrame]:
    """The tables of a profile, by name.

    Args:
        rows: the union data set (see ``union.unite``).
        elements: of the study.
        tasks: ``name``, ``kind`` and ``unit`` of each.
    """
    names = [task["name"] for task in tasks]
    alloys, _ = distinct(rows, [f"y:{name}" for name in names])
    histograms = []
    for task in tasks:
        y = alloys[f"y:{task['name']}"].dropna().to_numpy()
        edges = CLASS_EDGES if task["kind"] == "classification" else bin_edges(y)
        histograms.append(histogram(y, edges, task["name"]))
    summaries = pd.DataFrame([summary(alloys, rows, task) for task in tasks]).reindex(columns=SUMMARY)
    return {
        "tasks": summaries.astype({"class_0": "Int64", "class_1": "Int64"}),
        "histograms": pd.concat(histograms, ignore_index=True),
        "overlap": overlap(alloys, names),
        "elements": frequencies(alloys, elements, names),
    }


def step(spec: Mapping[str, Any], inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> None:
    """Run the step; ``spec`` holds the elements, and of each task its name, kind and unit."""
    tables = profile(files.read_parquet(inputs["alloys"]), spec["elements"], spec["tasks"])
    for name, table in tables.items():
        files.write_csv(outputs[name], table)
