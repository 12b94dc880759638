"""Gradient affinity of two tasks in a run: the cosine of their gradients on the shared parameters, seen in three ways.

arXiv:2604.07848 averages over the last fifth of training, when gradients say what the tasks still disagree about; its
released code averages over all of it. Both are told. Early stopping ends a run when it ends, so that the last fifth is
of the epochs that were trained.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.evaluation.conflict import MEASURES

WINDOWS = {"all": 0.0, "last fifth": 0.8}
"""Parts of training, each by the share of the epochs that lie before it."""


def cosines(gradients: pd.DataFrame, tasks: list[str]) -> Iterator[dict[str, Any]]:
    """One line for each run, pair of tasks, estimator and window that has a value.

    split_seed, seed, first, second, estimator (see ``conflict.MEASURES``), window, value.

    Args:
        gradients: of one method at one level: split_seed, seed, epoch, first, second, measure, value, n.
        tasks: names, in the order in which pairs are formed.
    """
    for window, before in WINDOWS.items():
        last = gradients.groupby(["split_seed", "seed"])["epoch"].transform("max")
        part = gradients[gradients["epoch"] > np.floor(before * last)]
        for first, second in combinations(tasks, 2):
            of_pair = part[part["first"].isin([first, second]) & part["second"].isin([first, second])]
            for estimator, of_runs in MEASURES.items():
                for (split_seed, seed), value in of_runs(of_pair, first, second).items():
                    if math.isfinite(value):
                        yield {
                            "split_seed": split_seed,
                            "seed": seed,
                            "first": first,
                            "second": second,
                            "estimator": estimator,
                            "window": window,
                            "value": float(value),
                        }


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
