"""The numbers that parameters start from; every engine draws the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def draw(
    shape: Sequence[int], rng: np.random.Generator, fan_in: int | None = None, sd: float | None = None
) -> np.ndarray:
    """Values of one parameter, float64: normal(0, sd) where ``sd`` is given, else U(-1, 1) / sqrt(fan_in).

    The second is torch's own default for linear maps, weights and biases alike.

    Args:
        shape: of the parameter.
        rng: stream that draws; parameters are drawn from it one after the other, in the order of the network's own.
        fan_in: inputs of the linear map that the parameter belongs to.
        sd: standard deviation, for parameters that are no linear map's.

    Raises:
        ValueError: neither ``fan_in`` nor ``sd`` is given.
    """
    if sd is not None:
        return rng.normal(0.0, sd, shape)
    if fan_in is None:
        raise ValueError("one of fan_in and sd says how large the values are")
    return rng.uniform(-1.0, 1.0, shape) / np.sqrt(fan_in)
