"""Squared error, all rows alike (arXiv:2512.22740, equation 10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alloymtl.methods.losses._common import equal_weights

OPTIONS = {}
FORM = "squared"


def row_weights(x: np.ndarray, y: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """1 for each label, whatever its value, 0 where there is none, (rows x tasks)."""
    return equal_weights(y)
