"""Batches that hold every task: with uniform ones, a small task is absent from most steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.errors import UserError

OPTIONS = {"minimum": 2}


def pools(labelled: np.ndarray) -> list[np.ndarray]:
    """Disjoint sets of rows, such that one row of each is sure to hold every task that has rows at all.

    A row belongs to the pool of the scarcest of its tasks. Where all rows of a task have gone to the pools of scarcer
    ones and no pool consists of them alone, the pool that holds most of them is parted into rows with and without it.

    Args:
        labelled: whether a row holds a label of a task (rows x tasks), at least one in each row.

    Returns:
        Row numbers of each pool, ascending; no pool is empty.
    """
    sizes = labelled.sum(axis=0)
    scarcest = np.where(labelled, sizes, len(labelled) + 1).argmin(axis=1)
    found = [np.flatnonzero(scarcest == task) for task in range(labelled.shape[1]) if (scarcest == task).any()]
    for task in np.flatnonzero(sizes):
        if any(labelled[pool, task].all() for pool in found):
            continue
        fullest = max(range(len(found)), key=lambda p: labelled[found[p], task].sum())
        pool = found.pop(fullest)
        found += [pool[labelled[pool, task]], pool[~labelled[pool, task]]]
    return found


def _quotas(sizes: np.ndarray, batch_size: int, minimum: int) -> np.ndarray:
    """Rows that a batch takes of each pool: shares by size, by largest remainder, but at least the minimum.

    A pool of fewer rows than the minimum gives all it has. In whole numbers throughout, hence exact.
    """
    least = np.minimum(sizes, minimum)
    if least.sum() > batch_size:
        what = (
            f"{batch_size} rows are too few for a batch of {len(sizes)} pools of rows, {minimum} or all rows of each."
        )
        raise UserError("training.batch_size", what, f"make it at least {least.sum()}, or lower the sampler's minimum.")
    by_size = np.ones(len(sizes), dtype=bool)
    while True:
        room, rows = batch_size - least[~by_size].sum(), sizes[by_size].sum()
        short = by_size & (room * sizes < least * rows)
        if not short.any():
            break
        by_size &= ~short
    whole, remainder = np.divmod(room * sizes, rows)
    quotas = np.where(by_size, whole, least)
    first = np.argsort(np.where(by_size, -remainder, 1), kind="stable")
    quotas[first[: batch_size - quotas.sum()]] += 1
    return quotas


def _recycle(pool: np.ndarray, quota: int, times: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Draw from a pool again and again; it is shuffled anew when used up, and no draw holds a row twice."""
    draws, left = [], rng.permutation(pool)
    for _ in range(times):
        draw, left = left[:quota], left[quota:]
        if len(draw) < quota:
            fresh = rng.permutation(pool)
            added = fresh[~np.isin(fresh, draw)][: quota - len(draw)]
            draw, left = np.concatenate([draw, added]), fresh[~np.isin(fresh, added)]
        draws.append(draw)
    return draws


def batches(
    labelled: np.ndarray, batch_size: int, rng: np.random.Generator, options: Mapping[str, Any]
) -> list[np.ndarray]:
    """One epoch: every row of the largest pool once; smaller pools are shuffled anew as often as they are used up.

    The largest pool is cut as evenly as can be, so a batch has ``batch_size`` rows or somewhat fewer. It has more only
    where the largest pool would otherwise give fewer than the minimum (or a lone row), by less than that many. No batch
    holds a row twice. With no more rows than ``batch_size`` there is one batch, of all rows.

    Args:
        labelled: whether a training row holds a label of a task (rows x tasks), at least one in each row.
        batch_size: rows of a batch.
        rng: stream of the epoch.
        options: ``minimum``: rows of each pool (see ``pools``) that a batch holds at least; smaller pools give all.

    Returns:
        Row numbers of each batch. Each holds every task that has a label in any row.

    Raises:
        UserError: the batch size is too small for the minimum of every pool, or the minimum is 0.
    """
    minimum = options["minimum"]
    if minimum < 1:
        raise UserError("sampler_options.minimum", "0 rows of a task keep it out of a batch.", "make it at least 1.")
    found = pools(labelled)
    sizes = np.array([len(pool) for pool in found])
    quotas = _quotas(sizes, min(batch_size, len(labelled)), minimum)
    largest = int(sizes.argmax())
    fewest = max(minimum, 2 if len(found) == 1 else 1)
    times = max(1, min(-(-sizes[largest] // quotas[largest]), sizes[largest] // fewest))
    parts = [
        np.array_split(rng.permutation(pool), times) if p == largest else _recycle(pool, quotas[p], times, rng)
        for p, pool in enumerate(found)
    ]
    return [np.concatenate(rows) for rows in zip(*parts, strict=True)]
