"""The simulator: raw tables in the shape of the AI-Hub Korea alloy data, of alloys that were never measured.

A composition, a seed and the settings decide everything. Only the marginals and the single-task ceiling are calibrated
to reported values; how multi-task training fares is not, and every constant is frozen, so that a fresh seed is a blind
check. ``signal`` and ``signal_correlation`` give the planted truth.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from alloymtl.data.simulate.compositions import compositions
from alloymtl.data.simulate.designed import weight_cosines
from alloymtl.data.simulate.measure import measure
from alloymtl.data.simulate.samples import Samples
from alloymtl.data.simulate.settings import PHYSICS_SIGNAL, PROPERTIES, Settings
from alloymtl.data.simulate.tables import raw_table
from alloymtl.data.simulate.truth import signal, signal_correlation
from alloymtl.files import atomic, write_json

__all__ = [
    "PROPERTIES",
    "Samples",
    "Settings",
    "common_pool",
    "compositions",
    "measure",
    "signal",
    "signal_correlation",
    "step",
]

POOL_ROWS_PER_TASK = 2000
log = logging.getLogger("alloymtl")


def step(spec: Mapping[str, Any], inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> None:
    """Write one raw CSV per task, and the truth behind them.

    Args:
        spec: the config's ``simulation`` section, defaults filled in.
        inputs: none.
        outputs: a path per task in ``spec["rows"]``, and ``truth``: the settings, the tasks that the simulator knows,
            the correlation of their noise-free signals on a common pool of compositions, and the cosines of the
            weights of designed tasks.

    Raises:
        UserError: an unknown task, more rows than distinct compositions, or an overlap that does not fit.
    """
    settings = Settings.from_spec(spec)
    samples = compositions(settings)
    for task, own in samples.items():
        table = raw_table(task, own, measure(task, own, settings), settings)
        with atomic(outputs[task]) as temporary:
            table.to_csv(temporary, index=False, encoding=settings.encoding, lineterminator="\n")
    write_json(outputs["truth"], truth(samples, settings))
    log.info("simulated %s", ", ".join(f"{task} ({len(own)} rows)" for task, own in samples.items()))


def common_pool(samples: Mapping[str, Samples]) -> np.ndarray:
    """True compositions of all tasks together, some 2,000 to 4,000 of each at most, shape (n, 15)."""
    return np.concatenate([own.true[:: max(1, len(own) // POOL_ROWS_PER_TASK)] for own in samples.values()])


def truth(samples: Mapping[str, Samples], settings: Settings) -> dict[str, Any]:
    """What ``truth.json`` holds."""
    known = {
        "simulated": True,
        "settings": asdict(settings),
        "tasks": list(PROPERTIES),
        "signal_correlation_on_common_pool": signal_correlation(common_pool(samples), settings).round(3).tolist(),
    }
    if settings.signal != PHYSICS_SIGNAL:
        known["weight_cosines"] = weight_cosines(PROPERTIES, settings).round(6).tolist()
    return known
