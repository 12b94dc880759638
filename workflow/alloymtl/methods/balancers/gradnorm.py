"""GradNorm: loss weights that learn to keep the tasks' gradient norms in step (Chen et al. 2018, algorithm 1).

The weights start at 1 and sum to the number of tasks. In each step every weighted norm w_i ||g_i||, at the last shared
linear map, is drawn towards (mean of the weighted norms) * r_i ** alpha, where r_i = (L_i / L_i(0)) / (mean of these)
says how far task i lags behind. The distance is the sum of absolute differences with the target held constant, and the
weights have an Adam of their own. The weights after their update weigh the losses of the same step.

Absent tasks: a step is taken as if there were only the tasks present. The others are left out of its means, keep their
weights, moments and step counts to the last bit, and the weights present are brought back to the sum that they had, so
that all of them still sum to the number of tasks. A task that is alone has nothing to be balanced against: no weight
moves.

L_i(0) is the mean loss over the first ``initial`` steps that hold the task; with 1 it is the loss of the first one, as
in the paper. There every batch holds hundreds of values of each task. Here the first batch with a scarce task often
holds one row of it, whose squared error may be a thousandth or six times the variance, and r_i would carry it through
the whole run: with five seeds the weight of one task came out between .008 and 2.9.

A loss that is not positive (Balanced MSE of a single row is exactly 0) tells no rate of training: for the weights, the
task counts as absent in that step. Weights stay positive by a floor, which the paper does not have: one that Adam takes
below it is set to it before the sum is restored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.balancers._size_weights import size_weights

OPTIONS = {"alpha": 1.5, "rate": 0.025, "power": 0.0, "initial": 32}
GRADIENTS = "last"

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8  # Adam's own defaults (Kingma and Ba 2015)
_FLOOR = 1e-3
# Blocks of the state, of one number a task: weights, Adam's two moments, its steps, mean first loss, steps behind it.
_BLOCKS = 6


def coefficients(sizes: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Static weights w_t = (N_max / N_t) ** power, by which the losses are multiplied before GradNorm sees them.

    Args:
        sizes: labelled alloys of each task, all partitions, as the level keeps them.
        options: ``power``: 0, the default, leaves all weighing to GradNorm.
    """
    return size_weights(sizes, options["power"])


def settings(options: Mapping[str, Any]) -> np.ndarray:
    """What ``balance`` needs to know: ``alpha``, the pull's strength, ``rate``, Adam's learning rate, ``initial``."""
    return np.array([float(options["alpha"]), float(options["rate"]), max(float(options["initial"]), 1.0)])


def initial_state(n_tasks: int, options: Mapping[str, Any]) -> np.ndarray:
    """Blocks of one number a task: weights, Adam's two moments, its steps, mean first loss, steps behind that mean."""
    state = np.zeros(_BLOCKS * n_tasks)
    state[:n_tasks] = 1
    return state


def n_draws(n_tasks: int) -> int:
    """Nothing is drawn."""
    return 0


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """One step of the weights; they multiply the losses, hence the gradients of shared parameters and heads alike.

    Args:
        losses: statically weighted loss of each task (tasks,).
        gram: inner products of the gradients of these losses on the last shared linear map (tasks x tasks); only its
            diagonal is used.
        present: whether the batch holds a labelled row of the task (tasks,).
        draws: empty.
        state: as ``initial_state`` lays it out; changed in place.
        settings: as the function of that name gives.

    Returns:
        (2 x tasks): the new weights, twice the same row; 0 for absent tasks.
    """
    n = len(losses)
    weights, first_losses, seen = state[:n], state[4 * n : 5 * n], state[5 * n :]
    means, squares, steps = state[n : 2 * n], state[2 * n : 3 * n], state[3 * n : 4 * n]
    norms, ratios = np.zeros(n), np.zeros(n)
    taking_part, total, mean_norm, mean_ratio = 0, 0.0, 0.0, 0.0
    for i in range(n):
        if present[i] and losses[i] > 0:
            if seen[i] < settings[2]:
                first_losses[i] = (first_losses[i] * seen[i] + losses[i]) / (seen[i] + 1)
                seen[i] += 1
            norms[i] = np.sqrt(gram[i, i])
            ratios[i] = losses[i] / first_losses[i]
            taking_part += 1
            total += weights[i]
            mean_norm += weights[i] * norms[i]
            mean_ratio += ratios[i]
    if taking_part > 1:
        mean_norm /= taking_part
        mean_ratio /= taking_part
        moved = 0.0
        for i in range(n):
            if ratios[i] > 0:
                distance = weights[i] * norms[i] - mean_norm * (ratios[i] / mean_ratio) ** settings[0]
                slope = norms[i] if distance > 0 else (-norms[i] if distance < 0 else 0.0)
                steps[i] += 1
                means[i] = _BETA_1 * means[i] + (1 - _BETA_1) * slope
                squares[i] = _BETA_2 * squares[i] + (1 - _BETA_2) * slope * slope
                speed = np.sqrt(squares[i] / (1 - _BETA_2 ** steps[i])) + _EPSILON
                weights[i] -= settings[1] * means[i] / (1 - _BETA_1 ** steps[i]) / speed
                weights[i] = max(weights[i], _FLOOR)
                moved += weights[i]
        for i in range(n):
            if ratios[i] > 0:
                weights[i] *= total / moved
    multipliers = np.zeros((2, n))
    for i in range(n):
        if present[i]:
            multipliers[0, i] = weights[i]
            multipliers[1, i] = weights[i]
    return multipliers
