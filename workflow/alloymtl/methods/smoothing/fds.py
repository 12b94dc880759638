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

What is here tells by which numbers features are moved; an engine moves them (see ``Smoothing.calibration``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from alloymtl.errors import UserError
from alloymtl.methods.losses._label_bins import bin_of, check, edges, window

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

_STATE = ("running_mean", "running_variance", "smoothed_mean", "smoothed_variance")


def rows_by_bin(bins: np.ndarray, n_bins: int) -> list[np.ndarray]:
    """Row numbers of each bin, ascending.

    Args:
        bins: bin of each row, -1 for a row in none.
        n_bins: number of bins.
    """
    order = np.argsort(bins, kind="stable")
    cuts = np.searchsorted(bins[order], np.arange(n_bins + 1))
    return [order[start:stop] for start, stop in pairwise(cuts)]


def bin_statistics(h: np.ndarray, members: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and unbiased variance of the features of each bin, each (bins x width), float64.

    A single row has variance 0; an empty bin has mean and variance 0. The variance is that about the mean found before:
    the difference of two sums would be rounding noise for a feature that does not vary.

    Args:
        h: features (rows x width).
        members: rows of each bin.
    """
    mean, variance = np.zeros((2, len(members), h.shape[1]))
    for k, rows in enumerate(members):  # bin by bin, so that what is at work stays small
        if len(rows):
            here = h[rows].astype(np.float64)
            mean[k] = here.sum(axis=0) / len(rows)
            here -= mean[k]
            variance[k] = np.square(here, out=here).sum(axis=0) / max(len(rows) - 1, 1)
    return mean, variance


def fill_empty(statistic: np.ndarray, empty: np.ndarray) -> None:
    """Give each empty bin, from the first up, the mean of its neighbours as they are by then; in place.

    Args:
        statistic: (bins x width).
        empty: whether a bin has no row, (bins,).
    """
    last = len(statistic) - 1
    for k in np.flatnonzero(empty):
        below, above = (k - 1 if k > 0 else k + 1), (k + 1 if k < last else k - 1)
        statistic[k] = (statistic[below] + statistic[above]) / 2


def smoother(n_bins: int, ks: int, sigma: float) -> np.ndarray:
    """Matrix (bins x bins) that smooths a statistic over bins: a window of sum 1, reflected at the ends."""
    kernel = window(ks, sigma)
    rows = np.pad(np.eye(n_bins), ((ks // 2, ks // 2), (0, 0)), mode="reflect")
    return sum(share * rows[start : start + n_bins] for start, share in enumerate(kernel / kernel.sum()))


class Smoothing:
    """Tracks the features' statistics and tells how to move those of training rows, for each regression task by itself.

    Args:
        y: standardised training targets of all tasks (rows x tasks), NaN where there is none; a task without any, such
            as a classification, is left alone.
        width: features of a row, the width of the representation.
        options: ``bins`` over the range of a task's labels; ``ks`` and ``sigma`` of the window in bins; ``momentum`` of
            the running statistics; first epochs ``start_update`` of tracking and ``start_smooth`` of smoothing, counted
            from 0; bounds ``clip_low`` and ``clip_high`` of the variances' ratio; ``variant``.

    Attributes:
        bins: bin of each training row's label for each task (tasks x rows), int64, -1 where there is none.
        running_mean: of the features of each bin (tasks x bins x width), float64, and so are the next three.
        running_variance: likewise.
        smoothed_mean: the same, smoothed over bins.
        smoothed_variance: likewise.

    Raises:
        UserError: no bins, an even ``ks`` or one wider than the bins, a ``sigma`` of 0, a ``momentum`` above 1.
    """

    def __init__(self, y: np.ndarray, width: int, options: Mapping[str, Any]) -> None:
        check(options, "smoothing_options")
        n_bins, (n_rows, n_tasks) = options["bins"], y.shape
        if options["ks"] // 2 >= n_bins:
            raise UserError("smoothing_options.ks", f"the window is wider than {n_bins} bins reflect.", "lower it.")
        if options["momentum"] > 1:
            raise UserError("smoothing_options.momentum", "more than 1 keeps more than all.", "the default is 0.9.")
        self.options = dict(options)
        self.bins = np.full((n_tasks, n_rows), -1, dtype=np.int64)
        for task, labels in enumerate(y.T.astype(np.float64)):
            there = ~np.isnan(labels)
            if there.any():
                self.bins[task, there] = bin_of(labels[there], edges(labels[there], n_bins))
        self._members = [rows_by_bin(bins, n_bins) for bins in self.bins]
        self._smoother = smoother(n_bins, options["ks"], options["sigma"])
        shape = (n_tasks, n_bins, width)
        self.running_mean, self.smoothed_mean = np.zeros(shape), np.zeros(shape)
        self.running_variance, self.smoothed_variance = np.ones(shape), np.ones(shape)

    def calibration(self, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Tables (own, factor, smoothed), each (tasks x bins x width), float64; None while nothing is moved yet.

        For the head of task t the features h of a training row in bin b become (h - own[t, b]) * factor[t, b] +
        smoothed[t, b], that is (h - m1) sqrt(clip(v2 / v1)) + m2 with mean m1 and variance v1 of the bin and m2 and v2
        smoothed over bins. A feature that does not vary in its bin is left alone (by 0, 1, 0), and so is a row in whose
        bin next to nothing varies.

        Args:
            epoch: counted from 0.
        """
        # The released code's first smoothed statistics come one epoch later.
        first = self.options["start_update"] + (2 if self.options["variant"] == "released" else 1)
        if epoch < max(self.options["start_smooth"], first):
            return None
        v1 = self.running_variance
        varies = (v1 > 0) & (v1.sum(axis=-1, keepdims=True) >= 1e-10)
        ratio = self.smoothed_variance / np.where(varies, v1, 1.0)
        factor = np.sqrt(np.clip(ratio, self.options["clip_low"], self.options["clip_high"]))
        own, smoothed = (np.where(varies, mean, 0.0) for mean in (self.running_mean, self.smoothed_mean))
        return own, np.where(varies, factor, 1.0), smoothed

    def end_of_epoch(self, h: np.ndarray, epoch: int) -> None:
        """Take in the features of all training rows as they are before smoothing.

        Args:
            h: representation (rows x width), or one for each task (tasks x rows x width).
            epoch: the epoch that ends, counted from 0.
        """
        start = self.options["start_update"]
        if epoch < start:
            return
        if self.options["variant"] == "released" and epoch > start:
            self._smooth()
        kept = 0.0 if epoch == start else self.options["momentum"]
        for task, members in enumerate(self._members):
            seen = np.array([len(rows) > 0 for rows in members])
            if not seen.any():
                continue
            now = bin_statistics(h if h.ndim == 2 else h[task], members)
            for running, new in zip((self.running_mean[task], self.running_variance[task]), now, strict=True):
                running[seen] = kept * running[seen] + (1 - kept) * new[seen]
                fill_empty(running, ~seen)
        if self.options["variant"] == "paper":
            self._smooth()

    def _smooth(self) -> None:
        # By einsum, whose sums do not depend on the number of threads.
        for statistic in ("mean", "variance"):
            running = getattr(self, f"running_{statistic}")
            setattr(self, f"smoothed_{statistic}", np.einsum("kb,tbw->tkw", self._smoother, running))

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the statistics by name: all that it remembers from epoch to epoch."""
        return {name: getattr(self, name).copy() for name in _STATE}

    def load_state(self, values: Mapping[str, np.ndarray]) -> None:
        """Take back what ``state`` gave."""
        for name in _STATE:
            setattr(self, name, np.array(values[name], dtype=np.float64))
