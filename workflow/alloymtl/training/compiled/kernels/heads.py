"""A task's head in both directions: Linear(width, hidden), ReLU, Linear(hidden, 1), or a single Linear(width, 1)."""

from __future__ import annotations

import numpy as np

from alloymtl.training.compiled.jit import kernel


@kernel
def head_forward(h, weight_in, bias_in, weight_out, bias_out, factor, hidden, output):
    """Add factor x the head's outputs to ``output``.

    Args:
        h: representations of the task's rows (rows x width).
        weight_in: (width x hidden), of no columns for a head without hidden units.
        bias_in: (hidden,).
        weight_out: (hidden,), or (width,) for a head without hidden units.
        bias_out: a number.
        factor: a number.
        hidden: activations of the hidden units (rows x hidden); set.
        output: (rows,).
    """
    real = h.dtype.type
    zero, factor_ = real(0), real(factor)
    n = h.shape[0]
    if weight_in.shape[1] > 0:
        np.dot(h, weight_in, hidden)
        for i in range(n):
            total = real(bias_out)
            for j in range(hidden.shape[1]):
                active = max(hidden[i, j] + bias_in[j], zero)
                hidden[i, j] = active
                total += active * weight_out[j]
            output[i] += factor_ * total
    else:
        for i in range(n):
            total = real(bias_out)
            for j in range(h.shape[1]):
                total += h[i, j] * weight_out[j]
            output[i] += factor_ * total


@kernel
def head_backward(d_output, h, weight_in, weight_out, factor, hidden, d_weight_in, d_bias_in, d_weight_out, d_h):
    """Gradients of a head's parameters and of the representations that it was given; all are set, none added to.

    Args:
        d_output: gradient of what ``head_forward`` added to (rows,).
        h: as given to it.
        weight_in: likewise.
        weight_out: likewise.
        factor: likewise.
        hidden: activations that it set; becomes their gradient.
        d_weight_in: (width x hidden).
        d_bias_in: (hidden,).
        d_weight_out: as ``weight_out``.
        d_h: (rows x width).

    Returns:
        Gradient of ``bias_out``.
    """
    real = h.dtype.type
    zero, factor_ = real(0), real(factor)
    n = h.shape[0]
    d_weight_out[:] = zero
    d_bias_out = zero
    if weight_in.shape[1] > 0:
        d_bias_in[:] = zero
        for i in range(n):
            d = factor_ * d_output[i]
            d_bias_out += d
            for j in range(hidden.shape[1]):
                active = hidden[i, j]
                d_weight_out[j] += d * active
                e = d * weight_out[j] if active > zero else zero
                hidden[i, j] = e
                d_bias_in[j] += e
        np.dot(h.T, hidden, d_weight_in)
        np.dot(hidden, weight_in.T, d_h)
    else:
        for i in range(n):
            d = factor_ * d_output[i]
            d_bias_out += d
            for j in range(h.shape[1]):
                d_weight_out[j] += d * h[i, j]
                d_h[i, j] = d * weight_out[j]
    return d_bias_out
