"""Balanced MSE with a Gaussian mixture for the training labels, GAI (Ren et al., arXiv:2203.16427).

Equation 2 of arXiv:2512.22740 with the integral in closed form. A task is trained on every batch that holds a row of
it, be it one row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.errors import UserError
from alloymtl.methods.losses._balanced import Mixture, table
from alloymtl.methods.losses._common import equal_weights

OPTIONS = {"sigma": 1.0, "sigma_rate": 0.01, "components": 8}
FORM = "mixture"


def row_weights(x: np.ndarray, y: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """1 for each label, whatever its value, 0 where there is none, (rows x tasks)."""
    return equal_weights(y)


def mixture(labels: np.ndarray, components: int) -> Mixture:
    """Gaussian mixture of labels by expectation maximisation from a fixed start; no more components than labels differ.

    Args:
        labels: standardised labels of one task, none missing.
        components: number of Gaussians.
    """
    # Slow to import: only a job that fits a mixture pays for it.
    from sklearn.mixture import GaussianMixture

    labels = labels.astype(np.float64)
    count = min(components, len(np.unique(labels)))
    fit = GaussianMixture(count, max_iter=1000, random_state=0).fit(labels[:, None])
    return Mixture(fit.weights_, fit.means_[:, 0], fit.covariances_[:, 0, 0])


def mixtures(y: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Gaussian mixture of each task's training labels, (3 x tasks x components) float64.

    They are the logarithms of the weights, the means and the variances; see ``_balanced.table``.

    Args:
        y: standardised training targets of the regression tasks (rows x tasks), NaN where there is no label.
        options: ``components`` of the mixture.

    Raises:
        UserError: no components.
    """
    if options["components"] < 1:
        raise UserError("loss_options.components", "there is no Gaussian.", "take at least one; the default is 8.")
    return table([mixture(t[~np.isnan(t)], options["components"]) for t in y.T])
