"""The pull of soft parameter sharing (arXiv:2512.22740, equations 4 and 9)."""

from __future__ import annotations

import numpy as np

from alloymtl.training.compiled.jit import kernel


@kernel
def couple(net, w, coupling, g):
    """Add the gradient of coupling x sum over pairs of the squared distance of two backbones' parameters.

    The sum over pairs of T vectors is T times the sum of squared distances from their mean, so the gradient for one of
    them is 2 x coupling x T x (vector - mean).

    Args:
        net: the network, with a backbone for each task.
        w: parameters.
        coupling: strength of the pull.
        g: gradients, added to.
    """
    for layer in range(len(net.width) - 1):
        _pull(w, net.weight[:, layer], net.width[layer] * net.width[layer + 1], coupling, g)
        _pull(w, net.scale[:, layer], net.width[layer + 1], coupling, g)
        _pull(w, net.shift[:, layer], net.width[layer + 1], coupling, g)


@kernel
def _pull(w, starts, size, coupling, g):
    real = w.dtype.type
    count = len(starts)
    pull, share = real(2.0 * coupling * count), real(1.0 / count)
    mean = np.zeros(size, w.dtype)
    for start in starts:
        own = w[start : start + size]
        for i in range(size):
            mean[i] += share * own[i]
    for start in starts:
        own, slope = w[start : start + size], g[start : start + size]
        for i in range(size):
            slope[i] += pull * (own[i] - mean[i])
