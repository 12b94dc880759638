"""Hard sharing with a learned task relation graph (arXiv:2512.22740, section 3.2.4, equations 5 and 6).

The equations are read as follows. Relation of task t to task s: A_ts = sigmoid(MLP[e_t; e_s]), with learned
64-dimensional embeddings e. Two graph convolutions over the fully connected graph give E' from E. The output is

    y_t = f_t(h) + alpha g_t([sum over s != t of A_ts e'_s ; h])

with primary head f_t and auxiliary network g_t, and the loss gains lambda_sparse * sum |A| + lambda_self * trace(A).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alloymtl.methods.stages import Stage, together

OPTIONS = {"head": 64, "embedding": 64, "alpha": 0.1, "lambda_sparse": 0.01, "lambda_self": 0.01}
EXTRAS = ("relations",)
FORM = "structured"


def stages(tasks: Sequence[str], sizes: np.ndarray, options: Mapping[str, Any]) -> list[Stage]:
    """One network for all tasks, whatever their sizes."""
    return together(list(tasks))
