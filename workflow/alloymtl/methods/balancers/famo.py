"""FAMO: weights that let the logarithms of all losses fall at the same rate (Liu et al. 2023, algorithm 1).

Softmax z of learned logits weighs the logarithms of the losses; a task whose logarithm fell by less than the others'
gains weight. The coefficients of the losses are z_i / L_i over their sum, held constant in the step. The logits have an
Adam of their own with weight decay added to their gradient.

The paper computes the losses a second time after the step, on the same batch. Here the losses of the next step that
holds the task tell what the steps since did: nothing is computed twice, but the difference of two batches adds to that
of the step, and with one row of a task in each it is mostly noise, which the logits average.

Absent tasks: the logits of tasks that are present and were so before take a step as if there were no others; the
others' logits, moments and step counts stay to the last bit. A task alone has nothing to be balanced against: no logit
moves. The coefficients go over the tasks present and sum to their share of all tasks, 1 when none is absent. A loss
that is not positive has no logarithm: the task counts as absent in that step, so that losses that turn negative (GAI,
BNI) are none for this method.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.balancers._adam import adam_change
from alloymtl.methods.balancers._common import coefficients, n_draws
from alloymtl.methods.balancers._multipliers import of_losses, positive, share, softmax

OPTIONS = {"rate": 0.025, "decay": 0.001, "power": 0.0}
GRADIENTS = "none"

__all__ = ["balance", "coefficients", "initial_state", "n_draws", "settings"]

_EPSILON = 1e-8  # added to each loss before its logarithm, as in the released code
# Blocks of the state, of one number a task: logits, Adam's two moments, its steps, last log loss, whether there is one.
_BLOCKS = 6


def settings(options: Mapping[str, Any]) -> np.ndarray:
    """What ``balance`` needs to know: ``rate``, Adam's learning rate, and ``decay`` of the logits."""
    return np.array([float(options["rate"]), float(options["decay"])])


def initial_state(n_tasks: int, options: Mapping[str, Any]) -> np.ndarray:
    """Blocks of one number a task: logits, Adam's two moments, its steps, last log loss, whether there is one."""
    return np.zeros(_BLOCKS * n_tasks)


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """One step of the logits, by how the losses changed since they were last seen, and the coefficients that follow.

    Args:
        losses: statically weighted loss of each task (tasks,).
        gram: not used.
        present: whether the batch holds a labelled row of the task (tasks,).
        draws: empty.
        state: as ``initial_state`` lays it out; changed in place.
        settings: as the function of that name gives.

    Returns:
        (2 x tasks): the coefficients, twice the same row; 0 for absent tasks.
    """
    n = len(losses)
    logits, means, squares, steps = state[:n], state[n : 2 * n], state[2 * n : 3 * n], state[3 * n : 4 * n]
    last, known = state[4 * n : 5 * n], state[5 * n :]
    counted = positive(losses, present)
    logs, moving, count = np.zeros(n), np.zeros(n, dtype=np.bool_), 0
    for i in range(n):
        if counted[i]:
            logs[i] = math.log(losses[i] + _EPSILON)
            if known[i] > 0:
                moving[i] = True
                count += 1
    if count > 1:
        z, mean = softmax(logits, moving), 0.0
        for i in range(n):
            mean += z[i] * (last[i] - logs[i])
        for i in range(n):
            if moving[i]:
                slope = z[i] * (last[i] - logs[i] - mean) + settings[1] * logits[i]
                logits[i] += adam_change(i, slope, settings[0], means, squares, steps)
    scores = np.zeros(n)
    for i in range(n):
        if counted[i]:
            last[i], known[i] = logs[i], 1.0
            scores[i] = logits[i] - logs[i]
    return of_losses(share(counted) * softmax(scores, counted), counted)
