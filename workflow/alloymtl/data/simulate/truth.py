"""The planted truth: noise-free signals, and how much those of two tasks have in common.

signal = physics + what physics does not know + what tasks share. Ranks are mixed, values are not: whatever the
settings, a task's signal takes exactly the values of its physics over the given rows, so its marginal, and with it the
noise that is relative to it, never moves.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from alloymtl.data.simulate.designed import designed
from alloymtl.data.simulate.physics import PHYSICS
from alloymtl.data.simulate.settings import ALL, LATENT, PHYSICS_SIGNAL, PROPERTIES, Settings

FOURIER_FEATURES = 32


def latent(c: np.ndarray, name: str, settings: Settings) -> np.ndarray:
    """A smooth random function of composition: a sum of 32 random Fourier features (Rahimi and Recht).

    Args:
        c: atomic fractions, shape (n, 15).
        name: which function; the same name gives the same function.
        settings: its length scale in atomic fraction (``latent_scale``), and the seed.

    Returns:
        Shape (n,), of arbitrary scale.
    """
    rng = settings.stream(LATENT, name)
    frequency = rng.normal(0, 1 / settings.latent_scale, (c.shape[1], FOURIER_FEATURES))
    phase = rng.uniform(0, 2 * np.pi, FOURIER_FEATURES)
    amplitude = rng.normal(size=FOURIER_FEATURES)
    return np.cos(c @ frequency + phase) @ amplitude


def _standardised(x: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / x.std()


def _mix(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """A mixture of which ``b`` has this share of the variance, were the two uncorrelated."""
    return np.sqrt(1 - share) * _standardised(a) + np.sqrt(share) * _standardised(b)


def signal(task: str, c: np.ndarray, settings: Settings) -> np.ndarray:
    """Noise-free value of a property, in the unit of its physics (of the glass score for ``amorphous``).

    With f the physics, u ``unmodelled[task]``, r ``relatedness`` and z(.) standardised over the rows:
    s = sqrt(1-u) z(f) + sqrt(u) z(own), m = sqrt(1-r) z(s) + sqrt(r) z(shared), and the result is the sorted f in the
    order of m. It is therefore a function of the whole set of rows: subsample its result, not its argument. A designed
    task (``signal: linear`` or ``relu``) has the mean and the SD of its physics over the rows, and nothing else of it.

    Args:
        task: one of ``PROPERTIES``.
        c: true atomic fractions, shape (n, 15).
        settings: the simulated world.

    Returns:
        Shape (n,).
    """
    if settings.signal != PHYSICS_SIGNAL:
        f = PHYSICS[task](c)
        return f.mean() + f.std() * _standardised(designed(task, c, settings))
    partners = {ALL: ALL, "cluster": PROPERTIES[task].cluster, "task": task}[settings.latent_per]
    physics = PHYSICS[task](c)
    mixture = _mix(physics, latent(c, f"own {task}", settings), settings.unmodelled[task])
    mixture = _mix(mixture, latent(c, partners, settings), settings.relatedness)
    values = np.empty_like(physics)
    values[np.argsort(mixture, kind="stable")] = np.sort(physics)
    return values


def signal_correlation(c: np.ndarray, settings: Settings, tasks: Iterable[str] = tuple(PROPERTIES)) -> np.ndarray:
    """Pearson correlation of noise-free signals on a common set of compositions.

    Args:
        c: atomic fractions, shape (n, 15).
        settings: the simulated world.
        tasks: which T properties, in this order; by default all that the simulator knows.

    Returns:
        Shape (T, T).
    """
    return np.corrcoef([signal(task, c, settings) for task in tasks])
