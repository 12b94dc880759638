"""Raw tables in the shape of the AI-Hub files: sample, position, fifteen columns of at.%, one property."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alloymtl.data.simulate.elements import SYMBOLS
from alloymtl.data.simulate.samples import Samples
from alloymtl.data.simulate.settings import PROPERTIES, Settings

GPA_PER_HV = 0.009807  # 1 kgf/mm2
OHM_M_PER_UOHM_CM = 1e-8


def raw_table(task: str, samples: Samples, label: np.ndarray, settings: Settings) -> pd.DataFrame:
    """The table of one file, with the units and spellings that the settings ask for.

    Args:
        task: one of ``PROPERTIES``.
        samples: n samples.
        label: what was measured, in the unit of the property's physics, shape (n,).
        settings: the simulated world.
    """
    prefix = task[0].upper()
    columns: dict[str, object] = {"sample": [f"{prefix}{lot:03d}-{i:05d}" for i, lot in enumerate(samples.lot)]}
    if samples.position is not None:
        columns["X"], columns["Y"] = samples.position.T
    columns.update(zip(SYMBOLS, (samples.printed / 100).T, strict=True))
    header, shown = _label_column(task, label, settings)
    return pd.DataFrame({**columns, header: shown})


def header(task: str, settings: Settings) -> str:
    """Header of the label's column in a task's file."""
    return _label_column(task, np.empty(0), settings)[0]


def _label_column(task: str, label: np.ndarray, settings: Settings) -> tuple[str, np.ndarray]:
    name, unit = task, PROPERTIES[task].unit
    if task == "hardness" and settings.hardness_unit == "HV":
        label, unit = np.round(label / GPA_PER_HV, 1), "HV"
    if task == "resistivity" and settings.resistivity_unit == "ohm_m":
        label, unit = label * OHM_M_PER_UOHM_CM, "Ω·m"
    if task == "amorphous" and settings.boolean == "O/X":
        label, unit = np.where(label == 1, "O", "X"), "O/X"
    if settings.encoding == "cp949":
        name = PROPERTIES[task].korean or task
    return f"{name} ({unit})", label
