"""Squared error (arXiv:2512.22740, equation 10)."""

from __future__ import annotations

from torch import Tensor

OPTIONS = {}


def elementwise(prediction: Tensor, target: Tensor) -> Tensor:
    """Squared error of each entry; shapes as given, in squared units of the standardised target."""
    return (prediction - target).square()
