"""Convex problems over weights that are not negative and sum to 1, solved on every face of that simplex.

A face is the set of weights that are zero outside some tasks. There are 2 ** tasks - 1 of them, so this is for a
handful of tasks, where it is exact and no iteration has to be stopped.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from alloymtl.methods.balancers._gram import quadratic

_DEPENDENT = 1e-12  # pivot, relative to the largest diagonal entry, below which rows count as dependent


@register_jitable
def members(face: int, n: int) -> np.ndarray:
    """Tasks that a face, given as a number whose binary digits tell who belongs to it, lets take part."""
    found, count = np.zeros(n, dtype=np.int64), 0
    for i in range(n):
        if (face >> i) & 1:
            found[count] = i
            count += 1
    return found[:count]


@register_jitable
def solve_in_place(matrix: np.ndarray, right: np.ndarray) -> bool:
    """Solve a symmetric positive definite system for some right sides by elimination.

    Args:
        matrix: (m x m); destroyed.
        right: (m x columns); becomes the solutions.

    Returns:
        Whether the rows are independent; if not, ``right`` means nothing.
    """
    m, columns = right.shape
    largest = 0.0
    for i in range(m):
        largest = max(largest, matrix[i, i])
    for i in range(m):
        if not matrix[i, i] > _DEPENDENT * largest:
            return False
        for j in range(i + 1, m):
            factor = matrix[j, i] / matrix[i, i]
            for k in range(i, m):
                matrix[j, k] -= factor * matrix[i, k]
            for k in range(columns):
                right[j, k] -= factor * right[i, k]
    for back in range(m):
        i = m - 1 - back
        for k in range(columns):
            for j in range(i + 1, m):
                right[i, k] -= matrix[i, j] * right[j, k]
            right[i, k] /= matrix[i, i]
    return True


@register_jitable
def smallest_norm(gram: np.ndarray) -> np.ndarray:
    """Weights of the point of smallest norm in the convex hull of the gradients.

    On a face the weights solve (gram + 1 1') u = 1, up to their sum: the constant that is added changes no minimiser,
    and makes the matrix regular wherever the face's gradients are affinely independent, so that a hull that holds zero
    is no special case. By Caratheodory's theorem a dependent face has its minimum on a smaller one.

    Args:
        gram: inner products (tasks x tasks), the largest diagonal entry of the order of 1.
    """
    n = len(gram)
    best, lowest = np.zeros(n), np.inf
    for face in range(1, 2**n):
        chosen = members(face, n)
        m = len(chosen)
        matrix, u = np.ones((m, m)), np.ones((m, 1))
        for i in range(m):
            for j in range(m):
                matrix[i, j] += gram[chosen[i], chosen[j]]
        if not solve_in_place(matrix, u) or u.min() < 0:
            continue
        w = np.zeros(n)
        for i in range(m):
            w[chosen[i]] = u[i, 0] / u.sum()
        value = quadratic(gram, w)
        if value < lowest:
            best, lowest = w, value
    return best
