"""How good predictions are: pure functions on arrays, and the names and directions of their results.

Every module that only needs the names can import this one: it loads NumPy and nothing heavier. Training jobs depend on
it, so it imports no more of the package than it must: whatever it imports would retrain every run when edited.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alloymtl.errors import UserError

_ERRORS = ("rmse", "mae", "p95_error", "p99_error", "max_error", "worst10_mae")

NAMES: dict[str, tuple[str, ...]] = {
    "regression": ("r2", *_ERRORS, *(f"{name}_z" for name in _ERRORS)),
    "classification": ("accuracy", "f1", "auc", "recall", "precision", "average_precision"),
}
"""Metrics of each kind of task, in the order in which they are reported."""

HIGHER_IS_BETTER: dict[str, bool] = {
    name: name == "r2" or kind == "classification" for kind, names in NAMES.items() for name in names
}
"""Whether a larger value of a metric means better predictions."""


def check_metrics(evaluation: Mapping[str, Any], source: str) -> None:
    """Make sure that the metrics that a study asks for exist, each named once.

    Args:
        evaluation: the config's section ``evaluation``.
        source: name of the config, for messages.

    Raises:
        UserError: an unknown or a repeated metric, by its config key. A repeated one would count twice in the family of
            tests that is corrected for its size.
    """
    for kind, known in NAMES.items():
        asked = evaluation[kind]
        for number, name in enumerate(asked):
            key = f"{source}: evaluation.{kind}[{number}]"
            if name not in known:
                raise UserError(key, f"there is no metric {name!r} of a {kind} task.", f"known: {', '.join(known)}.")
            if name in asked[:number]:
                raise UserError(key, f"{name!r} is named twice.", "name it once.")


def regression(target: ArrayLike, prediction: ArrayLike, scale: float) -> dict[str, float]:
    """Metrics of a regression task on one partition, in the order of ``NAMES``.

    With e = |prediction - target|: ``r2`` is 1 - sum e^2 / sum (target - mean target)^2, ``rmse`` and ``mae`` are the
    root mean square and the mean of e, ``p95_error`` and ``p99_error`` its percentiles (linear between ranks),
    ``max_error`` its maximum and ``worst10_mae`` the mean of its largest tenth, the count rounded up to a whole row.

    Args:
        target: measured labels, shape (n,), in the study's unit.
        prediction: predicted labels, shape (n,), in the same unit.
        scale: standard deviation of the task's training labels, in the same unit.

    Returns:
        ``r2`` (dimensionless), the errors in the study's unit, and the errors divided by ``scale`` as ``<name>_z``.

    Raises:
        UserError: a value is not finite, there is no row, the targets do not vary (r2 is undefined), or the scale is
            not positive (the ``_z`` metrics are undefined).
        ValueError: the shapes differ.
    """
    y, estimate = _finite(target, prediction)
    if not (math.isfinite(scale) and scale > 0):
        raise UserError("metrics *_z", f"undefined for a training SD of {scale}.", "give labels that vary.")
    total = float(np.square(y - y.mean()).sum())
    if np.ptp(y) == 0 or total == 0:
        raise UserError("metric r2", f"undefined: all {y.size} labels are equal.", "use a larger partition.")
    error = np.abs(estimate - y)
    worst = -(-error.size // 10)
    errors = {
        "rmse": math.sqrt(float(np.square(error).mean())),
        "mae": float(error.mean()),
        "p95_error": float(np.percentile(error, 95)),
        "p99_error": float(np.percentile(error, 99)),
        "max_error": float(error.max()),
        "worst10_mae": float(np.sort(error)[-worst:].mean()),
    }
    scaled = {f"{name}_z": value / scale for name, value in errors.items()}
    return {"r2": 1 - float(np.square(error).sum()) / total, **errors, **scaled}


def classification(target: ArrayLike, score: ArrayLike, threshold: float) -> dict[str, float]:
    """Metrics of a two-class task on one partition, in the order of ``NAMES``, as scikit-learn defines them.

    ``accuracy``, ``f1``, ``recall`` and ``precision`` judge the class (1 from ``threshold`` upwards), ``auc`` (area
    below the ROC curve, ties count half) and ``average_precision`` the order of the scores. ``f1``, ``recall`` and
    ``precision`` speak of class 1. Where no row is predicted as class 1, precision and hence F1 are 0 (scikit-learn's
    ``zero_division=0``): such a model finds nothing, and a defined value keeps its runs in the comparison.

    Args:
        target: classes 0 or 1, shape (n,).
        score: probabilities of class 1, shape (n,).
        threshold: score from which a row counts as class 1.

    Raises:
        UserError: a value is not finite, there is no row, or the targets hold one class only (auc is undefined, and
            without class 1 so are recall and average precision).
        ValueError: the shapes differ, or a target is neither 0 nor 1.
    """
    y, s = _finite(target, score)
    classes = np.unique(y)
    if not np.isin(classes, (0, 1)).all():
        raise ValueError(f"targets must be 0 or 1, not {classes.tolist()}")
    if classes.size == 1:
        undefined = "metric auc" if classes[0] == 1 else "metrics auc, recall and average_precision"
        what = f"undefined: all {y.size} labels are of class {int(classes[0])}."
        raise UserError(undefined, what, "use a larger partition, or a split that is stratified.")
    # Imported here because it takes longer than all of this module's work and regression has no need of it.
    from sklearn import metrics as sk

    label, predicted = y.astype(int), (s >= threshold).astype(int)
    return {
        "accuracy": float(sk.accuracy_score(label, predicted)),
        "f1": float(sk.f1_score(label, predicted, zero_division=0)),
        "auc": float(sk.roc_auc_score(label, s)),
        "recall": float(sk.recall_score(label, predicted)),
        "precision": float(sk.precision_score(label, predicted, zero_division=0)),
        "average_precision": float(sk.average_precision_score(label, s)),
    }


def _finite(target: ArrayLike, prediction: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as float64 vectors of one length in which every value is a number."""
    y, estimate = np.asarray(target, dtype=float), np.asarray(prediction, dtype=float)
    if y.ndim != 1 or y.shape != estimate.shape:
        raise ValueError(f"targets and predictions must be vectors of one length, not {y.shape} and {estimate.shape}")
    if not y.size:
        raise UserError("metrics", "undefined: there is no labelled row.", "use a larger partition.")
    if not np.isfinite(y).all():
        raise UserError("metrics", "undefined: a label is not finite.", "leave unlabelled rows out.")
    if not np.isfinite(estimate).all():
        raise UserError(
            "metrics", "undefined: a prediction is not finite (training diverged).", "lower training.learning_rate."
        )
    return y, estimate
