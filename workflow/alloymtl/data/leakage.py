"""Step ``leakage``: how near to a training alloy the alloys lie that models are judged on, under each kind of split.

A model is asked little by an alloy whose near-duplicate it has been trained on. So a study says how many there are
under its own kind of split, and what the other kinds would give.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from alloymtl import files
from alloymtl.data.clusters import fractions_of
from alloymtl.data.repeats import alloy_of, distinct
from alloymtl.data.split import KINDS, groups, place
from alloymtl.errors import UserError
from alloymtl.run import PARTITIONS

THRESHOLDS = (0.1, 0.5, 1.0, 2.0)
"""Distances in at.% within which alloys are counted."""
NEAR_DUPLICATE = 1.0
"""Distance in at.% within which two alloys are near-duplicates."""
ANY_TASK, SAME_TASK = "any task", "same task"
# No composition is known to more decimals of an at.%: what the arithmetic adds must not move an alloy over a threshold.
DECIMALS = 6
REACH = max(THRESHOLDS) + 0.01
"""Distance in at.% up to which every alloy's is computed: beyond it a search among dense compositions takes long."""
PAIRS, SAMPLE = 400_000_000, 2_000
"""A median beyond ``REACH`` is exact for so many pairs of alloys, else of a sample that makes as many, but not fewer
than ``SAMPLE`` alloys."""
log = logging.getLogger("alloymtl")


def column(measure: str, threshold: float) -> str:
    """Name of a column: ``within`` (number of alloys) or ``share``, and the threshold in at.%."""
    return f"{measure}_{threshold:g}"


COLUMNS = [
    *("split", "used", "split_seed", "possible", "reason"),
    *("task", "partition", "training", "alloys", "training_alloys"),
    *(column(measure, threshold) for measure in ("within", "share") for threshold in THRESHOLDS),
    *("median", "median_of", "system_share"),
]


class Neighbours:
    """Distances of alloys to the nearest of some training alloys, in at.%: the largest difference of any fraction.

    Each distance is computed once, however often it is asked for, and by one thread.

    Args:
        fractions: atomic fractions (alloys, elements).
        known: mask (alloys,) of the training alloys, at least one.
    """

    def __init__(self, fractions: np.ndarray, known: np.ndarray) -> None:
        self._fractions = fractions
        self._tree = cKDTree(fractions[known])
        self._near, self._exact = np.full((2, len(fractions)), np.nan)

    def near(self, asked: np.ndarray) -> np.ndarray:
        """Distances of some alloys, by index; infinite beyond ``REACH``."""
        return self._of(asked, self._near, REACH / 100)

    def exact(self, asked: np.ndarray) -> np.ndarray:
        """Distances of some alloys, by index, however large."""
        return self._of(asked, self._exact, np.inf)

    def median(self, asked: np.ndarray) -> tuple[float, int]:
        """Median distance of some alloys, by index, and of how many it is.

        That is all of them, but where it lies beyond ``REACH`` and there are more than ``PAIRS`` pairs: then it is an
        estimate from some of them, taken at equal steps from their list.
        """
        near = self.near(asked)
        if np.isfinite(np.sort(near)[len(near) // 2]):
            return float(np.median(near)), len(near)
        count = max(SAMPLE, PAIRS // self._tree.n)
        if len(asked) > count:
            asked = asked[np.arange(count) * len(asked) // count]
        return float(np.median(self.exact(asked))), len(asked)

    def _of(self, asked: np.ndarray, distances: np.ndarray, bound: float) -> np.ndarray:
        fresh = asked[np.isnan(distances[asked])]
        found, _ = self._tree.query(self._fractions[fresh], p=np.inf, distance_upper_bound=bound)
        distances[fresh] = np.round(100 * found, DECIMALS)
        return distances[asked]


def leakage(alloys: pd.DataFrame, placed: np.ndarray, tasks: Sequence[str]) -> list[dict[str, Any]]:
    """Nearness to training alloys of each task's validation and test alloys, under one partition.

    Args:
        alloys: features, one row for each alloy.
        placed: partition of each, an index into ``PARTITIONS``; -1 for none.
        tasks: names of the tasks.

    Returns:
        A row for each task, partition and set of training alloys: those of any task, all of which a network that
        tasks share has seen, and those of the same task.
    """
    fractions = fractions_of(alloys)
    systems = alloys["system"].to_numpy()
    rows = []
    trained = placed == 0
    of_any = Neighbours(fractions, trained)
    for task in tasks:
        of_task = alloys[f"y:{task}"].notna().to_numpy()
        own = trained & of_task
        of_own = of_any if (own == trained).all() else Neighbours(fractions, own)
        for partition in PARTITIONS[1:]:
            asked = np.flatnonzero(of_task & (placed == PARTITIONS.index(partition)))
            for training, known, neighbours in ((ANY_TASK, trained, of_any), (SAME_TASK, own, of_own)):
                distance = neighbours.near(asked)
                median, median_of = neighbours.median(asked)
                within = {threshold: int((distance <= threshold).sum()) for threshold in THRESHOLDS}
                rows.append(
                    {
                        "task": task,
                        "partition": partition,
                        "training": training,
                        "alloys": len(distance),
                        "training_alloys": int(known.sum()),
                        **{column("within", threshold): count for threshold, count in within.items()},
                        **{column("share", threshold): count / len(distance) for threshold, count in within.items()},
                        "median": median,
                        "median_of": median_of,
                        "system_share": float(np.isin(systems[asked], np.unique(systems[known])).mean()),
                    }
                )
    return rows


def _as_placed(alloys: pd.DataFrame, split: pd.DataFrame) -> np.ndarray:
    """Partition of each alloy in a split table, as ``place`` gives it."""
    of_alloy = split.assign(alloy=alloy_of(split["alloy"])).drop_duplicates("alloy").set_index("alloy")["partition"]
    index = {name: number for number, name in enumerate(PARTITIONS)}
    return alloys["alloy"].map(of_alloy.map(index)).fillna(-1).to_numpy(dtype=int)


def _partitions(
    alloys: pd.DataFrame, kinds: Mapping[str, str], settings: Mapping[str, Any], splits: Mapping[int, pd.DataFrame]
) -> Iterator[tuple[str, int, np.ndarray | UserError]]:
    """Kind of split, split seed, and the partition; or why there is none."""
    for kind in KINDS:
        if kind == settings["kind"]:
            yield from ((kind, seed, _as_placed(alloys, split)) for seed, split in splits.items())
            continue
        other = {**settings, "kind": kind}
        try:
            together = groups(alloys, other)
        except UserError as reason:
            yield from ((kind, seed, reason) for seed in splits)
            continue
        for seed in splits:
            try:
                yield kind, seed, place(alloys, together, kinds, other, seed)
            except UserError as reason:
                yield kind, seed, reason


def compare(
    features: pd.DataFrame,
    kinds: Mapping[str, str],
    settings: Mapping[str, Any],
    splits: Mapping[int, pd.DataFrame],
) -> pd.DataFrame:
    """Nearness to training alloys under the study's partitions and under those that the other kinds of split give.

    Args:
        features: of the study.
        kinds: task to ``regression`` or ``classification``.
        settings: the config's ``split`` section.
        splits: the study's own split tables by split seed.

    Returns:
        Columns ``COLUMNS``. ``used`` marks the study's own kind. A kind that is not ``possible`` has one row for each
        split seed, with the reason.
    """
    alloys, _ = distinct(features, [f"y:{task}" for task in kinds])
    rows: list[dict[str, Any]] = []
    for kind, seed, found in _partitions(alloys, kinds, settings, splits):
        about = {"split": kind, "used": kind == settings["kind"], "split_seed": seed}
        if isinstance(found, UserError):
            rows.append({**about, "possible": False, "reason": f"{found.where}: {found.what}"})
        else:
            rows += [{**about, "possible": True, **row} for row in leakage(alloys, found, list(kinds))]
    counts = [c for c in COLUMNS if c.startswith("within") or c.endswith(("alloys", "_of"))]
    return pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(counts, "Int64"))


def step(spec: Mapping[str, Any], inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> None:
    """Run the step; ``spec`` holds the tasks, the config's ``split`` section and the split seeds.

    The inputs are ``features`` and, for each split seed, the split table ``split.<seed>``.
    """
    kinds = {task["name"]: task["kind"] for task in spec["tasks"]}
    features = files.read_parquet(inputs["features"])
    splits = {seed: files.read_parquet(inputs[f"split.{seed}"], ["alloy", "partition"]) for seed in spec["seeds"]}
    table = compare(features, kinds, spec["split"], splits)
    files.write_csv(outputs["leakage"], table)
    for row in table[table["used"] & (table["partition"] == "test") & (table["training"] == ANY_TASK)].itertuples():
        count = getattr(row, column("within", NEAR_DUPLICATE))
        text = "split seed %d, task %s: %d of %d test alloys lie within %g at.%% of a training alloy"
        log.debug(text, row.split_seed, row.task, count, row.alloys, NEAR_DUPLICATE)
