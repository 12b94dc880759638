"""Balanced MSE with a histogram of the training labels, BNI (Ren et al., arXiv:2203.16427).

Equation 2 of arXiv:2512.22740 with the integral as a sum over bins: all labels of a bin stand at its middle. A task is
trained on every batch that holds a row of it, be it one row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.losses._balanced import Mixture, table
from alloymtl.methods.losses._common import equal_weights
from alloymtl.methods.losses._label_bins import bin_of, check, edges

OPTIONS = {"sigma": 1.0, "sigma_rate": 0.01, "bins": 50}
FORM = "mixture"


def row_weights(x: np.ndarray, y: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """1 for each label, whatever its value, 0 where there is none, (rows x tasks)."""
    return equal_weights(y)


def histogram(labels: np.ndarray, bins: int) -> Mixture:
    """Share of the labels in each of ``bins`` equal bins over their range, as point masses at the bins' middles.

    Args:
        labels: standardised labels of one task, none missing.
        bins: number of bins.
    """
    bin_edges = edges(labels.astype(np.float64), bins)
    counts = np.bincount(bin_of(labels, bin_edges), minlength=bins)
    return Mixture(counts / len(labels), (bin_edges[:-1] + bin_edges[1:]) / 2, np.zeros(bins))


def mixtures(y: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Histogram of each task's training labels as point masses, (3 x tasks x components) float64.

    They are the logarithms of the weights, the means and the variances; see ``_balanced.table``.

    Args:
        y: standardised training targets of the regression tasks (rows x tasks), NaN where there is no label.
        options: ``bins`` of the histogram.

    Raises:
        UserError: no bins.
    """
    check({"bins": options["bins"]}, "loss_options")
    return table([histogram(t[~np.isnan(t)], options["bins"]) for t in y.T])
