"""Smooth Tchebycheff scalarisation: a smooth maximum of the losses is minimised (Lin et al. 2024, arXiv:2402.19078).

The paper's function is mu log sum_i exp(L_i / (T mu)), with preference 1 / T for each of T tasks and an ideal loss of
0; the coefficient of a loss is the function's derivative by it. Small ``mu`` sees the worst task alone, large ``mu``
weighs all alike.

``variant: released`` is what the authors trained their networks with. The losses of a task are measured in logarithms,
relative to its nadir, the mean of its first ``warmup`` losses; while it has not seen those, its coefficient is 1 / L_i
(the gradient of log L_i). There an epoch is the warm-up; a balancer sees steps only, so here it is a number of them.
The function is then mu log sum_i exp(log(L_i / nadir_i) / mu), times the number of tasks.

Absent tasks: the maximum is that of the tasks present, and its derivative is scaled by their share of all tasks, as if
each loss came from a step that holds them all. For the released variant a loss that is not positive has no logarithm:
the task counts as absent in that step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.balancers._common import coefficients, n_draws
from alloymtl.methods.balancers._multipliers import of_losses, positive, share, softmax

OPTIONS = {"mu": 1.0, "variant": "paper", "warmup": 32, "power": 0.0}
CHOICES = {"variant": ["paper", "released"]}
GRADIENTS = "none"

__all__ = ["balance", "coefficients", "initial_state", "n_draws", "settings"]

_PAPER = 0.0  # place in CHOICES["variant"]
_SHARPEST = 1e-6


def settings(options: Mapping[str, Any]) -> np.ndarray:
    """What ``balance`` needs to know: ``mu``, at least 1e-6, the place of ``variant``, and ``warmup``, at least 1."""
    variant = float(CHOICES["variant"].index(options["variant"]))
    return np.array([max(float(options["mu"]), _SHARPEST), variant, max(float(options["warmup"]), 1.0)])


def initial_state(n_tasks: int, options: Mapping[str, Any]) -> np.ndarray:
    """Blocks of one number a task: mean loss of the warm-up, losses behind it."""
    return np.zeros(2 * n_tasks)


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Derivatives of the smooth maximum by the losses, for shared parameters and heads alike.

    Args:
        losses: statically weighted loss of each task (tasks,).
        gram: not used.
        present: whether the batch holds a labelled row of the task (tasks,).
        draws: empty.
        state: as ``initial_state`` lays it out; changed in place by the released variant.
        settings: as the function of that name gives.

    Returns:
        (2 x tasks): the derivatives, twice the same row; 0 for absent tasks.
    """
    n, mu = len(losses), settings[0]
    if settings[1] == _PAPER:
        weights = share(present) * softmax(losses / (n * mu), present) / n
        return of_losses(weights, present)
    nadirs, seen = state[:n], state[n:]
    counted = positive(losses, present)
    warm, values, weights = np.zeros(n, dtype=np.bool_), np.zeros(n), np.zeros(n)
    for i in range(n):
        if counted[i] and seen[i] < settings[2]:
            nadirs[i] = (nadirs[i] * seen[i] + losses[i]) / (seen[i] + 1)
            seen[i] += 1
            weights[i] = 1 / losses[i]
        elif counted[i]:
            warm[i] = True
            values[i] = math.log(losses[i] / nadirs[i]) / mu
    parts = n * share(warm) * softmax(values, warm)
    for i in range(n):
        if warm[i]:
            weights[i] = parts[i] / losses[i]
    return of_losses(weights, counted)
