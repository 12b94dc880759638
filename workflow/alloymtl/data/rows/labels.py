"""From the text of a label column to labels in the unit of the study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from alloymtl.data.rows.numbers import readings
from alloymtl.data.rows.rules import Checked, Rule, screen
from alloymtl.data.rows.screening import Reason, Screening
from alloymtl.data.rows.units import convert
from alloymtl.task import Source, Task

NO_VALUE = Reason("label.missing", "no value", "nothing to mend: the row holds no label.", invalid=False)
NOT_A_NUMBER = Reason(
    "label.number", "label is not a number", "correct the cell, empty it, or add its text to data.missing."
)
LARGEST = 1e100
"""Numbers whose squares cannot be added are no labels."""
OTHER = "*"  # key of `classes` that stands for every text that is not named


@dataclass(frozen=True)
class Labels:
    """What rows say of a property: of each its value, the number of single readings and their standard deviation.

    ``values`` (rows,) in the study's unit, or classes; ``counts`` (rows,), one but for a list; ``spreads`` (rows,) with
    n - 1 in the denominator, NaN where there is one reading.
    """

    values: np.ndarray
    counts: np.ndarray
    spreads: np.ndarray


def is_missing(text: pd.Series, source: Source, missing: Sequence[str]) -> np.ndarray:
    """Mask (rows,) of cells without a value: empty, an empty list, or a text that means none and names no class."""
    none = set(missing) - set(source.classes or {})
    return ((text == "") | (text == "[]") | text.isin(none)).to_numpy(dtype=bool)


def read_labels(
    text: pd.Series, pointed: pd.Series, task: Task, source: Source, screening: Screening, key: str
) -> Labels:
    """Labels (rows,) in the study's unit, or classes 0.0 and 1.0; rows that fail are rejected.

    A cell may hold a list of readings. Each is converted and must keep the bounds; the row counts by their mean.

    Args:
        text: cells of the label column (rows,).
        pointed: the same with a decimal point.
        task: the property, with its unit and bounds.
        source: the file, with its unit or classes.
        screening: takes the rows that fail.
        key: config key of the source, for messages.

    Raises:
        UserError: the source's unit is unknown or measures something else.
    """
    if task.is_regression:
        return _numbers(text, pointed, task, source, screening, key)
    return _classes(text, source, screening, key)


def _classes(text: pd.Series, source: Source, screening: Screening, key: str) -> Labels:
    classes = {str(name).strip(): float(value) for name, value in (source.classes or {}).items()}
    other = classes.pop(OTHER, np.nan)
    labels = text.map(classes).to_numpy(dtype=float, na_value=np.nan)
    # Another spelling of a class that is named is no other class.
    misspelt = text.str.casefold().isin({name.casefold() for name in classes}).to_numpy(dtype=bool)
    labels = np.where(np.isnan(labels) & ~misspelt, other, labels)
    mend = f"correct the cell, or add its text to {key}.classes ({', '.join(classes)})."
    known = Rule(Reason("label.class", "unknown class", mend), np.isfinite)
    screen([Checked(source.label, labels, text, [known])], screening)
    return Labels(labels, np.ones(len(labels), dtype=np.int64), np.full(len(labels), np.nan))


def _numbers(text: pd.Series, pointed: pd.Series, task: Task, source: Source, screening: Screening, key: str) -> Labels:
    raw = readings(pointed)
    with np.errstate(over="ignore", invalid="ignore"):
        found = replace(raw, values=np.asarray(convert(raw.values, source.unit, task.unit, f"{key}.unit")))
    is_number = Rule(NOT_A_NUMBER, lambda values: values.notna())
    ends = [found.lowest] if len(found.values) == found.rows else [found.lowest, found.highest]
    checked = [Checked(source.label, end, text, _bounds(task)) for end in ends]
    screen([Checked(source.label, raw.lowest, text, [is_number]), *checked], screening)
    return Labels(found.mean, found.counts, found.spread)


def _bounds(task: Task) -> list[Rule]:
    """What a reading of a regression must keep, beyond being a number."""
    unit, key = task.unit, f"tasks.{task.name}"
    mend = f"correct the cell, or set {key}"
    finite = Reason("label.finite", f"label is not finite in {unit}", "correct the cell, or empty it.")
    large = Reason("label.finite", f"label beyond {LARGEST:g} {unit}", "correct the cell, or choose another unit.")
    rules = [Rule(finite, lambda y: ~np.isinf(y)), Rule(large, lambda y: ~(y.abs() > LARGEST))]
    if task.transform == "log10":
        what = "label is not positive, and the task takes its log10"
        rules.append(Rule(Reason("label.positive", what, f"{mend}.transform: none."), lambda y: ~(y <= 0)))
    if task.minimum is not None:
        low = Reason("label.minimum", f"label below {task.minimum:g} {unit}", f"{mend}.minimum.")
        rules.append(Rule(low, lambda y: ~(y < task.minimum)))
    if task.maximum is not None:
        high = Reason("label.maximum", f"label above {task.maximum:g} {unit}", f"{mend}.maximum.")
        rules.append(Rule(high, lambda y: ~(y > task.maximum)))
    return rules
