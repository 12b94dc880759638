"""How alike networks are: by their weights, and by what they make of the same rows."""

from __future__ import annotations

from itertools import combinations

import numpy as np


def linear_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Linear centred kernel alignment of two representations of the same rows (Kornblith et al., ICML 2019).

    The squared Frobenius norm of Yc^T Xc over the product of the norms of Xc^T Xc and Yc^T Yc, columns centred: 1 for
    representations that differ by a rotation and a scale, 0 for ones that no linear map connects.

    Args:
        x: (rows x width).
        y: (rows x another width).

    Returns:
        NaN where a representation does not vary.
    """
    xc, yc = x - x.mean(0), y - y.mean(0)
    scale = np.linalg.norm(xc.T @ xc) * np.linalg.norm(yc.T @ yc)
    return float(np.linalg.norm(yc.T @ xc) ** 2 / scale) if scale > 0 else float("nan")


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of two vectors; NaN where one is zero."""
    scale = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / scale) if scale > 0 else float("nan")


def of_backbones(vectors: np.ndarray, representations: np.ndarray, tasks: list[str]) -> list[dict[str, object]]:
    """Similarity of each pair of backbones: first, second, measure (``weight_cosine``, ``cka``), value.

    Args:
        vectors: parameters of each backbone (tasks x numbers).
        representations: what each makes of the same rows (tasks x rows x width).
        tasks: names of the tasks.
    """
    lines: list[dict[str, object]] = []
    for a, b in combinations(range(len(tasks)), 2):
        pair = {"first": tasks[a], "second": tasks[b]}
        lines.append({**pair, "measure": "weight_cosine", "value": cosine(vectors[a], vectors[b])})
        lines.append({**pair, "measure": "cka", "value": linear_cka(representations[a], representations[b])})
    return lines
