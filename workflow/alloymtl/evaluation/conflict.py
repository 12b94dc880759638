"""Step ``conflict``: do the tasks' gradients point against each other? Means over runs, seen in three ways."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.evaluation.cosines import ESTIMATORS
from alloymtl.evaluation.statistics import paired_t
from alloymtl.files import read_parquet, write_parquet

log = logging.getLogger("alloymtl")

COLUMNS = {
    "method": "str",
    "level": "str",
    "first": "str",
    "second": "str",
    "measure": "str",
    "n_runs": "int64",
    "mean": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
}
RUN = ["split_seed", "seed"]


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write the table ``conflict``: one row per method, level, pair of tasks and measure of ``cosines.ESTIMATORS``.

    ``mean`` is the mean over runs, with its t interval of coverage 1 - alpha. As in step ``compare``, runs of one split
    count as they are, while of several splits each counts once, with the mean of its runs. ``n_runs`` is the number of
    runs that have a value. Where fewer than two values are left there is no interval, hence no row, and a warning.
    """
    table = read_parquet(inputs["gradients"])
    confidence = 1 - spec["evaluation"]["alpha"]
    rows = [
        row
        for (method, level), of_method in table.groupby(["method", "level"], sort=False)
        for row in _rows(str(method), str(level), of_method, confidence)
    ]
    made = pd.DataFrame({name: [row[name] for row in rows] for name in COLUMNS}).astype(COLUMNS)
    write_parquet(outputs["conflict"], made)


def _rows(method: str, level: str, table: pd.DataFrame, confidence: float) -> Iterator[dict[str, Any]]:
    """One row for each pair of tasks and measure, in the order in which the table has the pairs."""
    several_splits, n_runs = table["split_seed"].nunique() > 1, len(table[RUN].drop_duplicates())
    of_measure = {measure: of_runs(table, RUN) for measure, of_runs in ESTIMATORS.items()}
    pairs = table[["first", "second"]].drop_duplicates().itertuples(index=False, name=None)
    for first, second in (pair for pair in pairs if pair[0] != pair[1]):
        for measure, found in of_measure.items():
            at = found.index.get_level_values
            runs = found[(at("first") == first) & (at("second") == second)]
            values = (runs.groupby(level="split_seed").mean() if several_splits else runs).to_numpy()
            if len(values) < 2:
                what = f"{measure} cosine of {first} and {second}, method {method}, level {level}"
                log.warning("%s: left out, since %d of %d runs has a value", what, len(runs), n_runs)
                continue
            t = paired_t(values, np.zeros_like(values), confidence)
            yield {
                "method": method,
                "level": level,
                "first": first,
                "second": second,
                "measure": measure,
                "n_runs": len(runs),
                "mean": t.mean_difference,
                "ci_low": t.ci_low,
                "ci_high": t.ci_high,
            }
