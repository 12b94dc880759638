"""Adam (Kingma and Ba 2015) with weight decay added to the gradient, as torch.optim.Adam has it."""

from __future__ import annotations

import numpy as np

from alloymtl.training.compiled.jit import kernel

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


@kernel
def adam(w, g, m, v, rate, decay, step):
    """One update of the parameters, in place.

    Args:
        w: parameters (numbers,).
        g: their gradients.
        m: first moments, changed in place.
        v: second moments, changed in place.
        rate: learning rate.
        decay: weight decay.
        step: number of this update, from 1.
    """
    real = w.dtype.type
    size = real(rate / (1.0 - _BETA_1**step))
    unbias = real(1.0 / np.sqrt(1.0 - _BETA_2**step))
    decay_, epsilon = real(decay), real(_EPSILON)
    keep_1, take_1, keep_2, take_2 = real(_BETA_1), real(1 - _BETA_1), real(_BETA_2), real(1 - _BETA_2)
    for i in range(w.size):
        slope = g[i] + decay_ * w[i]
        first = keep_1 * m[i] + take_1 * slope
        second = keep_2 * v[i] + take_2 * slope * slope
        m[i] = first
        v[i] = second
        w[i] -= size * first / (np.sqrt(second) * unbias + epsilon)
