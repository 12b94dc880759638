"""Batches drawn at random from all rows, whatever tasks they carry."""

from __future__ import annotations

import numpy as np

OPTIONS = {}


def batches(n_rows: int, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """One epoch: every row once, in random order, cut into batches.

    The last batch is smaller where the numbers do not divide. A last batch of a single row joins the one before, since
    batch normalisation cannot normalise one row.
    """
    order = rng.permutation(n_rows)
    cuts = np.arange(batch_size, n_rows, batch_size)
    if len(cuts) and n_rows - cuts[-1] == 1:
        cuts = cuts[:-1]
    return np.split(order, cuts)
