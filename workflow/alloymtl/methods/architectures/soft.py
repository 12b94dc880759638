"""Soft parameter sharing (arXiv:2512.22740, equations 4 and 9): a backbone and a head per task, drawn to each other.

The loss gains ``coupling`` * sum over pairs s < t of ||theta_s - theta_t||^2, where theta_t holds all trained
parameters of task t's backbone. Every backbone sees every row of a batch, so that its batch normalisation does not
depend on how many rows of its own task the batch happens to hold; only the loss is masked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alloymtl.methods.stages import Stage, together

OPTIONS = {"head": 64, "coupling": 0.01}
EXTRAS = ("similarity",)
SHARED = False
FORM = "soft"


def stages(tasks: Sequence[str], sizes: np.ndarray, options: Mapping[str, Any]) -> list[Stage]:
    """One network for all tasks, whatever their sizes."""
    return together(list(tasks))
