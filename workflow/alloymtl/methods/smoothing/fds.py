"""Feature distribution smoothing (Yang et al., arXiv:2102.09554).

Rows whose labels are near should have like features. The training labels of each regression task are binned over their
range; mean and variance of the features of each bin are tracked from epoch to epoch, smoothed over neighbouring bins,
and the features of a training row are moved from their bin's own mean and variance to the smoothed ones before its head
sees them. Nothing of this happens in evaluation.

This is what arXiv:2512.22740 cites as FDS, not what it describes (see the loss ``density``). The released code bins by
whole labels, which standardised targets never are: smoothing would then change nothing. Here bins follow the labels.

With ``variant: released`` smoothed statistics are those of the epoch before and the bins' own ones are newer, as in the
authors' code, which also makes smoothing the identity in its first epoch. That code works in place, so that it collects
features which were smoothed already; this is an accident of its memory and is not copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from alloymtl.errors import UserError
from alloymtl.methods.losses._label_bins import check, edges, window

OPTIONS = {
    "bins": 50,
    "ks": 5,
    "sigma": 2.0,
    "momentum": 0.9,
    "start_update": 0,
    "start_smooth": 1,
    "clip_low": 0.1,
    "clip_high": 10.0,
    "variant": "paper",
}
CHOICES = {"variant": ["paper", "released"]}


def bin_statistics(h: Tensor, bins: Tensor, n_bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of each bin (bins,), and mean and unbiased variance of their features, each (bins x width), float64.

    A single row has variance 0; an empty bin has mean and variance 0.

    Args:
        h: features (rows x width).
        bins: bin of each row.
        n_bins: number of bins.
    """
    h = h.double()
    count = torch.bincount(bins, minlength=n_bins)
    zeros = h.new_zeros(n_bins, h.shape[1])
    mean = zeros.index_add(0, bins, h) / count.clamp(min=1)[:, None]
    variance = zeros.index_add(0, bins, (h - mean[bins]).square()) / (count - 1).clamp(min=1)[:, None]
    return count, mean, variance


def fill_empty(statistic: Tensor, empty: Tensor) -> None:
    """Give each empty bin, from the first up, the mean of its neighbours as they are by then; in place.

    Args:
        statistic: (bins x width).
        empty: whether a bin has no row, (bins,).
    """
    last = len(statistic) - 1
    for k in torch.nonzero(empty)[:, 0].tolist():
        below, above = (k - 1 if k > 0 else k + 1), (k + 1 if k < last else k - 1)
        statistic[k] = (statistic[below] + statistic[above]) / 2


def smoother(n_bins: int, ks: int, sigma: float) -> np.ndarray:
    """Matrix (bins x bins) that smooths a statistic over bins: a window of sum 1, reflected at the ends."""
    kernel = window(ks, sigma)
    rows = np.pad(np.eye(n_bins), ((ks // 2, ks // 2), (0, 0)), mode="reflect")
    return sum(share * rows[start : start + n_bins] for start, share in enumerate(kernel / kernel.sum()))


def calibrate(
    h: Tensor, own: tuple[Tensor, Tensor], smoothed: tuple[Tensor, Tensor], clip: tuple[float, float]
) -> Tensor:
    """(h - m1) sqrt(clip(v2 / v1)) + m2: features moved from their bin's statistics to the smoothed ones.

    A feature that does not vary in its bin is left alone, and so is a row in whose bin next to nothing varies.

    Args:
        h: features (... x width).
        own: mean m1 and variance v1 of the row's bin, of the shape of ``h``.
        smoothed: mean m2 and variance v2 smoothed over bins.
        clip: smallest and largest factor between the variances.
    """
    (m1, v1), (m2, v2) = own, smoothed
    varies = (v1 > 0) & (v1.sum(-1, keepdim=True) >= 1e-10)
    factor = (v2 / torch.where(varies, v1, 1.0)).clamp(*clip)
    return torch.where(varies, (h - m1) * factor.sqrt() + m2, h)


class Smoothing(nn.Module):
    """Tracks the features' statistics and calibrates the features of training rows, for each regression task by itself.

    Args:
        y: standardised training targets of all tasks (rows x tasks), NaN where there is none; a task without any, such
            as a classification, is left alone.
        width: features of a row, the width of the representation.
        options: ``bins`` over the range of a task's labels; ``ks`` and ``sigma`` of the window in bins; ``momentum`` of
            the running statistics; first epochs ``start_update`` of tracking and ``start_smooth`` of smoothing, counted
            from 0; bounds ``clip_low`` and ``clip_high`` of the variances' ratio; ``variant``.

    Raises:
        UserError: no bins, an even ``ks`` or one wider than the bins, a ``sigma`` of 0, a ``momentum`` above 1.
    """

    def __init__(self, y: np.ndarray, width: int, options: Mapping[str, Any]) -> None:
        super().__init__()
        check(options, "smoothing_options")
        bins, n_tasks = options["bins"], y.shape[1]
        if options["ks"] // 2 >= bins:
            raise UserError("smoothing_options.ks", f"the window is wider than {bins} bins reflect.", "lower it.")
        if options["momentum"] > 1:
            raise UserError("smoothing_options.momentum", "more than 1 keeps more than all.", "the default is 0.9.")
        self.options = dict(options)
        dtype = torch.get_default_dtype()
        bounds = [edges(t[~np.isnan(t)].astype(np.float64), bins) for t in y.T]
        constants = {
            "bin_edges": np.reshape(bounds, (n_tasks, bins + 1)),
            "smoother": smoother(bins, options["ks"], options["sigma"]),
        }
        for name, value in constants.items():
            self.register_buffer(name, torch.as_tensor(value, dtype=dtype), persistent=False)
        self.register_buffer("regression", torch.from_numpy(~np.isnan(y).all(axis=0)), persistent=False)
        for name in ("running", "smoothed"):
            self.register_buffer(f"{name}_mean", torch.zeros(n_tasks, bins, width, dtype=dtype))
            self.register_buffer(f"{name}_variance", torch.ones(n_tasks, bins, width, dtype=dtype))

    def bin_of(self, y: Tensor) -> Tensor:
        """Bin of each label, (tasks x rows), of targets (rows x tasks); of no meaning where there is none."""
        found = torch.searchsorted(self.bin_edges, y.nan_to_num().T.contiguous(), right=True) - 1
        return found.clamp(0, self.options["bins"] - 1)

    def forward(self, h: Tensor, y: Tensor, epoch: int) -> Tensor:
        """Features for each task's head, (tasks x batch x width): calibrated where the row has that task's label.

        Args:
            h: representation (batch x width), or one for each task (tasks x batch x width).
            y: standardised targets (batch x tasks), NaN where there is no label.
            epoch: counted from 0.
        """
        h = h.expand(len(self.bin_edges), *h.shape[-2:])
        # The released code's first smoothed statistics come one epoch later.
        first = self.options["start_update"] + (2 if self.options["variant"] == "released" else 1)
        if epoch < max(self.options["start_smooth"], first):
            return h
        bins = self.bin_of(y)
        task = torch.arange(len(bins))[:, None]
        own = self.running_mean[task, bins], self.running_variance[task, bins]
        smoothed = self.smoothed_mean[task, bins], self.smoothed_variance[task, bins]
        calibrated = calibrate(h, own, smoothed, (self.options["clip_low"], self.options["clip_high"]))
        moved = self.regression[:, None] & ~y.isnan().T
        return torch.where(moved[..., None], calibrated, h)

    @torch.no_grad()
    def end_of_epoch(self, h: Tensor, y: Tensor, epoch: int) -> None:
        """Take in the features of all training rows as they are before smoothing.

        Args:
            h: representation (rows x width), or one for each task (tasks x rows x width).
            y: standardised targets (rows x tasks), NaN where there is no label.
            epoch: the epoch that ends, counted from 0.
        """
        start = self.options["start_update"]
        if epoch < start:
            return
        if self.options["variant"] == "released" and epoch > start:
            self._smooth()
        h = h.expand(len(self.bin_edges), *h.shape[-2:])
        kept = 0.0 if epoch == start else self.options["momentum"]
        bins = self.bin_of(y)
        for task in torch.nonzero(self.regression)[:, 0].tolist():
            rows = ~y[:, task].isnan()
            count, *now = bin_statistics(h[task, rows], bins[task, rows], self.options["bins"])
            for running, new in zip((self.running_mean[task], self.running_variance[task]), now, strict=True):
                seen = count > 0
                running[seen] = (kept * running[seen] + (1 - kept) * new[seen]).to(running.dtype)
                fill_empty(running, ~seen)
        if self.options["variant"] == "paper":
            self._smooth()

    def _smooth(self) -> None:
        self.smoothed_mean.copy_(self.smoother @ self.running_mean)
        self.smoothed_variance.copy_(self.smoother @ self.running_variance)
