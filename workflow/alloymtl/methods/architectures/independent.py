"""Independent single-task networks (arXiv:2512.22740, section 3.2.1): one backbone and one linear output per task.

Each task is trained on its own, with its own early stopping, on its own rows. ``head`` gives the output hidden units,
to match the capacity of a shared network's heads; the paper states none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alloymtl.methods.stages import Stage, apart

OPTIONS = {"head": 0}
SHARED = False
FORM = "shared"


def stages(tasks: Sequence[str], sizes: np.ndarray, options: Mapping[str, Any]) -> list[Stage]:
    """A network for each task, whatever its size."""
    return apart(list(tasks))
