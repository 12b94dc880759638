"""The gradients of ``methods.optimisers.flat``, which says what they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alloymtl.training.compiled.jit import kernel
from alloymtl.training.compiled.kernels.backbone import forward, inner
from alloymtl.training.compiled.kernels.explicit import gradient_of_task
from alloymtl.training.compiled.kernels.graph import graph_forward
from alloymtl.training.compiled.kernels.tasks import move_heads, share_of


class Sharp(NamedTuple):
    """What the gradients of flat minima are made in; shared parameters and heads apart.

    Attributes:
        plain: each task's gradient on the shared parameters (tasks x parameters), 0 for heads.
        steep: where its loss is sharpest nearby; then what that has more.
        heads: gradients on the heads, of all tasks (parameters,).
        steep_heads: where their losses are sharpest nearby.
        moved: parameters there.
    """

    plain: np.ndarray
    steep: np.ndarray
    heads: np.ndarray
    steep_heads: np.ndarray
    moved: np.ndarray


@kernel
def sharp_room(n_tasks, like):
    """An empty ``Sharp``, in the precision of the array ``like``."""
    n = like.size
    return Sharp(
        np.zeros((n_tasks, n), like.dtype),
        np.zeros((n_tasks, n), like.dtype),
        np.zeros(n, like.dtype),
        np.zeros(n, like.dtype),
        np.zeros(n, like.dtype),
    )


@kernel
def products_of(stack, present):
    """Inner products of the present tasks' gradients (tasks x tasks), float64; 0 for the others."""
    n = len(present)
    found = np.zeros((n, n))
    for q in range(n):
        for r in range(q, n):
            if present[q] and present[r]:
                found[q, r] = inner(stack[q], stack[r])
                found[r, q] = found[q, r]
    return found


@kernel
def sharp_gradients(
    net, n, batch, row, rows, loss, coefficients, settings, sigma, graph, calibration, dropout, kept, on, state, sharp
):
    """Fill ``sharp``, and return the inner products of its gradients: of the plain ones, of what the steep have more.

    ``on.losses`` become the weighted losses of the step.

    Args:
        net: the network, with one backbone.
        n: rows of the batch.
        batch: their numbers.
        row: where the batch begins in the epoch.
        rows: training rows.
        loss: loss of the regression tasks.
        coefficients: static weights of the tasks' losses (tasks,).
        settings: numbers.
        sigma: SD of the noise of the regression tasks.
        graph: as ``graph_forward`` left it; as it is found again.
        calibration: smoothing of features.
        dropout: of the epoch.
        kept: as ``forward`` left it; changed.
        on: which rows the batch holds of each task.
        state: parameters.
        sharp: filled.
    """
    w, present = state.w, on.count > 0
    for t in range(net.n_tasks):
        if present[t]:
            share = share_of(on, t, coefficients, settings.label_mean)
            gradient_of_task(
                net, t, n, batch, row, rows, loss, share, w, sigma, settings.alpha, graph, calibration, dropout, kept,
                on, sharp.plain[t],
            )  # fmt: skip
            on.losses[t] *= share
            move_heads(net, t, sharp.plain[t], sharp.heads)
    products = products_of(sharp.plain, present)
    losses, plain, d_sigma = on.losses.copy(), on.plain.copy(), on.d_sigma.copy()
    for t in range(net.n_tasks):
        if present[t]:
            _climb(net, t, w, sharp, settings)
            if net.embedding > 0:
                graph_forward(net, sharp.moved, graph)
            forward(
                net, 0, n, sharp.moved, state.statistics, False, dropout.keep, row, dropout.in_backbone, dropout.factor,
                kept,
            )  # fmt: skip
            share = share_of(on, t, coefficients, settings.label_mean)
            gradient_of_task(
                net, t, n, batch, row, rows, loss, share, sharp.moved, sigma, settings.alpha, graph, calibration,
                dropout, kept, on, sharp.steep[t],
            )  # fmt: skip
            move_heads(net, t, sharp.steep[t], sharp.steep_heads)
            for i in range(w.size):
                sharp.steep[t, i] -= sharp.plain[t, i]
    on.losses[:], on.plain[:], on.d_sigma[:] = losses, plain, d_sigma
    if net.embedding > 0:
        graph_forward(net, w, graph)
    return products, products_of(sharp.steep, present)


@kernel
def _climb(net, t, w, sharp, settings):
    """Set ``sharp.moved`` to where the task's loss is sharpest nearby."""
    real = w.dtype.type
    own = np.zeros_like(w)
    copied = sharp.heads.copy()
    move_heads(net, t, copied, own)
    of_shared, of_own = np.sqrt(inner(sharp.plain[t], sharp.plain[t])), np.sqrt(inner(own, own))
    shared_step = real(settings.radius_shared / of_shared) if of_shared > 0 else real(0)
    own_step = real(settings.radius_own / of_own) if of_own > 0 else real(0)
    for i in range(w.size):
        sharp.moved[i] = w[i] + shared_step * sharp.plain[t, i] + own_step * own[i]


@kernel
def combine_sharp(net, multipliers, of_steep, present, sharp, g):
    """Set the gradients of all parameters: Agg(plain) + Agg(what the steep ones have more), and heads their steep ones.

    Args:
        net: the network.
        multipliers: of the plain gradients, for shared parameters and for heads (2 x tasks).
        of_steep: of the second sum (2 x tasks).
        present: which tasks the batch holds (tasks,).
        sharp: the gradients.
        g: set.
    """
    real = g.dtype.type
    g[:] = 0.0
    for t in range(net.n_tasks):
        if present[t]:
            move_heads(net, t, sharp.steep_heads, g)
            for part in range(2):
                share = real(multipliers[0, t]) if part == 0 else real(of_steep[0, t])
                stack = sharp.plain[t] if part == 0 else sharp.steep[t]
                for i in range(g.size):
                    g[i] += share * stack[i]
