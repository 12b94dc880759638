"""Batch normalisation with ReLU and dropout: the one place for both directions of what follows a linear map."""

from __future__ import annotations

import numpy as np

from alloymtl.training.compiled.jit import kernel

EPSILON, _MOMENTUM = 1e-5, 0.1  # torch's own defaults


@kernel
def normalise(a, scale, shift, inverse_sd, running_mean, running_variance, tracks, h):
    """h = max(scale x (a - mean) / sd + shift, 0), with mean and SD over the rows of the batch.

    Args:
        a: outputs of a linear map (rows x width); becomes (a - mean) / sd.
        scale: (width,).
        shift: (width,).
        inverse_sd: 1 / sd (width,), for the way back; set.
        running_mean: (width,), changed in place where ``tracks``.
        running_variance: (width,), likewise; that of the batch comes in unbiased.
        tracks: whether the running statistics take the batch in.
        h: (rows x width); set.
    """
    real = a.dtype.type
    n, width = a.shape
    share, zero = real(1.0 / n), real(0)
    mean, variance = np.zeros(width, a.dtype), np.zeros(width, a.dtype)
    for i in range(n):
        for j in range(width):
            mean[j] += a[i, j]
    for j in range(width):
        mean[j] *= share
    for i in range(n):
        for j in range(width):
            centred = a[i, j] - mean[j]
            a[i, j] = centred
            variance[j] += centred * centred
    for j in range(width):
        variance[j] *= share
        inverse_sd[j] = real(1) / np.sqrt(variance[j] + real(EPSILON))
    if tracks:
        momentum, unbiased = real(_MOMENTUM), real(n / (n - 1.0))
        for j in range(width):
            running_mean[j] += momentum * (mean[j] - running_mean[j])
            running_variance[j] += momentum * (variance[j] * unbiased - running_variance[j])
    for i in range(n):
        for j in range(width):
            normed = a[i, j] * inverse_sd[j]
            a[i, j] = normed
            h[i, j] = max(normed * scale[j] + shift[j], zero)


@kernel
def normalise_backward(d, h, normed, inverse_sd, scale, factor, d_scale, d_shift):
    """Gradient of the linear map's outputs from that of what ``normalise`` (and dropout after it) made of them.

    With e = factor x d where h > 0, else 0 (a dropped unit is 0, like one that ReLU cut), the gradient is
    scale / sd x (e - mean(e) - normed x mean(e x normed)), means over the rows (Ioffe and Szegedy 2015).

    Args:
        d: gradient of h (rows x width); becomes that of the linear map's outputs.
        h: what the layer gave, after dropout.
        normed: (a - mean) / sd.
        inverse_sd: (width,).
        scale: (width,).
        factor: what dropout multiplied kept units by.
        d_scale: gradient of ``scale`` (width,); set.
        d_shift: gradient of ``shift`` (width,); set.
    """
    real = d.dtype.type
    n, width = d.shape
    zero, share = real(0), real(1.0 / n)
    factor_ = real(factor)
    d_scale[:] = zero
    d_shift[:] = zero
    for i in range(n):
        for j in range(width):
            e = factor_ * d[i, j] if h[i, j] > zero else zero
            d[i, j] = e
            d_shift[j] += e
            d_scale[j] += e * normed[i, j]
    for i in range(n):
        for j in range(width):
            spread = d_shift[j] + normed[i, j] * d_scale[j]
            d[i, j] = scale[j] * inverse_sd[j] * (d[i, j] - share * spread)


@kernel
def drop(h, keep, row, column, factor):
    """Dropout in place: units that are not kept become 0, the others are multiplied.

    Args:
        h: (rows x width).
        keep: 1 for a unit that is kept (rows of the epoch x units), of which a block is meant.
        row: first row of the block.
        column: first column of the block.
        factor: 1 / (1 - probability of dropping).
    """
    real = h.dtype.type
    factor_, zero = real(factor), real(0)
    n, width = h.shape
    for i in range(n):
        kept = keep[row + i, column : column + width]
        for j in range(width):
            h[i, j] = factor_ * h[i, j] if kept[j] != 0 else zero
