"""What makes two compositions the same alloy, and what an alloy is called."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def identities(fractions: np.ndarray, decimals: int) -> np.ndarray:
    """Whole numbers (rows, elements) that are equal exactly where two rows are the same alloy.

    They are the composition in at.%, rounded to ``decimals`` and counted in units of the last decimal. Rounding first
    far below that takes away the noise of normalisation, so that a tie falls to the same side in every file.
    """
    scaled = np.round(fractions * 100.0 * 10.0**decimals, 6)
    return np.rint(scaled).astype(np.int64)


def row_codes(identity: np.ndarray) -> np.ndarray:
    """A number (rows,) for each row of identities (rows, elements), equal where rows are; in order of appearance."""
    # Rows of one width are equal where their bytes are, and bytes are quick to tell apart.
    if not len(identity):
        return np.empty(0, dtype=np.int64)
    packed = np.ascontiguousarray(identity, dtype=">i4").view(f"S{4 * identity.shape[1]}").ravel()
    return pd.factorize(packed.astype(object))[0]


def alloy_ids(identity: np.ndarray, elements: Sequence[str], decimals: int) -> list[str]:
    """Formulas in at.%, such as ``Al20.00Co30.00Fe50.00``, of identities (alloys, elements)."""
    scale = 10**decimals
    parts = []
    for element, amounts in zip(elements, identity.T, strict=True):
        codes, unique = pd.factorize(amounts)
        texts = pa.array([f"{element}{amount / scale:.{decimals}f}" if amount else "" for amount in unique.tolist()])
        parts.append(texts.cast(pa.string()).take(pa.array(codes)))
    return pc.binary_join_element_wise(*parts, "").to_pylist() if len(identity) else []


def systems(identity: np.ndarray, elements: Sequence[str]) -> list[str]:
    """Chemical systems, such as ``Al-Co-Fe``: the elements present in alphabetical order."""
    order = np.argsort(np.array(elements))
    present, codes = np.unique(identity > 0, axis=0, return_inverse=True)
    names = ["-".join(elements[e] for e in order[row[order]]) for row in present]
    return [names[code] for code in codes.ravel()]
