"""What balancers that seek a common direction share, all on the Gram matrix of the tasks' gradients.

Norms of gradients differ by orders of magnitude, so problems are posed in the unit gradients: a combination of these
with weights x is the combination of the gradients with weights x / norm, and its length is x^T C x with C their
cosines. Functions are plain Python where they are called from Python and compiled where a compiled balancer calls them.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

NO_DIRECTION = 1e-60  # squared norm below which single precision knows no direction
# What is left of a unit gradient beside others, squared, is lost below this: gradients are known to, and added up in,
# single precision, so weights of a million that cancel out leave an error of some percent.
ROUNDING = 2.0**-40
_SUM_ROUNDING = 64 * 2.0**-53  # of a sum, relative to that of the absolute terms
_SWEEPS = 40


@register_jitable
def directed(gram: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Numbers of the tasks that are present and whose gradient is not zero."""
    tasks = np.empty(len(present), np.int64)
    count = 0
    for i in range(len(present)):
        if present[i] and gram[i, i] >= NO_DIRECTION:
            tasks[count] = i
            count += 1
    return tasks[:count]


@register_jitable
def norms_of(gram: np.ndarray, tasks: np.ndarray) -> np.ndarray:
    """Norms of some tasks' gradients (tasks,)."""
    norms = np.empty(len(tasks))
    for a in range(len(tasks)):
        norms[a] = np.sqrt(gram[tasks[a], tasks[a]])
    return norms


@register_jitable
def cosines_of(gram: np.ndarray, tasks: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """Inner products of the unit gradients of some tasks (tasks x tasks), of diagonal 1 and within -1 and 1."""
    cosines = np.ones((len(tasks), len(tasks)))
    for a in range(len(tasks)):
        for b in range(a):
            cosine = gram[tasks[a], tasks[b]] / norms[a] / norms[b]
            cosines[a, b] = min(max(cosine, -1.0), 1.0)
            cosines[b, a] = cosines[a, b]
    return cosines


@register_jitable
def quadratic(matrix: np.ndarray, x: np.ndarray) -> float:
    """x^T M x, not below 0."""
    total = 0.0
    for a in range(len(x)):
        for b in range(len(x)):
            total += x[a] * matrix[a, b] * x[b]
    return max(total, 0.0)


@register_jitable
def solve_on(matrix: np.ndarray, right: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Solve M x = r on some rows and columns of a positive definite matrix, by Cholesky's decomposition.

    Args:
        matrix: (n x n), symmetric.
        right: (n,).
        order: numbers of the rows and columns.

    Returns:
        One number a row in this order; of no length if a row is, to the precision of gradients, a combination of those
        before it.
    """
    size = len(order)
    lower, x = np.zeros((size, size)), np.zeros(size)
    for a in range(size):
        for b in range(a + 1):
            rest = matrix[order[a], order[b]]
            for c in range(b):
                rest -= lower[a, c] * lower[b, c]
            if b < a:
                lower[a, b] = rest / lower[b, b]
            elif rest > ROUNDING * matrix[order[a], order[a]]:
                lower[a, a] = np.sqrt(rest)
            else:
                return x[:0]
    for a in range(size):
        rest = right[order[a]]
        for b in range(a):
            rest -= lower[a, b] * x[b]
        x[a] = rest / lower[a, a]
    for a in range(size - 1, -1, -1):
        rest = x[a]
        for b in range(a + 1, size):
            rest -= lower[b, a] * x[b]
        x[a] = rest / lower[a, a]
    return x


@register_jitable
def nonnegative(matrix: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """The x >= 0 that minimises x^T M x / 2 - s^T x, exactly: active sets (Lawson and Hanson 1974, chapter 23).

    Args:
        matrix: (n x n), the Gram matrix of some vectors.
        slope: (n,), inner products of these vectors with another, so that there is a minimum.

    Returns:
        (n,). Where vectors depend on each other, one of the minima; all give the same combination.
    """
    n = len(slope)
    x, order, size = np.zeros(n), np.empty(n, np.int64), 0
    shut = np.zeros(n, np.bool_)  # in the set, or refused by it as it stands
    for _ in range(10 * n):
        steepest, best = 0.0, -1
        for a in range(n):
            if not shut[a]:
                gain, terms = slope[a], abs(slope[a])
                for b in range(n):
                    gain -= matrix[a, b] * x[b]
                    terms += abs(matrix[a, b]) * x[b]
                if gain > steepest and gain > _SUM_ROUNDING * terms:
                    steepest, best = gain, a
        if best < 0:
            break
        shut[best] = True
        order[size] = best
        target = solve_on(matrix, slope, order[: size + 1])
        if len(target) == 0 or not target[size] > 0:
            continue
        size += 1
        while True:
            step = 1.0
            for a in range(size):
                if target[a] <= 0:
                    step = min(step, x[order[a]] / (x[order[a]] - target[a]))
            kept = 0
            for a in range(size):
                task = order[a]
                leaves = target[a] <= 0 and x[task] / (x[task] - target[a]) <= step
                x[task] = 0.0 if leaves else x[task] + step * (target[a] - x[task])
                if not leaves:
                    order[kept] = task
                    kept += 1
            if kept == size:
                break
            size = kept
            target = solve_on(matrix, slope, order[:size])
            if len(target) < size:
                break
        for a in range(size):
            x[order[a]] = target[a] if len(target) == size else x[order[a]]
        shut[:] = False
        for a in range(size):
            shut[order[a]] = True
    return x


@register_jitable
def shortest(gram: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Weights (tasks,) of the shortest vector in the convex hull of some gradients: not negative, of sum 1.

    Where a gradient is zero, so is that vector, and the weight is that gradient's, or shared by all like it.

    Args:
        gram: inner products of the tasks' gradients (tasks x tasks).
        present: whose gradients span the hull (tasks,); the others' weights are 0.
    """
    weights = np.zeros(len(present))
    tasks = directed(gram, present)
    n_present, n = 0, len(tasks)
    for i in range(len(present)):
        if present[i]:
            n_present += 1
    if n < n_present:
        for i in range(len(present)):
            if present[i] and not gram[i, i] >= NO_DIRECTION:
                weights[i] = 1.0 / (n_present - n)
        return weights
    if n == 0:
        return weights
    norms = norms_of(gram, tasks)
    cosines = cosines_of(gram, tasks, norms)
    # The constraint is that x / norm sums to 1. It enters as one more coordinate of the gradients, which those of
    # nonnegative least squares are to bring to 1: what they leave is the shortest vector, but for its length.
    shares = norms.min() / norms
    for a in range(n):
        for b in range(n):
            cosines[a, b] += shares[a] * shares[b]
    found = nonnegative(cosines, shares) * shares
    total = found.sum()
    if total > 0:
        for a in range(n):
            weights[tasks[a]] = found[a] / total
    return weights


@register_jitable
def eigen(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, not sorted, and eigenvectors (columns) of a Gram matrix, by Jacobi's rotations.

    They keep the relative precision of small eigenvalues that come of small gradients (Demmel and Veselic 1992).
    """
    n = len(matrix)
    left, vectors = matrix.copy(), np.eye(n)
    for _ in range(_SWEEPS):
        turned = False
        for a in range(n):
            for b in range(a + 1, n):
                off = left[a, b]
                if not abs(off) > 2.0**-53 * np.sqrt(abs(left[a, a] * left[b, b])) or abs(off) < 1e-300:
                    continue
                turned = True
                ratio = (left[b, b] - left[a, a]) / (2 * off)
                tangent = 1 / (abs(ratio) + np.sqrt(1 + ratio * ratio))
                tangent = -tangent if ratio < 0 else tangent
                cosine = 1 / np.sqrt(1 + tangent * tangent)
                sine = tangent * cosine
                for c in range(n):
                    first, second = left[c, a], left[c, b]
                    left[c, a], left[c, b] = cosine * first - sine * second, sine * first + cosine * second
                for c in range(n):
                    first, second = left[a, c], left[b, c]
                    left[a, c], left[b, c] = cosine * first - sine * second, sine * first + cosine * second
                for c in range(n):
                    first, second = vectors[c, a], vectors[c, b]
                    vectors[c, a], vectors[c, b] = cosine * first - sine * second, sine * first + cosine * second
                left[a, b] = left[b, a] = 0.0
        if not turned:
            break
    values = np.empty(n)
    for a in range(n):
        values[a] = left[a, a]
    return values, vectors


@register_jitable
def heads_of(present: np.ndarray) -> np.ndarray:
    """Multipliers (2 x tasks) of a direction yet to be set: 0 for shared parameters, 1 for the heads of tasks present.

    Heads belong to one task each, so there is nothing to reconcile: they follow their own task's gradient.
    """
    multipliers = np.zeros((2, len(present)))
    for i in range(len(present)):
        if present[i]:
            multipliers[1, i] = 1.0
    return multipliers
