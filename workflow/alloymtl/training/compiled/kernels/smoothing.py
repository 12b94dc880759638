"""Calibration of features by the statistics of their labels' bins (arXiv:2102.09554), in both directions."""

from __future__ import annotations

from alloymtl.training.compiled.jit import kernel


@kernel
def calibrate(h, bins, own, factor, smoothed):
    """h becomes (h - own) x factor + smoothed, by the bin of each row.

    Args:
        h: features (rows x width), changed in place.
        bins: bin of each row, or -1 for one that stays as it is.
        own: mean of each bin (bins x width).
        factor: ratio of SDs.
        smoothed: smoothed mean.
    """
    for i in range(h.shape[0]):
        b = bins[i]
        if b >= 0:
            for j in range(h.shape[1]):
                h[i, j] = (h[i, j] - own[b, j]) * factor[b, j] + smoothed[b, j]


@kernel
def calibrate_backward(d, bins, factor):
    """Gradient of the features from that of the calibrated ones, in place (rows x width)."""
    for i in range(d.shape[0]):
        b = bins[i]
        if b >= 0:
            for j in range(d.shape[1]):
                d[i, j] *= factor[b, j]
