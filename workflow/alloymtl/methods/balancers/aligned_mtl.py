"""Aligned-MTL: the gradients are replaced by the nearest orthogonal system of equal lengths (arXiv:2305.19000).

The mean of the aligned gradients is a combination of the original ones with weights s V L^-1/2 V^T 1 / T, where G = V L
V^T is the Gram matrix and s the length: ``scale`` ``min`` is the paper's, the smallest singular value;
``median`` the lower median and ``rmse`` the root of the mean eigenvalue. Eigenvalues below T x 2^-40 of the
largest are dropped, and count nowhere.

Absent tasks: the gradients of the tasks present are aligned. A gradient of zero cannot be: its weight is 0, and it
counts among the T of the mean, as a task present.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.balancers._common import coefficients, initial_state, n_draws
from alloymtl.methods.balancers._gram import ROUNDING, directed, eigen, heads_of

OPTIONS = {"scale": "min", "power": 0.0}
CHOICES = {"scale": ["min", "median", "rmse"]}
GRADIENTS = "shared"

__all__ = ["balance", "coefficients", "initial_state", "n_draws", "settings"]

_MEDIAN, _RMSE = 1.0, 2.0  # places in CHOICES["scale"]


def settings(options: Mapping[str, Any]) -> np.ndarray:
    """What ``balance`` needs to know: the place of ``scale`` among its choices."""
    return np.array([float(CHOICES["scale"].index(options["scale"]))])


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Weights of the mean of the aligned gradients.

    Args:
        losses: statically weighted loss of each task (tasks,); not looked at.
        gram: inner products of the gradients of these losses on all shared parameters (tasks x tasks).
        present: whether the batch holds a labelled row of the task (tasks,).
        draws: empty.
        state: empty.
        settings: as the function of that name gives.

    Returns:
        (2 x tasks): the weights for the shared parameters, and 1 for the heads; 0 for absent tasks.
    """
    multipliers = heads_of(present)
    tasks = directed(gram, present)
    n = len(tasks)
    if n == 0:
        return multipliers
    largest = 0.0
    for a in range(n):
        largest = max(largest, gram[tasks[a], tasks[a]])
    products = np.empty((n, n))
    for a in range(n):
        for b in range(n):
            products[a, b] = gram[tasks[a], tasks[b]] / largest
    values, vectors = eigen(products)
    kept = np.sort(values[values > n * ROUNDING * values.max()])
    if len(kept) == 0:
        return multipliers
    length = kept[0]
    if settings[0] == _MEDIAN:
        length = kept[(len(kept) - 1) // 2]
    elif settings[0] == _RMSE:
        length = kept.sum() / len(kept)
    n_present = multipliers[1].sum()
    for k in range(n):
        if values[k] >= kept[0]:
            part = 0.0
            for a in range(n):
                part += vectors[a, k]
            part *= np.sqrt(length / values[k]) / n_present
            for a in range(n):
                multipliers[0, tasks[a]] += vectors[a, k] * part
    return multipliers
