"""Made-up rows of the default study's shapes; what they hold does not matter to a clock."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alloymtl.run import PARTITIONS, Target
from alloymtl.training.dataset import Dataset, Standardisation

SIZES = (52_388, 800, 840)
"""Alloys of each task of config/config.yaml; none has two labels."""
FEATURES = 21
HELD_OUT = 0.15
"""Share of the rows for validation, and again for the test."""
_SEED = 6
_NOISE = 0.3


def made_up(tasks: Sequence[Target]) -> Dataset:
    """Standard normal features, and labels that follow them in a straight line; of a class, whether that is positive.

    Args:
        tasks: as many as ``SIZES``.
    """
    rng = np.random.default_rng(_SEED)
    n = sum(SIZES)
    x = rng.standard_normal((n, FEATURES))
    y = x @ rng.standard_normal((FEATURES, len(SIZES))) / np.sqrt(FEATURES)
    y += _NOISE * rng.standard_normal(y.shape)
    classes = [column for column, task in enumerate(tasks) if not task.is_regression]
    y[:, classes] = y[:, classes] > 0
    owner = rng.permutation(np.repeat(np.arange(len(SIZES)), SIZES))
    y[owner[:, None] != np.arange(len(SIZES))] = np.nan
    held_out = round(HELD_OUT * n)
    partition = np.full(n, PARTITIONS.index("train"))
    partition[-2 * held_out : -held_out] = PARTITIONS.index("validation")
    partition[-held_out:] = PARTITIONS.index("test")
    return Dataset(
        alloys=np.array([f"alloy{i:05d}" for i in range(n)], dtype=object),
        x=x.astype(np.float32),
        y=y.astype(np.float32),
        labels=y,
        partition=partition,
        tasks=tuple(tasks),
        scales=tuple(Standardisation("none", 0.0, 1.0, 1.0) for _ in tasks),
    )
