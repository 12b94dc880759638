"""Training labels in common: which labels a level keeps, so that tasks share as many alloys as a study asks for.

Alloys that carry the labels of all tasks lose some of them (arXiv:2604.07848 asks at which overlap the tasks' gradients
begin to tell how tasks are related). There are three ways; validation and test keep all their labels.

- ``kept``: each label stays with one probability, as the paper's released code has it; a level is that probability in
  per cent. Sample sizes fall with it, and the Jaccard index of two tasks is p / (2 - p), not p.
- ``exact``: every task keeps the same number n of labels, and a level is how many alloys m carry all of them: any two
  tasks have a Jaccard index of m / (2 n - m). Common alloys and those of a task of its own are drawn alike, so that
  tasks differ in their samples and not in the distribution behind them.
- ``apart``: the same, but a task's own alloys come from chemical systems that no other task's own alloys come from.

Levels are nested: with more alloys in common, those that were common stay so, and each task gives up own alloys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.errors import UserError

ALL, KEPT, EXACT, APART = "all", "kept", "exact", "apart"
TRAIN = "train"
ALWAYS, NEVER = 0, 10**9
"""The lowest level there is, and one that none reaches."""


def jaccard(labelled: np.ndarray) -> np.ndarray:
    """Jaccard index of each two tasks (tasks x tasks): alloys that carry both labels over those that carry either.

    NaN where neither task has a label.

    Args:
        labelled: where an alloy carries a label (alloys x tasks), bool.
    """
    counts = labelled.astype(np.int64)
    both = counts.T @ counts
    either = np.diag(both)[:, None] + np.diag(both)[None, :] - both
    return np.where(either > 0, both / np.maximum(either, 1), np.nan)


def with_levels(table: pd.DataFrame, systems: pd.Series, settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """A split table with two more columns: a label is there at every level from ``first`` up to, not with, ``end``.

    Lines of labels that are there at no level are left out.

    Args:
        table: of ``data.split``: alloy, task, partition, order.
        systems: chemical system of each alloy, by alloy.
        settings: ``split.labels`` of the config: ``kind`` and ``rows``.
        seed: split seed.

    Raises:
        UserError: there are not enough alloys that carry all labels; says how many there are and how many it takes.
    """
    tasks = list(dict.fromkeys(table["task"]))
    training = table[table["partition"] == TRAIN]
    labelled = pd.crosstab(training["alloy"], training["task"]).reindex(columns=tasks).astype(bool).sort_index()
    rng = np.random.default_rng([seed, 3])
    if settings["kind"] == KEPT:
        first, end = kept(labelled.to_numpy(), rng)
    else:
        of_alloy = systems.loc[labelled.index].to_numpy() if settings["kind"] == APART else None
        first, end = exact(labelled.to_numpy(), settings["rows"], of_alloy, rng)
    spans = pd.DataFrame(
        {
            "alloy": np.repeat(labelled.index, len(tasks)),
            "task": np.tile(tasks, len(labelled)),
            "partition": TRAIN,
            "first": first.ravel(),
            "end": end.ravel(),
        }
    )
    joined = table.merge(spans, how="left", on=["alloy", "task", "partition"], validate="one_to_one")
    joined = joined.fillna({"first": ALWAYS, "end": NEVER}).astype({"first": np.int64, "end": np.int64})
    return joined[joined["first"] < joined["end"]].reset_index(drop=True)


def kept(labelled: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """From which level, in per cent, each label stays (alloys x tasks), and where that ends.

    Args:
        labelled: where an alloy carries a label (alloys x tasks).
        rng: draws the labels.
    """
    drawn = np.floor(100 * rng.random(labelled.shape)).astype(np.int64)
    return np.where(labelled, drawn + 1, NEVER), np.full(labelled.shape, NEVER)


def exact(
    labelled: np.ndarray, rows: int, systems: Sequence[str] | np.ndarray | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Between which levels each label is there (alloys x tasks): ``rows`` of each task at any level from 0 to ``rows``.

    Args:
        labelled: where an alloy carries a label (alloys x tasks); only alloys with all of them are used.
        rows: labels of each task.
        systems: chemical system of each alloy where tasks are to have systems of their own; None: any.
        rng: draws the alloys.

    Raises:
        UserError: there are not enough alloys.
    """
    n_tasks = labelled.shape[1]
    free = rng.permutation(np.flatnonzero(labelled.all(axis=1)))
    _check((n_tasks + 1) * rows, len(free), "split.labels.rows")
    first, end = np.full(labelled.shape, NEVER), np.full(labelled.shape, NEVER)
    rank = np.arange(rows)
    first[free[:rows]] = rank[:, None] + 1
    for task, home in enumerate(_homes(free[rows:], n_tasks, systems, rng)):
        _check(rows, len(home), "split.labels.rows, in chemical systems of one task")
        first[home[:rows], task] = ALWAYS
        end[home[:rows], task] = rows - rank
    return first, end


def _homes(
    rest: np.ndarray, n_tasks: int, systems: Sequence[str] | np.ndarray | None, rng: np.random.Generator
) -> list[np.ndarray]:
    """Alloys that each task may take its own from; no alloy twice, and no system twice where systems are given."""
    if systems is None:
        return np.array_split(rest, n_tasks)
    of_row = np.asarray(systems)[rest]
    names, sizes = np.unique(of_row, return_counts=True)
    filled, home = np.zeros(n_tasks, dtype=np.int64), {}
    # The largest systems first, each to the task that has least, so that all tasks have about as much to take from.
    for place in sorted(rng.permutation(len(names)), key=lambda i: -sizes[i]):
        task = int(np.argmin(filled))
        home[names[place]] = task
        filled[task] += sizes[place]
    tasks = np.array([home[name] for name in of_row], dtype=np.int64)
    return [rest[tasks == task] for task in range(n_tasks)]


def _check(needed: int, there: int, where: str) -> None:
    if needed > there:
        what = f"it takes {needed} training alloys that carry the labels of all tasks, and there are {there}."
        raise UserError(where, what, "lower split.labels.rows, or bring more such alloys.")
