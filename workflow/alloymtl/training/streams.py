"""Random streams of a run: one for each purpose, keyed by the seed, the tasks trained together, and the epoch.

Nothing is carried from one draw to the next, so a run that resumes at an epoch draws what it would have drawn anyway,
and every engine draws the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PURPOSES = ("initialisation", "batches", "dropout", "balancer", "probe")
_UNIT = 1 << 16
_BLOCK = 1 << 18  # decisions drawn at a time; a multiple of four


def stream(seed: int, group: Sequence[str], purpose: str, epoch: int = 0) -> np.random.Generator:
    """The generator of one purpose.

    Args:
        seed: the run's seed.
        group: names of the tasks trained together.
        purpose: one of ``PURPOSES``.
        epoch: epoch number, for what is drawn anew in each epoch.
    """
    return np.random.default_rng([seed, PURPOSES.index(purpose), epoch, *"+".join(group).encode()])


def dropout_keep(rng: np.random.Generator, rows: int, units: int, dropout: float) -> np.ndarray:
    """1 for a unit that is kept, 0 for one that is dropped, (rows x units) uint8.

    The probability is that of ``dropout`` to within 1/131,072: sixteen random bits decide about a unit.
    """
    # Drawn four decisions at a time, and as many as a processor's cache holds: several times faster than all at once.
    keep = np.empty(rows * units, dtype=bool)
    least = np.uint16(round(dropout * _UNIT))
    for start in range(0, len(keep), _BLOCK):
        part = keep[start : start + _BLOCK]
        raw = rng.integers(0, 1 << 64, size=-(-len(part) // 4), dtype=np.uint64)
        np.greater_equal(raw.astype("<u8", copy=False).view("<u2")[: len(part)], least, out=part)
    return keep.reshape(rows, units).view(np.uint8)
