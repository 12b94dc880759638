"""The rows of one run: standardised features, standardised targets, and which partition each row is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alloymtl.errors import UserError
from alloymtl.run import PARTITIONS, Level, Target


@dataclass(frozen=True)
class Standardisation:
    """How one task's label became a standardised target: ``(transform(y) - mean) / sd``; a class stays 0 or 1."""

    transform: str
    mean: float
    sd: float
    label_sd: float

    def standardise(self, y: np.ndarray) -> np.ndarray:
        """Labels in the study's unit to standardised targets."""
        return ((np.log10(y) if self.transform == "log10" else y) - self.mean) / self.sd

    def restore(self, z: np.ndarray) -> np.ndarray:
        """Standardised outputs back to the study's unit."""
        y = z.astype(np.float64) * self.sd + self.mean
        return 10.0**y if self.transform == "log10" else y


@dataclass(frozen=True)
class TrainingRows:
    """What an engine trains on.

    Attributes:
        x: standardised features (rows x features), float32.
        y: standardised targets (rows x tasks), float32, NaN where there is no label.
        regression: whether each task is a regression (tasks,).
    """

    x: np.ndarray
    y: np.ndarray
    regression: tuple[bool, ...]

    @property
    def labelled(self) -> np.ndarray:
        """Where there is a label (rows x tasks), bool."""
        return ~np.isnan(self.y)


@dataclass(frozen=True)
class Dataset:
    """Rows that carry at least one label at this level.

    Attributes:
        alloys: id of each row.
        x: standardised features (rows x features), float32.
        y: standardised targets (rows x tasks), float32, NaN where there is no label.
        labels: labels in the study's units (rows x tasks), float64.
        partition: index into PARTITIONS of each row.
        tasks: the tasks, in the order of the columns.
        scales: the standardisation of each task.
    """

    alloys: np.ndarray
    x: np.ndarray
    y: np.ndarray
    labels: np.ndarray
    partition: np.ndarray
    tasks: tuple[Target, ...]
    scales: tuple[Standardisation, ...]

    def rows(self, partition: str, columns: Sequence[int]) -> np.ndarray:
        """Rows of a partition with a label for one of the tasks in ``columns``."""
        labelled = ~np.isnan(self.y[:, list(columns)]).all(axis=1)
        return np.flatnonzero(labelled & (self.partition == PARTITIONS.index(partition)))

    def training_rows(self, columns: Sequence[int]) -> TrainingRows:
        """Training rows of the tasks in ``columns``."""
        rows = self.rows("train", columns)
        kinds = tuple(self.tasks[c].is_regression for c in columns)
        return TrainingRows(self.x[rows], self.y[np.ix_(rows, list(columns))], kinds)

    def sizes(self) -> np.ndarray:
        """Labelled rows of each task, all partitions."""
        return (~np.isnan(self.y)).sum(axis=0)


def majority(split: pd.DataFrame) -> str:
    """The task with the most labels; the first by name among equals."""
    sizes = split.groupby("task", sort=True).size()
    return str(sizes.idxmax())


def at_level(split: pd.DataFrame, level: Level) -> pd.DataFrame:
    """The split table with the labels of a level.

    Where labels are there from one level up to another (``data.overlap``), those whose levels these are; else all but
    so many labels of the majority task.

    Raises:
        UserError: the level asks for more labels than there are.
    """
    if level == "all":
        return split
    if "first" in split:
        return split[(split["first"] <= int(level)) & (int(level) < split["end"])]
    task = majority(split)
    of_task = split["task"] == task
    if int(level) > of_task.sum():
        where = f"level {level}"
        raise UserError(where, f"task {task!r} has only {of_task.sum()} labels.", "lower it in experiments.*.levels.")
    return split[~of_task | (split["order"] < int(level))]


def build(features: pd.DataFrame, split: pd.DataFrame, tasks: Sequence[Target], level: Level) -> Dataset:
    """Select a level's rows and standardise them by the training rows alone.

    Features are standardised over all training rows of the union data set, each target over its own training labels.

    Args:
        features: table of the features step.
        split: table of the split step, for one split seed.
        tasks: the tasks, in the order of the targets' columns.
        level: ``all``, or how many labels of the majority task are kept.
    """
    kept = at_level(split, level)
    row_of = pd.Series(np.arange(len(features)), index=features["alloy"])
    labels = np.full((len(features), len(tasks)), np.nan)
    partition = np.full(len(features), -1)
    for column, task in enumerate(tasks):
        part = kept[kept["task"] == task.name]
        rows = row_of.loc[part["alloy"]].to_numpy()
        labels[rows, column] = features[f"y:{task.name}"].to_numpy()[rows]
        if task.transform == "log10" and (labels[rows, column] <= 0).any():
            mend = "reject such labels, or set transform: none."
            raise UserError(f"tasks.{task.name}.transform", "log10 of a label that is not positive.", mend)
        partition[rows] = part["partition"].map(PARTITIONS.index).to_numpy()
    used = np.flatnonzero(partition >= 0)
    labels, partition = labels[used], partition[used]
    x = features[[c for c in features.columns if c.startswith("x:")]].to_numpy(np.float64)[used]
    train = partition == PARTITIONS.index("train")
    # A feature that training never saw vary says nothing. Its SD may be rounding noise, so its range decides.
    varies = np.ptp(x[train], axis=0) > 0
    x = np.where(varies, (x - x[train].mean(axis=0)) / np.where(varies, x[train].std(axis=0), 1.0), 0.0)
    scales = tuple(_standardisation(task, labels[train, column]) for column, task in enumerate(tasks))
    y = np.stack([t.standardise(labels[:, c]) for c, t in enumerate(scales)], axis=1)
    return Dataset(
        alloys=features["alloy"].to_numpy()[used],
        x=x.astype(np.float32),
        y=y.astype(np.float32),
        labels=labels,
        partition=partition,
        tasks=tuple(tasks),
        scales=scales,
    )


def _standardisation(task: Target, labels: np.ndarray) -> Standardisation:
    labels = labels[~np.isnan(labels)]
    if not task.is_regression:
        return Standardisation("none", 0.0, 1.0, 1.0)
    values = np.log10(labels) if task.transform == "log10" else labels
    sd = float(values.std())
    if not np.ptp(values) > 0:
        raise UserError(f"task {task.name}", "all training labels are equal.", "bring labels that differ.")
    return Standardisation(task.transform, float(values.mean()), sd, float(labels.std()))
