"""Labels in bins of equal width, and the Gaussian window that smooths over neighbouring bins (arXiv:2102.09554)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from alloymtl.errors import UserError


def check(options: Mapping[str, Any], key: str) -> None:
    """Refuse bins and windows that mean nothing.

    Args:
        options: ``bins``, and ``ks`` and ``sigma`` where bins are smoothed over.
        key: config key of the options, to name in an error.

    Raises:
        UserError: no bins, an even window or one without width.
    """
    if options["bins"] < 1:
        raise UserError(f"{key}.bins", "there is no bin.", "take at least one; the default is 50.")
    if options.get("ks", 1) % 2 == 0:
        raise UserError(f"{key}.ks", f"{options['ks']} bins have no middle one.", "take an odd number.")
    if options.get("sigma", 1) == 0:
        raise UserError(f"{key}.sigma", "a window without width smooths nothing.", "for that, set ks: 1.")


def edges(labels: np.ndarray, bins: int) -> np.ndarray:
    """The ``bins`` + 1 edges of equal bins over the range of the labels, in their units."""
    return np.histogram_bin_edges(labels, bins)


def bin_of(labels: np.ndarray, bin_edges: np.ndarray) -> np.ndarray:
    """Bin of each label: a label on an edge belongs to the bin above it, the last bin holds its upper edge too."""
    return np.clip(np.searchsorted(bin_edges, labels, side="right") - 1, 0, len(bin_edges) - 2)


def window(ks: int, sigma: float) -> np.ndarray:
    """A Gaussian over ``ks`` bins as the authors of LDS and FDS released it, not yet normalised.

    A unit impulse in the middle of the window is filtered with a Gaussian that the ends of the window reflect, which
    lifts the tails: .86, .95, 1, .95, .86 relative to the middle for ks 5 and sigma 2, where a plain Gaussian has .61,
    .88, 1, .88, .61.

    Args:
        ks: bins that the window spans, odd.
        sigma: its width in bins.
    """
    impulse = np.zeros(ks)
    impulse[ks // 2] = 1.0
    return gaussian_filter1d(impulse, sigma)
