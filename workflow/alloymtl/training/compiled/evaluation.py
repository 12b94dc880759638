"""Networks in evaluation: running statistics, no dropout; in NumPy, on parameters by name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alloymtl.training.compiled.kernels.normalisation import EPSILON
from alloymtl.training.compiled.layout import Net


def layer(a: np.ndarray, mean: np.ndarray, variance: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Normalisation and ReLU of a linear map's outputs (rows x width), in place."""
    factor = scale / np.sqrt(variance + a.dtype.type(EPSILON))
    a *= factor
    a += shift - mean * factor
    return np.maximum(a, 0, out=a)


def represent(values: Mapping[str, np.ndarray], net: Net, k: int, x: np.ndarray) -> np.ndarray:
    """What backbone k makes of features (rows x last width).

    Args:
        values: parameters and running statistics by name.
        net: the network.
        k: number of the backbone.
        x: features (rows x features).
    """
    h = x
    for number, width in enumerate(net.width[1:]):
        own = slice(k * width, (k + 1) * width)
        stacked = values.get(f"backbones.weight.{number}")
        prefix = "backbone" if stacked is None else "backbones"
        weight = values[f"backbone.linear.{number}.weight"] if stacked is None else stacked[k]
        parts = (values[f"{prefix}.norm.{number}.{p}"][own] for p in ("running_mean", "running_var", "weight", "bias"))
        h = layer(h @ weight.T, *parts)
    return h


def calibrate(values: Mapping[str, np.ndarray], n_layers: int, x: np.ndarray) -> None:
    """Set the running statistics of a backbone from some rows, as if they were one batch."""
    h = x
    for number in range(n_layers):
        a = h @ values[f"backbone.linear.{number}.weight"].T
        norm = f"backbone.norm.{number}"
        mean, variance = a.mean(0, dtype=np.float64), a.var(0, dtype=np.float64)
        values[f"{norm}.running_mean"][:] = mean
        values[f"{norm}.running_var"][:] = variance * len(a) / (len(a) - 1)
        h = layer(a, mean.astype(a.dtype), variance.astype(a.dtype), values[f"{norm}.weight"], values[f"{norm}.bias"])


def head(values: Mapping[str, np.ndarray], prefix: str, task: int, h: np.ndarray) -> np.ndarray:
    """Outputs of a task's head (rows,)."""
    if f"{prefix}.weight_in" in values:
        h = h @ values[f"{prefix}.weight_in"][task]
        h += values[f"{prefix}.bias_in"][task]
        np.maximum(h, 0, out=h)
    return (h @ values[f"{prefix}.weight_out"][task])[:, 0] + values[f"{prefix}.bias_out"][task, 0, 0]


def output(
    values: Mapping[str, np.ndarray], task: int, h: np.ndarray, alpha: float, messages: np.ndarray | None
) -> np.ndarray:
    """Outputs of a task for representations (rows,): of its head, and of the auxiliary one where there is a graph.

    Args:
        values: parameters by name.
        task: number of the task.
        h: representations (rows x width).
        alpha: weight of the auxiliary head.
        messages: of the task graph (tasks x embedding), or None.
    """
    found = head(values, "heads", task, h)
    if messages is None:
        return found
    message = np.broadcast_to(messages[task], (len(h), messages.shape[1]))
    return found + h.dtype.type(alpha) * head(values, "auxiliary", task, np.concatenate((message, h), axis=1))
