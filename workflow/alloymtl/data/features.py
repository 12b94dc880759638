"""Step ``features``: what the models see of an alloy, its atomic fractions and six descriptors of them.

The descriptors follow the conventions of the ML-R-MG data (You et al.), whose printed values they reproduce. They are
functions of the fractions as given, which are not normalised here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alloymtl import files
from alloymtl.data import elements as tables

DESCRIPTORS = (
    "mean_radius",
    "size_mismatch",
    "mixing_enthalpy",
    "mean_electronegativity",
    "electronegativity_difference",
    "n_components",
)


def feature_names(elements: Sequence[str]) -> list[str]:
    """Names of the features in their order, without the prefix ``x:``."""
    return [*elements, *DESCRIPTORS]


def descriptors(fractions: np.ndarray, elements: Sequence[str]) -> np.ndarray:
    """The six descriptors (n, 6) of atomic fractions (n, elements), in the order of ``DESCRIPTORS``.

    With c the fractions, r metallic radii, x electronegativities and H pair enthalpies:

    - mean radius, sum c r, in angstrom;
    - size mismatch, sqrt(sum c (1 - r / mean radius)^2), a fraction (Zhang et al., Adv. Eng. Mater. 10, 534, 2008);
    - mixing enthalpy, 4 sum_(i<j) H_ij c_i c_j, signed, in kJ/mol (Takeuchi and Inoue, Mater. Trans. 46, 2817, 2005);
    - mean electronegativity, sum c x, Pauling scale;
    - electronegativity difference, sqrt(sum c (x - mean)^2), absolute;
    - number of components, the elements with a fraction that is not zero.
    """
    radii = np.array(tables.metallic_radii(elements))
    pauling = np.array(tables.electronegativities(elements))
    # Sums run over numpy's own loops, not BLAS, whose last bits may depend on the number of threads.
    mean_radius = (fractions * radii).sum(axis=1)
    mean_pauling = (fractions * pauling).sum(axis=1)
    mismatch = np.sqrt((fractions * (1 - radii / mean_radius[:, None]) ** 2).sum(axis=1))
    difference = np.sqrt((fractions * (pauling - mean_pauling[:, None]) ** 2).sum(axis=1))
    enthalpy = mixing_enthalpy(fractions, elements)
    components = np.count_nonzero(fractions, axis=1).astype(float)
    return np.column_stack([mean_radius, mismatch, enthalpy, mean_pauling, difference, components])


def mixing_enthalpy(fractions: np.ndarray, elements: Sequence[str]) -> np.ndarray:
    """Enthalpy of mixing (n,) in kJ/mol of atomic fractions (n, elements): 4 sum_(i<j) H_ij c_i c_j."""
    enthalpy = np.zeros(len(fractions))
    for (i, first), (j, second) in combinations(enumerate(elements), 2):
        enthalpy += 4.0 * tables.pair_enthalpy(first, second) * fractions[:, i] * fractions[:, j]
    return enthalpy


def step(spec: Mapping[str, Any], inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> None:
    """Run the step; ``spec`` holds the elements and the names of the tasks.

    Raises:
        UserError: an element has no table values.
    """
    elements = spec["elements"]
    tables.check_elements(elements, "config")
    alloys = files.read_parquet(inputs["alloys"])
    fractions = alloys[[f"c:{element}" for element in elements]].to_numpy()
    values = np.hstack([fractions, descriptors(fractions, elements)])
    features = pd.DataFrame(values, columns=[f"x:{name}" for name in feature_names(elements)])
    labels = alloys[[f"y:{task}" for task in spec["tasks"]]]
    files.write_parquet(outputs["features"], pd.concat([alloys[["alloy", "system"]], features, labels], axis=1))
