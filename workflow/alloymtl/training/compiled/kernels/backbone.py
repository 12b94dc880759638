"""Backbones in both directions, for one signal or for several tasks' signals at once.

The gradient of a linear map is the product of what comes back to its outputs (the *signal*) and what went into it. So
the tasks' gradients need not be written out: their signals are enough for the inner products of the gradients and, once
a balancer has weighed the tasks, for the gradient of the weighted sum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alloymtl.training.compiled.jit import inlined, kernel
from alloymtl.training.compiled.kernels.normalisation import drop, normalise, normalise_backward


class Pass(NamedTuple):
    """What a pass through a backbone leaves behind; each layer's block lies behind that of the layer before.

    Attributes:
        x: features of the batch (rows x features).
        h: outputs of the layers, (rows x width) each.
        normed: normalised outputs of their linear maps.
        inverse_sd: 1 / SD of these, (width,) each.
        signals: gradients of the linear maps' outputs, (signals x rows x width) each.
        norms: gradients of scales and shifts, (signals x 2 x sum of widths).
    """

    x: np.ndarray
    h: np.ndarray
    normed: np.ndarray
    inverse_sd: np.ndarray
    signals: np.ndarray
    norms: np.ndarray


@kernel
def room(net, rows, n_signals, like):
    """An empty ``Pass`` for so many rows and signals, in the precision of the array ``like``."""
    units = net.before[-1]
    real = like.dtype
    return Pass(
        np.empty((rows, net.width[0]), real),
        np.empty(rows * units, real),
        np.empty(rows * units, real),
        np.empty(units, real),
        np.empty(n_signals * rows * units, real),
        np.empty((n_signals, 2 * units), real),
    )


@inlined
def input_of(net, layer, n, kept):
    """What went into a layer's linear map (rows x width)."""
    if layer == 0:
        return kept.x[:n]
    return output_of(net, layer - 1, n, kept)


@inlined
def output_of(net, layer, n, kept):
    """What a layer gave (rows x width)."""
    start, width = kept.x.shape[0] * net.before[layer], net.width[layer + 1]
    return kept.h[start : start + n * width].reshape(n, width)


@inlined
def signals_of(net, layer, first, count, n, kept):
    """Signals at a layer, from the one numbered ``first``, one below the other (count x rows, width)."""
    rows, width = kept.x.shape[0], net.width[layer + 1]
    start = kept.norms.shape[0] * rows * net.before[layer] + first * n * width
    return kept.signals[start : start + count * n * width].reshape(count * n, width)


@inlined
def normed_of(net, layer, n, kept):
    """Normalised outputs of a layer's linear map (rows x width)."""
    start, width = kept.x.shape[0] * net.before[layer], net.width[layer + 1]
    return kept.normed[start : start + n * width].reshape(n, width)


@inlined
def weight_of(net, k, layer, w):
    """A layer's weights (out x in), or their gradient, in a vector of parameters."""
    size_in, size_out = net.width[layer], net.width[layer + 1]
    start = net.weight[k, layer]
    return w[start : start + size_out * size_in].reshape(size_out, size_in)


@kernel
def forward(net, k, n, w, statistics, tracks, keep, row, dropped, factor, kept):
    """Outputs of every layer of backbone k for the first n rows of ``kept.x``.

    Args:
        net: the network.
        k: number of the backbone.
        n: rows of the batch.
        w: parameters.
        statistics: running statistics.
        tracks: whether they take the batch in.
        keep: dropout decisions (rows of the epoch x units): layer by layer and in it backbone by backbone.
        row: where the batch begins in it.
        dropped: layers in which units are dropped, from the first.
        factor: what kept units are multiplied by.
        kept: filled.
    """
    for layer in range(len(net.width) - 1):
        width, before = net.width[layer + 1], net.before[layer]
        a, h = normed_of(net, layer, n, kept), output_of(net, layer, n, kept)
        np.dot(input_of(net, layer, n, kept), weight_of(net, k, layer, w).T, a)
        scale, shift = net.scale[k, layer], net.shift[k, layer]
        mean, variance = net.mean[k, layer], net.variance[k, layer]
        normalise(
            a,
            w[scale : scale + width],
            w[shift : shift + width],
            kept.inverse_sd[before : before + width],
            statistics[mean : mean + width],
            statistics[variance : variance + width],
            tracks,
            h,
        )
        if layer < dropped:
            drop(h, keep, row, net.n_backbones * before + k * width, factor)


@kernel
def backward(net, k, n, w, count, top, bottom, dropped, factor, kept):
    """Carry signals down from one layer to another.

    At the layer ``top`` the signals are gradients of the layer's outputs, or already signals where ``top`` is below the
    last layer and it has been passed; on return those of all layers from there down are gradients of the linear maps'
    outputs.

    Args:
        net: the network.
        k: number of the backbone.
        n: rows of the batch.
        w: parameters.
        count: number of signals.
        top: layer to begin with: the last one, whose outputs' gradients are given, or one whose next is done.
        bottom: last layer to do.
        dropped: layers in which units were dropped, from the first.
        factor: what kept units were multiplied by.
        kept: as ``forward`` left it.
    """
    for layer in range(top, bottom - 1, -1):
        width, before = net.width[layer + 1], net.before[layer]
        if layer < len(net.width) - 2:
            above = signals_of(net, layer + 1, 0, count, n, kept)
            np.dot(above, weight_of(net, k, layer + 1, w), signals_of(net, layer, 0, count, n, kept))
        scale = net.scale[k, layer]
        for q in range(count):
            normalise_backward(
                signals_of(net, layer, q, 1, n, kept),
                output_of(net, layer, n, kept),
                normed_of(net, layer, n, kept),
                kept.inverse_sd[before : before + width],
                w[scale : scale + width],
                factor if layer < dropped else 1.0,
                kept.norms[q, 2 * before : 2 * before + width],
                kept.norms[q, 2 * before + width : 2 * before + 2 * width],
            )


@kernel
def gram(net, n, count, bottom, with_norms, kept, products):
    """Inner products of the gradients that signals stand for (count x count), float64; set.

    For inputs X and signals D_q of a linear map, <X^T D_q, X^T D_r> is the sum of (X X^T D_q) o D_r over all entries.

    Args:
        net: the network.
        n: rows of the batch.
        count: number of signals.
        bottom: lowest layer whose parameters count.
        with_norms: whether scales and shifts of batch normalisation count too.
        kept: signals.
        products: (count x count).
    """
    products[:count, :count] = 0.0
    real = kept.x.dtype
    similar = np.empty((n, n), real)
    for layer in range(bottom, len(net.width) - 1):
        x = input_of(net, layer, n, kept)
        np.dot(x, x.T, similar)
        carried = np.empty((n, net.width[layer + 1]), real)
        for q in range(count):
            np.dot(similar, signals_of(net, layer, q, 1, n, kept), carried)
            for r in range(q, count):
                products[q, r] += inner(carried.ravel(), signals_of(net, layer, r, 1, n, kept).ravel())
    for q in range(count):
        for r in range(q, count):
            if with_norms:
                products[q, r] += inner(kept.norms[q], kept.norms[r])
            products[r, q] = products[q, r]


@kernel
def inner(a, b):
    """Inner product of two vectors."""
    total = a.dtype.type(0)
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@kernel
def combine(net, n, count, bottom, multipliers, kept):
    """Replace the first signal by the weighted sum of all, in every layer from ``bottom`` up."""
    for layer in range(bottom, len(net.width) - 1):
        _weighted_sum(signals_of(net, layer, 0, count, n, kept).reshape(count, n * net.width[layer + 1]), multipliers)
    _weighted_sum(kept.norms[:count, 2 * net.before[bottom] :], multipliers)


@kernel
def _weighted_sum(stack, multipliers):
    """The first row becomes the sum of multiplier x row."""
    real = stack.dtype.type
    first = real(multipliers[0])
    for i in range(stack.shape[1]):
        stack[0, i] *= first
    for q in range(1, stack.shape[0]):
        share = real(multipliers[q])
        if share != 0:
            for i in range(stack.shape[1]):
                stack[0, i] += share * stack[q, i]


@kernel
def gradients(net, k, n, q, kept, g):
    """Gradients of backbone k's parameters that signal q stands for; set.

    Args:
        net: the network.
        k: number of the backbone.
        n: rows of the batch.
        q: number of the signal.
        kept: signals of all layers.
        g: gradients, as the parameters lie.
    """
    for layer in range(len(net.width) - 1):
        width, before = net.width[layer + 1], net.before[layer]
        signal = signals_of(net, layer, q, 1, n, kept)
        np.dot(signal.T, input_of(net, layer, n, kept), weight_of(net, k, layer, g))
        scale, shift = net.scale[k, layer], net.shift[k, layer]
        g[scale : scale + width] = kept.norms[q, 2 * before : 2 * before + width]
        g[shift : shift + width] = kept.norms[q, 2 * before + width : 2 * before + 2 * width]


@kernel
def clear(net, k, g):
    """Set the gradients of backbone k's parameters to zero."""
    for layer in range(len(net.width) - 1):
        weight_of(net, k, layer, g)[:] = 0.0
        width, scale, shift = net.width[layer + 1], net.scale[k, layer], net.shift[k, layer]
        g[scale : scale + width] = 0.0
        g[shift : shift + width] = 0.0
