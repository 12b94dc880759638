"""Tasks by design: functions of the very features that networks see, whose weights point where they are told to.

Their relatedness is known without an estimate: the cosine of two tasks' weights. ``linear`` tasks are weighted sums of
the standardised features, ``relu`` tasks of rectified random projections of these.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from alloymtl.data.features import descriptors
from alloymtl.data.simulate.elements import SYMBOLS
from alloymtl.data.simulate.settings import DESIGN, Settings

UNITS = 64
"""Rectified projections of ``relu`` tasks."""


def directions(tasks: Iterable[str], settings: Settings) -> np.ndarray:
    """Unit vectors (tasks x design_dimensions), one for each task, of which cosines are the tasks' relatedness.

    A task's vector depends on its name and on the seed, not on the other tasks.
    """
    drawn = [settings.stream(DESIGN, task).normal(size=settings.design_dimensions) for task in tasks]
    return np.stack([v / np.linalg.norm(v) for v in drawn])


def weight_cosines(tasks: Iterable[str], settings: Settings) -> np.ndarray:
    """Cosines of the tasks' weights (tasks x tasks)."""
    found = directions(tasks, settings)
    return found @ found.T


def designed(task: str, c: np.ndarray, settings: Settings) -> np.ndarray:
    """Value of a designed task, of arbitrary scale; shape (n,).

    Args:
        task: its name.
        c: atomic fractions (n, 15).
        settings: ``signal`` (``linear`` or ``relu``), ``design_dimensions``, seed.
    """
    features = np.hstack([c, descriptors(c, SYMBOLS)])
    x = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-12)
    rng = settings.stream(DESIGN)
    if settings.signal == "relu":
        projection = rng.normal(size=(x.shape[1], UNITS)) / np.sqrt(x.shape[1])
        x = np.maximum(x @ projection + rng.normal(0, 0.5, UNITS), 0)
        x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-12)
    # An orthonormal basis keeps the cosines of directions as those of weights.
    basis, _ = np.linalg.qr(rng.normal(size=(x.shape[1], settings.design_dimensions)))
    return x @ (basis @ directions([task], settings)[0])
