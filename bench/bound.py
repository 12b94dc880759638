"""The least that a step can cost: the matrix products of its shapes, and Adam."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alloymtl.training.compiled.jit import kernel
from alloymtl.training.compiled.kernels.adam import adam

Views = tuple[np.ndarray, np.ndarray, np.ndarray]


@kernel
def _steps(
    counts: np.ndarray,
    x: np.ndarray,
    weights: Views,
    gradients: Views,
    w: np.ndarray,
    g: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    h_1: np.ndarray,
    h_2: np.ndarray,
    hidden: np.ndarray,
    d_1: np.ndarray,
    d_2: np.ndarray,
    decay: float,
    products_only: bool,
) -> None:
    """The products and the updates of some steps.

    Weights are (in x out), the layout in which these products are fastest. The first layer needs no gradient of its
    input, and the outputs of a head are a product with a vector, which costs next to nothing; neither is counted.

    Args:
        counts: rows of each task in each step (steps x tasks).
        x: features (batch x features).
        weights: of the two layers of the backbone and of the heads, views of ``w``.
        gradients: likewise, views of ``g``.
        w: all parameters.
        g: their gradients.
        m: first moments.
        v: second moments.
        h_1: activations of the first layer (batch x width).
        h_2: likewise of the second.
        hidden: hidden units of the heads (batch x head).
        d_1: gradients of the first layer (batch x width).
        d_2: likewise of the second.
        decay: weight decay.
        products_only: whether to leave Adam out.
    """
    w_1, w_2, w_heads = weights
    g_1, g_2, g_heads = gradients
    for step in range(counts.shape[0]):
        rows = counts[step].sum()
        np.dot(x[:rows], w_1, h_1[:rows])
        np.dot(h_1[:rows], w_2, h_2[:rows])
        first = 0
        for task in range(counts.shape[1]):
            last = first + counts[step, task]
            if last > first:
                np.dot(h_2[first:last], w_heads[task], hidden[first:last])
                np.dot(h_2[first:last].T, hidden[first:last], g_heads[task])
                np.dot(hidden[first:last], w_heads[task].T, d_2[first:last])
            first = last
        np.dot(h_1[:rows].T, d_2[:rows], g_2)
        np.dot(d_2[:rows], w_2.T, d_1[:rows])
        np.dot(x[:rows].T, d_1[:rows], g_1)
        if not products_only:
            # At a rate of 0 the work is the same, and the numbers stay as large as they are.
            adam(w, g, m, v, 0.0, decay, step + 1)


class BoundTurn:
    """The products of an epoch's steps at each call, each row through the head of its own task alone.

    Args:
        counts: rows of each task in each step (steps x tasks), no row with two labels.
        n_features: width of the input.
        hidden: widths of the backbone's two layers.
        head: hidden units of each head.
        training: settings of the training loop.
        products_only: whether to leave Adam out.

    Attributes:
        flop: floating-point operations of the products of an average step.
    """

    def __init__(
        self,
        counts: np.ndarray,
        n_features: int,
        hidden: Sequence[int],
        head: int,
        training: Mapping[str, Any],
        products_only: bool = False,
    ) -> None:
        rng = np.random.default_rng(0)
        first, second = hidden
        batch, n_tasks = int(counts.sum(axis=1).max()), counts.shape[1]
        shapes = [(n_features, first), (first, second), (n_tasks, second, head)]
        # Scale and shift of two normalisations; bias of the hidden units, weight and bias of the output of each head.
        others = 2 * (first + second) + n_tasks * (2 * head + 1)
        sizes = [int(np.prod(shape)) for shape in shapes]
        w = rng.normal(0, 0.05, sum(sizes) + others).astype(np.float32)
        g, m, v = (np.zeros_like(w) for _ in range(3))
        ends = np.cumsum(sizes)

        def views(flat: np.ndarray) -> Views:
            return tuple(flat[e - n : e].reshape(s) for e, n, s in zip(ends, sizes, shapes, strict=True))

        x = rng.standard_normal((batch, n_features)).astype(np.float32)
        work = [np.zeros((batch, width), np.float32) for width in (first, second, head, first, second)]
        decay = training["weight_decay"]
        self.arguments = (counts, x, views(w), views(g), w, g, m, v, *work, decay, products_only)
        rows = counts.sum(axis=1).mean()
        self.flop = float(2 * rows * (2 * n_features * first + 3 * first * second + 3 * second * head))

    def __call__(self) -> float:
        """Microseconds a step."""
        began = time.perf_counter()
        _steps(*self.arguments)
        return 1e6 * (time.perf_counter() - began) / len(self.arguments[0])
