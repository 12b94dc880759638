"""The partition of alloys into training, validation and test, and the order in which levels keep them."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from alloymtl.data import overlap
from alloymtl.data.clusters import composition_clusters, fractions_of
from alloymtl.data.repeats import distinct
from alloymtl.errors import UserError
from alloymtl.files import read_parquet, write_parquet
from alloymtl.run import PARTITIONS

KINDS = ("stratified", "grouped", "clustered")
log = logging.getLogger("alloymtl")


def counts(n: int, validation: float, test: float) -> tuple[int, int, int]:
    """Sizes of training, validation and test for ``n`` labels.

    The test share is cut first and rounded up, then the validation share from what is left, rounded up likewise: the
    arithmetic that gives all counts of arXiv:2512.22740, Table 1. Fractions keep 0.15 / 0.85 * 680 at exactly 120.
    """
    test_share, validation_share = Fraction(str(test)), Fraction(str(validation))
    n_test = math.ceil(test_share * n)
    n_validation = math.ceil(validation_share / (1 - test_share) * (n - n_test))
    return n - n_test - n_validation, n_validation, n_test


def _strata(labels: np.ndarray, kind: str, bins: int, smallest: int) -> np.ndarray | None:
    """Class, or quantile bin of the label; None where there are too few rows to put each stratum in each partition."""
    if kind == "classification":
        groups = labels.astype(int)
    else:
        bins = min(bins, smallest, len(labels) // 4)
        groups = pd.Series(labels).rank(method="first").to_numpy()
        groups = ((groups - 1) * max(bins, 1) // len(labels)).astype(int)
    _, sizes = np.unique(groups, return_counts=True)
    return groups if len(sizes) > 1 and sizes.min() >= 2 and len(sizes) <= smallest else None


def stratified(labels: pd.DataFrame, kinds: Mapping[str, str], settings: Mapping[str, Any], seed: int) -> np.ndarray:
    """Partition of each alloy, stratified by label within each task.

    Scarce tasks choose first; an alloy that a scarcer task has placed stays there for every other task, so that no
    alloy is trained on for one task and tested on for another. Without shared alloys each task's counts are exact.

    Args:
        labels: (alloys x tasks), NaN where there is no label.
        kinds: task to ``regression`` or ``classification``.
        settings: ``validation`` and ``test`` shares, ``strata``.
        seed: split seed.

    Returns:
        Index into ``PARTITIONS`` for each alloy, -1 for an alloy without any label.
    """
    placed = np.full(len(labels), -1)
    for task in sorted(labels.columns, key=lambda t: (labels[t].notna().sum(), t)):
        has_label = labels[task].notna().to_numpy()
        already = placed[has_label]
        wanted = np.array(counts(int(has_label.sum()), settings["validation"], settings["test"]))
        missing = np.maximum(wanted - np.array([(already == p).sum() for p in range(len(PARTITIONS))]), 0)
        free = np.flatnonzero(has_label & (placed < 0))
        n_validation, n_test = _fit(missing, len(free))
        entropy = np.random.SeedSequence([seed, *task.encode()]).generate_state(2)
        y = labels[task].to_numpy()
        rest, test_rows = _draw(free, y, kinds[task], n_test, settings["strata"], int(entropy[0]))
        rest, validation_rows = _draw(rest, y, kinds[task], n_validation, settings["strata"], int(entropy[1]))
        placed[rest], placed[validation_rows], placed[test_rows] = 0, 1, 2
    return placed


def _fit(missing: np.ndarray, free: int) -> tuple[int, int]:
    """How many free alloys go to validation and test: what is missing there, shared out where there are too few."""
    _, validation, test = (int(m) for m in missing)
    if validation + test > free:
        validation = free * validation // (validation + test)
        test = free - validation
    return validation, test


def _draw(rows: np.ndarray, y: np.ndarray, kind: str, n: int, bins: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Take ``n`` of the rows at random, stratified where that is possible; returns (left, taken)."""
    if n == 0:
        return rows, rows[:0]
    if n == len(rows):
        return rows[:0], rows
    strata = _strata(y[rows], kind, bins, min(n, len(rows) - n))
    left, taken = train_test_split(rows, test_size=n, stratify=strata, random_state=seed)
    return left, taken


def grouped(
    labels: pd.DataFrame, groups: Sequence[str] | np.ndarray, settings: Mapping[str, Any], seed: int
) -> np.ndarray:
    """Partition of each alloy with all alloys of a group in one partition.

    Groups come in random order; each goes where it brings the tasks' counts nearest to their shares (least sum of
    squared relative deviations over tasks and partitions).

    Args and returns: as for ``stratified``; ``groups`` names each alloy's chemical system or cluster.
    """
    codes, names = pd.factorize(np.asarray(groups), sort=True)
    has_label = labels.notna().to_numpy()
    per_group = np.zeros((len(names), labels.shape[1]))
    np.add.at(per_group, codes, has_label)
    totals = per_group.sum(0)
    shares = np.array([1 - settings["validation"] - settings["test"], settings["validation"], settings["test"]])
    target = shares[:, None] * totals
    filled = np.zeros_like(target)
    home = np.full(len(names), -1)
    for group in np.random.default_rng([seed, 1]).permutation(len(names)):
        size = per_group[group]
        change = (((filled + size - target) / totals) ** 2 - ((filled - target) / totals) ** 2).sum(1)
        home[group] = int(np.argmin(change))
        filled[home[group]] += size
    return np.where(has_label.any(1), home[codes], -1)


def nested_order(partition: np.ndarray, seed: int, task: str) -> np.ndarray:
    """Rank of each alloy of one task, such that keeping the first n is a level.

    Within a partition the order is random; partitions are interleaved by relative position, so that the first n hold
    each partition in proportion (to one alloy) for every n, and a smaller level is a subset of a larger one.
    """
    rng = np.random.default_rng([seed, 2, *task.encode()])
    position = np.empty(len(partition))
    for p in range(len(PARTITIONS)):
        rows = np.flatnonzero(partition == p)
        position[rows] = (rng.permutation(len(rows)) + 0.5) / max(len(rows), 1)
    order = np.empty(len(partition), dtype=np.int64)
    order[np.lexsort((partition, position))] = np.arange(len(partition))
    return order


def groups(features: pd.DataFrame, settings: Mapping[str, Any]) -> Sequence[str] | np.ndarray | None:
    """Which alloys a kind of split keeps together: the group of each, the same for all split seeds; None if free.

    Args:
        features: one row for each alloy; a clustered split needs the atomic fractions (``x:<element>``) too.
        settings: the config's ``split`` section.

    Raises:
        UserError: see ``composition_clusters``.
    """
    if settings["kind"] == "grouped":
        return features["system"].tolist()
    if settings["kind"] == "clustered":
        return composition_clusters(fractions_of(features), settings["clusters"])
    return None


def place(
    alloys: pd.DataFrame,
    together: Sequence[str] | np.ndarray | None,
    kinds: Mapping[str, str],
    settings: Mapping[str, Any],
    seed: int,
) -> np.ndarray:
    """Partition of each alloy, as an index into ``PARTITIONS``; -1 for an alloy without any label.

    Args:
        alloys: features, one row for each alloy.
        together: see ``groups``.
        kinds: task to ``regression`` or ``classification``.
        settings: the config's ``split`` section.
        seed: split seed.

    Raises:
        UserError: a partition would hold no alloy of some task, or labels that are all the same: no metric would be
            defined on it.
    """
    labels = alloys[[f"y:{t}" for t in kinds]].set_axis(list(kinds), axis=1)
    if together is None:
        placed = stratified(labels, kinds, settings, seed)
    else:
        placed = grouped(labels, together, settings, seed)
    for task in kinds:
        y = labels[task].to_numpy()
        for p, name in enumerate(PARTITIONS):
            held = np.unique(y[(placed == p) & ~np.isnan(y)])
            if len(held) < 2:
                what = f"no alloy for {name}." if not len(held) else f"all labels of {name} are {held[0]:g}."
                finer = "a larger split.clusters, " if settings["kind"] == "clustered" else ""
                mend = f"choose another split seed, {finer}split.kind stratified, or bring more alloys."
                raise UserError(f"split seed {seed}, task {task}", what, mend)
    return placed


def split(features: pd.DataFrame, kinds: Mapping[str, str], settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """The split table: alloy, task, partition, order; one line per label.

    All rows of an alloy of which every measurement was kept (see ``data.repeats``) go where the alloy goes.

    Raises:
        UserError: see ``groups`` and ``place``.
    """
    alloys, of_row = distinct(features, [f"y:{t}" for t in kinds])
    placed = place(alloys, groups(alloys, settings), kinds, settings, seed)[of_row]
    parts = []
    for task in kinds:
        rows = np.flatnonzero(features[f"y:{task}"].notna())
        parts.append(
            pd.DataFrame(
                {
                    "alloy": features["alloy"].to_numpy()[rows],
                    "task": task,
                    "partition": np.array(PARTITIONS)[placed[rows]],
                    "order": nested_order(placed[rows], seed, task),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def step(spec: Mapping[str, Any], inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> None:
    """Split the alloys of one study for one split seed.

    Raises:
        UserError: see ``split``.
    """
    kinds = {t["name"]: t["kind"] for t in spec["tasks"]}
    columns = ["alloy", "system", *(f"y:{t}" for t in kinds)]
    features = read_parquet(inputs["features"], None if spec["split"]["kind"] == "clustered" else columns)
    table = split(features, kinds, spec["split"], spec["seed"])
    if spec["split"]["labels"]["kind"] != overlap.ALL:
        systems = features.set_index("alloy")["system"]
        table = overlap.with_levels(table, systems, spec["split"]["labels"], spec["seed"])
    write_parquet(outputs["split"], table)
