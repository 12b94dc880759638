"""Batches drawn at random from all rows, whatever tasks they carry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

OPTIONS = {}


def batches(
    labelled: np.ndarray, batch_size: int, rng: np.random.Generator, options: Mapping[str, Any]
) -> list[np.ndarray]:
    """One epoch: every row once, in random order, cut into batches.

    The last batch is smaller where the numbers do not divide. A last batch of a single row joins the one before, since
    batch normalisation cannot normalise one row.

    Args:
        labelled: whether a training row holds a label of a task (rows x tasks); only the number of rows is used.
        batch_size: rows of a batch.
        rng: stream of the epoch.
        options: none.

    Returns:
        Row numbers of each batch.
    """
    n_rows = len(labelled)
    order = rng.permutation(n_rows)
    cuts = np.arange(batch_size, n_rows, batch_size)
    if len(cuts) and n_rows - cuts[-1] == 1:
        cuts = cuts[:-1]
    return np.split(order, cuts)
