"""Hard parameter sharing (Caruana 1997; arXiv:2512.22740, section 3.2.2): one backbone, and a head for each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alloymtl.methods.stages import Stage, together

OPTIONS = {"head": 64}
FORM = "shared"


def stages(tasks: Sequence[str], sizes: np.ndarray, options: Mapping[str, Any]) -> list[Stage]:
    """One network for all tasks, whatever their sizes."""
    return together(list(tasks))
