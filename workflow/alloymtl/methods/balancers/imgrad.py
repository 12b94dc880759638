"""IMGrad: the conflict-averse direction, its two aims weighed by how imbalanced the tasks are (Zhou et al. 2025).

g_0 is the mean of the gradients and g_m the point of smallest norm in their convex hull; their cosine is small where a
large gradient rules the mean. The weights w of g_w = sum_i w_i g_i, not negative and of sum 1, minimise

    (offset - cosine) g_w . g_0 + cosine * radius * ||g_w||,    radius = ``c`` ||g_0||,

and the direction is g_0 + radius * g_w / ||g_w||. The offset is 1 in the paper (equation 11, where the norm is printed
squared). ``variant: released`` is as in the authors' code: an offset of 1.5, the direction divided by 1 + c ** 2 and
multiplied by the number of tasks present, since the mean gradient is of the sum's size divided by it.

The paper's direction is of the mean's size, so the heads get the same 1 / (tasks present), and the ratio of heads to
backbone stays that of the plain sum; in the released variant they get 1.

Absent tasks: the problem is that of the tasks present. A gradient of zero is a gradient like any: then g_m is zero.
Where g_m is zero to the precision of gradients, the cosine counts as 0, its limit; where ||g_w|| or g_0 is, the
direction is g_0.

Both problems are solved exactly: that of g_m as by MGDA, that of w on each of the 2 ** tasks - 1 faces of the simplex.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba.extending import register_jitable

from alloymtl.methods.balancers._common import coefficients, initial_state, n_draws
from alloymtl.methods.balancers._gram import ROUNDING, quadratic, shortest, solve_on

OPTIONS = {"c": 0.8, "variant": "paper", "power": 0.0}
CHOICES = {"variant": ["paper", "released"]}
GRADIENTS = "shared"

__all__ = ["balance", "coefficients", "initial_state", "n_draws", "settings"]

_OFFSETS = (1.0, 1.5)
_RELEASED = 1.0  # place in CHOICES["variant"]
_NO_DIRECTION = 1e-60  # squared norm below which single precision knows no direction
_NO_NORM = 1e-12  # norm, relative to the largest gradient's, that is rounding alone


def settings(options: Mapping[str, Any]) -> np.ndarray:
    """What ``balance`` needs to know: ``c``, the place of ``variant`` among its choices, and its offset."""
    variant = CHOICES["variant"].index(options["variant"])
    return np.array([float(options["c"]), float(variant), _OFFSETS[variant]])


@register_jitable
def _members(face: int, n: int) -> np.ndarray:
    """Tasks that a face, given as a number whose binary digits tell who belongs to it, lets take part."""
    found, count = np.zeros(n, dtype=np.int64), 0
    for i in range(n):
        if (face >> i) & 1:
            found[count] = i
            count += 1
    return found[:count]


@register_jitable
def lowest(gram: np.ndarray, linear: np.ndarray, pull: float) -> np.ndarray:
    """Weights, not negative and of sum 1, that minimise linear . w + pull * sqrt(w' gram w).

    Where the minimum lies inside a face, x = (pull / ||g_w||) w solves gram x = nu 1 - linear there, and x' gram x =
    pull ** 2 is a quadratic equation for nu whose larger root makes x sum to more than 0. A face without a real root
    has no minimum inside. A face of linearly dependent gradients needs no look: the hull does not hold zero, or
    ``pull`` would be 0, so along it the function grows in proportion, and reaches its minimum on a smaller face too.

    Args:
        gram: inner products (tasks x tasks), the largest diagonal entry of the order of 1.
        linear: (tasks,).
        pull: at least 0.
    """
    n = len(gram)
    best, least = np.zeros(n), np.inf
    for face in range(1, 2**n):
        chosen = _members(face, n)
        w = np.zeros(n)
        if len(chosen) == 1:
            w[chosen[0]] = 1.0
        else:
            of_ones, of_linear = solve_on(gram, np.ones(n), chosen), solve_on(gram, linear, chosen)
            if len(of_ones) == 0:
                continue
            ones, mixed, own = of_ones.sum(), of_linear.sum(), 0.0
            for i in range(len(chosen)):
                own += linear[chosen[i]] * of_linear[i]
            root = mixed * mixed - ones * (own - pull * pull)
            if not root > 0:
                continue
            nu, total, inside = (mixed + np.sqrt(root)) / ones, 0.0, True
            for i in range(len(chosen)):
                x = nu * of_ones[i] - of_linear[i]
                inside = inside and x >= 0
                w[chosen[i]] = x
                total += x
            if not inside or not total > 0:
                continue
            w /= total
        value = pull * np.sqrt(quadratic(gram, w))
        for i in range(n):
            value += linear[i] * w[i]
        if value < least:
            best, least = w, value
    return best


def balance(
    losses: np.ndarray,
    gram: np.ndarray,
    present: np.ndarray,
    draws: np.ndarray,
    state: np.ndarray,
    settings: np.ndarray,
) -> np.ndarray:
    """Multipliers that turn the gradients of the tasks into IMGrad's direction.

    Args:
        losses: statically weighted loss of each task (tasks,); only their number is used.
        gram: inner products of the gradients of these losses on all shared parameters (tasks x tasks).
        present: whether the batch holds a labelled row of the task (tasks,).
        draws: empty.
        state: empty.
        settings: as the function of that name gives.

    Returns:
        (2 x tasks): factors of each task's gradient, for shared parameters and for heads; 0 for absent tasks.
    """
    n, c, released = len(losses), settings[0], settings[1] == _RELEASED
    here = np.flatnonzero(present)
    count, multipliers = len(here), np.zeros((2, n))
    largest = 0.0
    for i in here:
        largest = max(largest, gram[i, i])
        multipliers[0, i] = 1.0 / count
        multipliers[1, i] = 1.0 if released else 1.0 / count
    if largest >= _NO_DIRECTION:
        scaled, linear = np.zeros((count, count)), np.zeros(count)  # in units in which the largest norm is 1
        for i in range(count):
            for j in range(count):
                scaled[i, j] = gram[here[i], here[j]] / largest
                linear[i] += scaled[i, j] / count
        nearest = shortest(scaled, np.ones(count, np.bool_))
        of_mean = np.sqrt(quadratic(scaled, np.full(count, 1.0 / count)))
        of_nearest, product, parts = np.sqrt(quadratic(scaled, nearest)), 0.0, 0.0
        for i in range(count):
            product += nearest[i] * linear[i]
            parts += nearest[i] * np.sqrt(scaled[i, i])
        cosine = 0.0
        if of_mean > _NO_NORM and of_nearest > np.sqrt(ROUNDING) * parts:
            cosine = min(max(product / (of_mean * of_nearest), 0.0), 1.0)
        radius = c * of_mean
        w = lowest(scaled, (settings[2] - cosine) * linear, cosine * radius)
        length = np.sqrt(quadratic(scaled, w))
        if length > _NO_NORM:
            for i in range(count):
                multipliers[0, here[i]] += radius / length * w[i]
    if released:
        for i in here:
            multipliers[0, i] *= count / (1 + c * c)
    return multipliers
