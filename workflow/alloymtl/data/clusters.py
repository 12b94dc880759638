"""Clusters of alike compositions, which a clustered split keeps together."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from alloymtl.errors import UserError

STARTS = 4
SEED = 0
# A descriptor's name is no element symbol.
FRACTION = re.compile(r"x:[A-Z][a-z]?")


def fractions_of(features: pd.DataFrame) -> np.ndarray:
    """Atomic fractions (alloys, elements) in a table of features."""
    return features[[column for column in features if FRACTION.fullmatch(column)]].to_numpy()


def composition_clusters(fractions: np.ndarray, clusters: int) -> np.ndarray:
    """Cluster of each alloy by k-means of the atomic fractions.

    Clusters of the kind that leave-one-cluster-out validation holds out (Meredig et al., Mol. Syst. Des. Eng. 3, 819,
    2018). The best of a few starts with a fixed seed: clusters belong to the data, so that split seeds differ in which
    clusters they hold out and not in what a cluster is.

    Args:
        fractions: (alloys, elements).
        clusters: how many.

    Returns:
        Number of its cluster for each alloy, from 0.

    Raises:
        UserError: there are fewer different compositions than clusters.
    """
    different = len(np.unique(fractions, axis=0))
    if different < clusters:
        what = f"{clusters} clusters cannot be made of {different} compositions."
        raise UserError("split.clusters", what, "lower it, or bring more alloys.")
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    # With several threads sums depend, in their last bits, on which of them ends first.
    with threadpool_limits(1):
        model = KMeans(clusters, n_init=STARTS, random_state=SEED, algorithm="lloyd")
        return model.fit_predict(fractions)
