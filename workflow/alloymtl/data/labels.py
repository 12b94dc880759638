"""From the text of a label column to labels in the unit of the study."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alloymtl.data.screening import Reason, Screening
from alloymtl.data.units import convert
from alloymtl.task import Source, Task

NO_VALUE = Reason("no value", "nothing to mend: the row holds no label.", invalid=False)
NOT_A_NUMBER = Reason("label is not a number", "correct the cell, or empty it.")


def read_labels(text: pd.Series, task: Task, source: Source, screening: Screening, key: str) -> np.ndarray:
    """Labels (rows,) in the study's unit, or classes 0.0 and 1.0; rows that fail are rejected.

    Args:
        text: cells of the label column (rows,).
        task: the property, with its unit and bounds.
        source: the file, with its unit or classes.
        screening: takes the rows that fail.
        key: config key of the source, for messages.

    Raises:
        UserError: the source's unit is unknown or measures something else.
    """
    if task.is_regression:
        return _numbers(text, task, source, screening, key)
    return _classes(text, source, screening, key)


def _classes(text: pd.Series, source: Source, screening: Screening, key: str) -> np.ndarray:
    classes = {str(name).strip(): float(value) for name, value in (source.classes or {}).items()}
    labels = text.map(classes).to_numpy(dtype=float, na_value=np.nan)
    reason = Reason("unknown class", f"correct the cell, or add its text to {key}.classes ({', '.join(classes)}).")
    screening.reject(np.isnan(labels), reason, source.label, text)
    return labels


def _numbers(text: pd.Series, task: Task, source: Source, screening: Screening, key: str) -> np.ndarray:
    raw = pd.to_numeric(text, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    screening.reject(np.isnan(raw), NOT_A_NUMBER, source.label, text)
    labels = convert(raw, source.unit, task.unit, f"{key}.unit")
    infinite = Reason(f"label is not finite in {task.unit}", "correct the cell, or empty it.")
    screening.reject(~np.isfinite(labels), infinite, source.label, text)
    bounds = f"tasks.{task.name}"
    if task.transform == "log10":
        what = "label is not positive, and the task takes its log10"
        barred = Reason(what, f"correct the cell, or set {bounds}.transform: none.")
        screening.reject(labels <= 0, barred, source.label, text)
    if task.minimum is not None:
        low = Reason(f"label below {task.minimum:g} {task.unit}", f"correct the cell, or set {bounds}.minimum.")
        screening.reject(labels < task.minimum, low, source.label, text)
    if task.maximum is not None:
        high = Reason(f"label above {task.maximum:g} {task.unit}", f"correct the cell, or set {bounds}.maximum.")
        screening.reject(labels > task.maximum, high, source.label, text)
    return labels
