"""Weights by the rarity of a row's features, as arXiv:2512.22740, section 4.6.5, describes what it calls FDS.

The paper estimates a density in feature space with Gaussian kernels and gives rows in sparse regions more weight. That
is not the feature distribution smoothing of Yang et al. (``smoothing: fds``), so it is a loss of its own: a squared
error whose rows weigh (1 / density) ** power.

The density at a row is a Gaussian kernel density estimate over the rows that carry the task's label. The bandwidth is
Scott's rule for standardised features, n ** (-1 / (d + 4)) for n rows and the d features that vary among them. The row
itself counts, so that the density at a lone row is that of one row and not zero. This bounds the weights, and ``power``
tempers them further.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.errors import UserError

OPTIONS = {"bandwidth": 1.0, "power": 1.0}
FORM = "squared"
BLOCK = 1 << 20  # distances held at a time: 8 MB, whatever the number of rows


def neighbours(x: np.ndarray, bandwidth: float) -> np.ndarray:
    """Sum over all rows of exp(-distance^2 / (2 bandwidth^2)), (rows,), the row itself included: at least 1.

    This is the kernel density at each row up to a constant factor. Time grows with the square of the number of rows, in
    seconds for tens of thousands; memory does not.

    Args:
        x: features (rows x features).
        bandwidth: SD of the kernel, in the features' units.
    """
    z = x / (bandwidth * np.sqrt(2.0))
    squares = np.square(z).sum(1)
    total = np.zeros(len(z))
    step = max(BLOCK // len(z), 1)
    for start in range(0, len(z), step):  # each pair once: a block against itself and the rows after it
        stop = start + step
        similarity = 2 * z[start:stop] @ z[start:].T
        similarity -= squares[start:]
        similarity -= squares[start:stop, None]
        np.exp(np.minimum(similarity, 0, out=similarity), out=similarity)
        total[start:stop] += similarity.sum(1)
        total[stop:] += similarity[:, step:].sum(0)
    return np.maximum(total, 1.0)


def row_weights(x: np.ndarray, y: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Weight of each label, mean 1 over each task's labels, 0 where there is none, (rows x tasks).

    Args:
        x: standardised features (rows x features).
        y: standardised training targets of the regression tasks (rows x tasks), NaN where there is no label.
        options: ``bandwidth`` in multiples of Scott's rule; ``power`` of the inverse density: 1 as the paper describes
            it, 0.5 its square root, 0 equal weights.

    Raises:
        UserError: a ``bandwidth`` of 0.
    """
    if options["bandwidth"] == 0:
        raise UserError("loss_options.bandwidth", "a kernel needs a width.", "the default is 1, Scott's rule.")
    result = np.zeros(y.shape)
    for column in range(y.shape[1]):
        rows = ~np.isnan(y[:, column])
        features = x[rows].astype(np.float64)
        features = features[:, np.ptp(features, axis=0) > 0]
        n, d = features.shape
        density = neighbours(features, options["bandwidth"] * n ** (-1 / (d + 4)))
        weight = density ** -options["power"]
        result[rows, column] = weight / weight.mean()
    return result
