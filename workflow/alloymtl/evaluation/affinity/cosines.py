"""Gradient affinity of two tasks in a run: the cosine of their gradients on the shared parameters, seen in three ways.

arXiv:2604.07848 averages over the last fifth of training, when gradients say what the tasks still disagree about; its
released code averages over all of it. Both are told. Early stopping ends a run when it ends, so that the last fifth is
of the epochs that were trained.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from alloymtl.evaluation.cosines import ESTIMATORS

WINDOWS = {"all": 0.0, "last fifth": 0.8}
"""Parts of training, each by the share of the epochs that lie before it."""
COLUMNS = ["first", "second", "estimator", "window", "value"]


def cosines(gradients: pd.DataFrame) -> pd.DataFrame:
    """One line for each pair of tasks, estimator (``cosines.ESTIMATORS``) and window that has a value: ``COLUMNS``.

    Args:
        gradients: of one run: epoch, first, second, measure, value, n.
    """
    lines = []
    for window, before in WINDOWS.items():
        part = gradients[gradients["epoch"] > np.floor(before * gradients["epoch"].max())].assign(run=0)
        for estimator, of_runs in ESTIMATORS.items():
            found = of_runs(part, ["run"]).rename("value").reset_index()
            lines.append(found[np.isfinite(found["value"])].assign(estimator=estimator, window=window)[COLUMNS])
    return pd.concat(lines, ignore_index=True)


def matrix(lines: pd.DataFrame, tasks: list[str], column: str = "value") -> np.ndarray:
    """Values of pairs as a symmetric matrix (tasks x tasks) with a diagonal of one; NaN where a pair has no line.

    Args:
        lines: first, second, value; each pair once.
        tasks: names of rows and columns.
        column: which column holds the value.
    """
    found = np.full((len(tasks), len(tasks)), np.nan)
    np.fill_diagonal(found, 1.0)
    for first, second, value in zip(lines["first"], lines["second"], lines[column], strict=True):
        i, j = tasks.index(first), tasks.index(second)
        found[i, j] = found[j, i] = value
    return found
