"""What an instrument reads: the noise-free signal, with the errors of its lot and its own.

The constants are frozen. The scatter of hardness (12 % and 4 % per lot) is the median scatter of repeated measurements
of one formula in the MPEA data set, 12.8 %; the others were calibrated to the single-task ceiling.
"""

from __future__ import annotations

import numpy as np

from alloymtl.data.simulate.compositions import WAFER_RADIUS
from alloymtl.data.simulate.samples import Samples
from alloymtl.data.simulate.settings import MEASUREMENT, PROPERTIES, Settings
from alloymtl.data.simulate.truth import signal

WAFER_OFFSET, WAFER_TILT = 0.088, 0.04  # SD of the log of the calibration and of the thickness at the edge
FILM_NOISE, FILM_NOISE_SPREAD, FILM_NOISE_MOST = 0.038, 1.0, 0.15  # per wafer, log-normal
SPIKE_SHARE, SPIKE_FACTOR = 0.01, 2.5
FILM_DECIMALS = 2

LOT_OFFSET, BULK_NOISE = 0.04, 0.12  # relative
HEAT_TREATED, HEAT_TREATMENT_FACTOR = ("yield_strength", "ultimate_strength"), 1.5
ENTHALPIES = ("formation_enthalpy", "phase_stability")  # of either sign: their errors are additive
GRAIN_SCALE, GRAIN_SPREAD = 0.02, 0.7
GRAIN_MEAN = 1.28  # of exp(0.7 N)
BULK_DECIMALS = 3

GLASS_NOISE = 0.7  # logistic, in units of the glass score
POSITIVE_SHARE = 46 / 126  # of the reported test set
FLIP_SHARE = 0.01


def measure(task: str, samples: Samples, settings: Settings) -> np.ndarray:
    """Labels of the samples in the unit of the property's physics, rounded as in the file; shape (n,)."""
    rng = settings.stream(MEASUREMENT, task)
    value = signal(task, samples.true, settings)
    if task == "amorphous":
        return _classify(rng, value)
    if PROPERTIES[task].sample == "film":
        return np.round(value * _film_factor(rng, samples), FILM_DECIMALS)
    scale = np.full(len(value), value.std()) if task in ENTHALPIES else np.abs(value)
    noise = BULK_NOISE * (HEAT_TREATMENT_FACTOR if task in HEAT_TREATED else 1)
    return np.round(value + scale * _bulk_error(rng, samples, noise), BULK_DECIMALS)


def _classify(rng: np.random.Generator, score: np.ndarray) -> np.ndarray:
    """1 where the score with logistic noise is above the quantile that leaves the positive share; then a few flip."""
    noisy = score + GLASS_NOISE * rng.logistic(size=len(score))
    positive = noisy > np.quantile(noisy, 1 - POSITIVE_SHARE)
    return (positive ^ (rng.uniform(size=len(score)) < FLIP_SHARE)).astype(int)


def _film_factor(rng: np.random.Generator, samples: Samples) -> np.ndarray:
    """exp(o_w + t_w (r . v_w)/R + e): a wafer's calibration o and tilt t, and a point's error e, at times a spike."""
    n, lot, lots = len(samples), samples.lot, samples.lot.max() + 1
    offset = rng.normal(0, WAFER_OFFSET, lots)
    noise = np.minimum(FILM_NOISE_MOST, FILM_NOISE * np.exp(FILM_NOISE_SPREAD * rng.normal(size=lots)))
    tilt = rng.normal(0, WAFER_TILT, lots)
    direction = rng.uniform(0, 2 * np.pi, lots)
    # Without a wafer (a common pool of bulk samples) there is no position to tilt over.
    x, y = np.zeros((2, n)) if samples.position is None else samples.position.T
    thickness = tilt[lot] * (x * np.cos(direction[lot]) + y * np.sin(direction[lot])) / WAFER_RADIUS
    spike = np.where(rng.uniform(size=n) < SPIKE_SHARE, SPIKE_FACTOR, 1)
    return np.exp(offset[lot] + thickness + noise[lot] * spike * rng.normal(size=n))


def _bulk_error(rng: np.random.Generator, samples: Samples, noise: float) -> np.ndarray:
    """l + g + e: a lot's offset, the grain size (Hall-Petch, log-normal, zero mean), and the reading."""
    n = len(samples)
    lot = rng.normal(0, LOT_OFFSET, samples.lot.max() + 1)[samples.lot]
    grain = GRAIN_SCALE * (np.exp(GRAIN_SPREAD * rng.normal(size=n)) - GRAIN_MEAN)
    return lot + grain + noise * rng.normal(size=n)
