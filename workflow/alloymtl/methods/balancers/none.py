"""No balancing: every task counts the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

OPTIONS = {}


def coefficients(sizes: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Coefficient 1 for each task, whatever its size; an absent task has loss 0 and so adds nothing."""
    return np.ones(len(sizes))
