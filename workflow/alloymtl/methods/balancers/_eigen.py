"""Eigenvalues of small symmetric matrices."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

_SWEEPS = 30  # Jacobi's method converges quadratically: a handful is enough for any small matrix
_DONE = 1e-300


@register_jitable
def eigen(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors of a symmetric matrix by Jacobi's cyclic rotations.

    Args:
        matrix: (n x n), not changed.

    Returns:
        Eigenvalues (n,), in no order, and the eigenvectors in columns (n x n).
    """
    n = len(matrix)
    a, vectors = matrix.copy(), np.eye(n)
    for _ in range(_SWEEPS):
        off = 0.0
        for p in range(n):
            for q in range(p + 1, n):
                off += a[p, q] * a[p, q]
        if off < _DONE:
            break
        for p in range(n):
            for q in range(p + 1, n):
                if a[p, q] * a[p, q] < _DONE:
                    continue
                ratio = (a[q, q] - a[p, p]) / (2 * a[p, q])
                tangent = 1 / (abs(ratio) + np.sqrt(1 + ratio * ratio))
                if ratio < 0:
                    tangent = -tangent
                cosine = 1 / np.sqrt(1 + tangent * tangent)
                sine = tangent * cosine
                for k in range(n):
                    left, right = a[k, p], a[k, q]
                    a[k, p], a[k, q] = cosine * left - sine * right, sine * left + cosine * right
                for k in range(n):
                    left, right = a[p, k], a[q, k]
                    a[p, k], a[q, k] = cosine * left - sine * right, sine * left + cosine * right
                for k in range(n):
                    left, right = vectors[k, p], vectors[k, q]
                    vectors[k, p], vectors[k, q] = cosine * left - sine * right, sine * left + cosine * right
    return np.diag(a).copy(), vectors
