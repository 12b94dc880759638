"""Step ``conflict``: do the tasks' gradients point against each other? Means over runs, seen in three ways."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

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
    """Write the table ``conflict``: one row per method, level, pair of tasks and measure of ``MEASURES``.

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


def minibatch(table: pd.DataFrame, first: str, second: str) -> pd.Series:
    """Cosine of the gradients that training met: the mean over the measured steps that held both tasks.

    Args:
        table: ``split_seed``, ``seed``, ``epoch``, ``first``, ``second``, ``measure``, ``value``, ``n`` of one method.
        first: a task.
        second: another one.

    Returns:
        Value by split seed and seed, of the runs that have one.
    """
    rows = _of(table, first, second, "cosine")
    sums = rows.assign(weighted=rows["value"] * rows["n"]).groupby(RUN, sort=False)[["weighted", "n"]].sum()
    return sums["weighted"] / sums["n"]


def large(table: pd.DataFrame, first: str, second: str) -> pd.Series:
    """Cosine of the gradients of a large batch with as many rows of each task: the mean over epochs.

    Arguments and result as for ``minibatch``.
    """
    return _of(table, first, second, "cosine_large").groupby(RUN, sort=False)["value"].mean()


def corrected(table: pd.DataFrame, first: str, second: str) -> pd.Series:
    """Cosine without the bias of noise: inner products across independent halves of a batch, summed over epochs.

    c = sum <a, b> / sqrt(sum <a, a> * sum <b, b>) of the unbiased products that ``training.probe`` takes, to which
    noise adds nothing on average; in a plain cosine it lengthens both gradients and draws it to zero. A run in which
    noise swamps a gradient, so that <a, a> or <b, b> does not sum to a positive number, has no value. The result of a
    noisy run may lie outside -1 to 1.

    Arguments and result as for ``minibatch``.
    """
    key = [*RUN, "epoch"]
    names = {"pair": (first, second), "a": (first, first), "b": (second, second)}
    parts = [_of(table, *pair, "product_halves").set_index(key)["value"].rename(n) for n, pair in names.items()]
    sums = pd.concat(parts, axis=1, join="inner").groupby(level=RUN, sort=False).sum()
    sums = sums[(sums["a"] > 0) & (sums["b"] > 0)]
    return sums["pair"] / np.sqrt(sums["a"] * sums["b"])


MEASURES = {"minibatch": minibatch, "large": large, "corrected": corrected}


def _of(table: pd.DataFrame, first: str, second: str, measure: str) -> pd.DataFrame:
    return table[(table["first"] == first) & (table["second"] == second) & (table["measure"] == measure)]


def _rows(method: str, level: str, table: pd.DataFrame, confidence: float) -> Iterator[dict[str, Any]]:
    """One row for each pair of tasks and measure, in the order in which the table has the pairs."""
    several_splits, n_runs = table["split_seed"].nunique() > 1, len(table[RUN].drop_duplicates())
    pairs = table[["first", "second"]].drop_duplicates().itertuples(index=False, name=None)
    for first, second in (pair for pair in pairs if pair[0] != pair[1]):
        for measure, of_runs in MEASURES.items():
            runs = of_runs(table, first, second)
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
