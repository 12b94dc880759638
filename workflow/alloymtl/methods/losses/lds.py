"""Label distribution smoothing (Yang et al., arXiv:2102.09554; arXiv:2512.22740, equation 1).

A squared error whose rows weigh the inverse of the effective density of their labels: the histogram of the training
labels, convolved with a symmetric window, so that a label whose neighbours are common counts as common too. Each task's
standardised labels are binned over their own range.

The order is the authors': counts, their square root with ``reweight: sqrt_inv``, convolution with zeros beyond both
ends, 1 / density, mean 1. Two remarks. The window is normalised to a peak of 1, which the mean of 1 makes immaterial.
Their code rounds smoothed counts down to whole numbers with ``inverse``; here they stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.ndimage import convolve1d

from alloymtl.methods.losses._label_bins import bin_of, check, edges, window

OPTIONS = {"bins": 50, "ks": 5, "sigma": 2.0, "reweight": "sqrt_inv"}
CHOICES = {"reweight": ["sqrt_inv", "inverse"]}
FORM = "squared"


def effective_density(counts: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Smoothed density of each bin, in labels or, with ``sqrt_inv``, in square roots of labels.

    Args:
        counts: labels in each bin.
        options: ``ks`` and ``sigma`` of the window in bins; ``reweight``.
    """
    density = np.sqrt(counts) if options["reweight"] == "sqrt_inv" else np.asarray(counts, np.float64)
    kernel = window(options["ks"], options["sigma"])
    return convolve1d(density, kernel / kernel.max(), mode="constant")


def weights(labels: np.ndarray, bin_edges: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Weight of each label, inverse to the effective density of its bin; their mean is 1.

    Args:
        labels: labels of one task, none missing.
        bin_edges: edges of the histogram, in the labels' units.
        options: as for ``effective_density``.
    """
    bins = bin_of(labels, bin_edges)
    weight = 1 / effective_density(np.bincount(bins, minlength=len(bin_edges) - 1), options)[bins]
    return weight / weight.mean()


def row_weights(x: np.ndarray, y: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Weight of each label, mean 1 over each task's labels, 0 where there is none, (rows x tasks).

    Args:
        x: standardised features; not looked at.
        y: standardised training targets of the regression tasks (rows x tasks), NaN where there is no label.
        options: ``bins`` over the range of a task's labels; ``ks`` and ``sigma`` of the window in bins; ``reweight``:
            ``sqrt_inv`` takes the square root of the counts, ``inverse`` the counts themselves.

    Raises:
        UserError: no bins, an even ``ks`` or a ``sigma`` of 0.
    """
    check(options, "loss_options")
    result = np.zeros(y.shape)
    for column, labels in enumerate(y.T.astype(np.float64)):
        rows = ~np.isnan(labels)
        result[rows, column] = weights(labels[rows], edges(labels[rows], options["bins"]), options)
    return result
