"""Static weights, found by a grid search: what a user with time on their hands would do (Kurin et al. 2022).

The largest task has weight one, and each other task each of ``points`` weights, evenly spaced on a logarithmic scale
from ``lowest`` to ``highest``: seven times seven trainings for two smaller tasks. Equal weights are tried first,
whether the grid holds them or not. A run trains every candidate whole, from the same start on the same batches, and
keeps the one whose validation losses fall most below those of equal weights: the mean over tasks of the relative
change, the sign turned so that higher is better, as arXiv:2509.23915 has it for test scores. The test rows have no say.
Early stopping and the best epoch of a candidate are by the validation loss under its own weights. The run's record
counts the trainings, and its seconds are those of all of them.

Absent tasks: an absent one adds nothing to its step, and the others keep their weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from alloymtl.errors import UserError

OPTIONS = {"points": 7, "lowest": 0.1, "highest": 100.0}
EXTRAS = ("search",)

_MOST = 1000  # candidates of a run


def coefficients(sizes: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Equal weights: those that the search starts from.

    Args:
        sizes: labelled alloys of each task, all partitions, as the level keeps them.
        options: of the grid.
    """
    return np.ones(len(sizes))


def candidates(sizes: np.ndarray, options: Mapping[str, Any]) -> list[np.ndarray]:
    """Weights of the tasks' losses to be tried, each (tasks,); the first are equal.

    Args:
        sizes: labelled alloys of each task, all partitions, as the level keeps them.
        options: of the grid.

    Raises:
        UserError: a range that is none, or more candidates than anyone could want to train in one run.
    """
    n, points = len(sizes), options["points"]
    if n == 1:
        return [np.ones(1)]
    low, high = options["lowest"], options["highest"]
    if not 0 < low <= high or points < 1:
        what = f"no grid has {points} points from {low} to {high}."
        raise UserError("balancer grid_search", what, "set points to 1 or more and 0 < lowest <= highest.")
    if points ** (n - 1) > _MOST:
        what = f"{points} points for each of {n - 1} tasks are {points ** (n - 1)} trainings in one run."
        raise UserError("balancer grid_search", what, f"lower balancer_options.points; at most {_MOST} are trained.")
    largest = int(np.argmax(sizes))
    scale = np.geomspace(low, high, points)
    grid = [np.insert(weights, largest, 1.0) for weights in product(scale, repeat=n - 1)]
    return [np.ones(n), *(weights for weights in grid if not np.allclose(weights, 1.0))]


def change(losses: np.ndarray, equal: np.ndarray) -> float:
    """By how much validation losses (tasks,) fall below those of equal weights: mean relative change, in percent."""
    return float(100 * np.mean((equal - losses) / equal))
