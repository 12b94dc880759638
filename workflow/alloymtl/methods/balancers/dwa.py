"""Dynamic weight average, DWA (Liu, Johns and Davison 2019): tasks whose loss falls slowly get more weight.

In epoch t the weights are w = T softmax(r / ``temperature``), with r_i = L_i(t-1) / L_i(t-2) from the means of the
task's loss over the last two epochs; in the first two epochs r = 1, and all weights are one. The losses are the plain
ones (squared error, cross-entropy), those of the history.

Absent tasks: an absent one adds nothing to its step, and the others keep their weights. A task that a whole epoch
lacked keeps the means that it had.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.balancers._common import coefficients, n_draws
from alloymtl.methods.balancers._multipliers import of_losses, softmax

OPTIONS = {"temperature": 2.0, "power": 0.0}
GRADIENTS = "none"

__all__ = ["balance", "coefficients", "end_of_epoch", "initial_state", "n_draws", "settings"]

_COLDEST = 1e-6


def settings(options: Mapping[str, Any]) -> np.ndarray:
    """What ``balance`` needs to know: ``temperature``, at least 1e-6."""
    return np.array([max(float(options["temperature"]), _COLDEST)])


def initial_state(n_tasks: int, options: Mapping[str, Any]) -> np.ndarray:
    """Blocks of one number a task: mean loss of the last epoch and of the one before; 0 where there was none."""
    return np.zeros(2 * n_tasks)


def end_of_epoch(losses: np.ndarray, state: np.ndarray, settings: np.ndarray) -> None:
    """Take in the means of an epoch.

    Args:
        losses: mean plain loss of each task (tasks,); NaN for one that had no labelled row.
        state: as ``initial_state`` lays it out; changed in place.
        settings: as the function of that name gives.
    """
    n = len(losses)
    seen = np.isfinite(losses)
    last, before = state[:n], state[n:]
    before[seen] = last[seen]
    last[seen] = losses[seen]


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Weights T softmax(r / temperature), for shared parameters and heads alike.

    Args:
        losses: statically weighted loss of each task (tasks,); only their number is used.
        gram: not used.
        present: whether the batch holds a labelled row of the task (tasks,).
        draws: empty.
        state: as ``initial_state`` lays it out.
        settings: as the function of that name gives.

    Returns:
        (2 x tasks): the weights, twice the same row; 0 for absent tasks.
    """
    n = len(losses)
    rates = np.ones(n)
    for i in range(n):
        if state[i] > 0 and state[n + i] > 0:
            rates[i] = state[i] / state[n + i]
    every = np.ones(n, np.bool_)
    return of_losses(n * softmax(rates / settings[0], every), present)
