"""Values over the runs of an experiment, as paired tests count them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from alloymtl.errors import UserError
from alloymtl.run import Level, run_folder

PARTITION = "test"

Values = Mapping[tuple[str, str, int, int, str, str], float]
"""Value on the test rows by (method, level, split seed, seed, task, metric)."""
Arm = tuple[str, Level]
"""A method at a level."""

Replicates = list[tuple[int, int]]
"""(split seed, seed) of runs."""


def values_on_test(metrics: pd.DataFrame, source: Path) -> Values:
    """Values of the test partition by run, task and metric.

    Args:
        metrics: the tidy table that step ``collect`` writes.
        source: its file, for messages.

    Raises:
        UserError: a value stands there twice or is not finite.
    """
    table = metrics[metrics["partition"] == PARTITION]
    key = ["method", "level", "split_seed", "seed", "task", "metric"]
    mend = "build the metrics table again; it comes from the run records."
    wrong = table[table.duplicated(key) | ~np.isfinite(table["value"])]
    if len(wrong):
        row = "/".join(str(wrong.iloc[0][name]) for name in key)
        raise UserError(str(source), f"{row} stands there twice or is not finite.", mend)
    return dict(zip(table[key].itertuples(index=False, name=None), table["value"], strict=True))


def of_runs(
    values: Values, method: str, level: Level, task: str, metric: str, replicates: Replicates
) -> NDArray[np.float64]:
    """One method's values in the order of the replicates, so that those of two methods pair by position.

    Raises:
        UserError: the metrics table lacks one of the runs.
    """
    found = []
    for split_seed, seed in replicates:
        key = (method, str(level), split_seed, seed, task, metric)
        if key not in values:
            run = run_folder(method, level, split_seed, seed)
            what = f"the metrics table lacks {metric} of {task}, so that the run has no partner."
            raise UserError(run, what, "build the target `runs`, then the metrics table again.")
        found.append(values[key])
    return np.array(found)


def units(values: ArrayLike, replicates: Replicates) -> NDArray[np.float64]:
    """Independent values: of one split its runs as they are, of several the mean of each split.

    Runs of one split share their test alloys: counting each as a value of its own would call noise a difference.

    Args:
        values: one for each run, shape (runs,).
        replicates: their split seeds and seeds, in the same order.

    Returns:
        Shape (seeds,) for one split, else (splits,) in the order in which the splits first appear.
    """
    array = np.asarray(values, dtype=float)
    splits = list(dict.fromkeys(split for split, _ in replicates))
    if len(splits) == 1:
        return array
    return np.array([array[[split == s for split, _ in replicates]].mean() for s in splits])
