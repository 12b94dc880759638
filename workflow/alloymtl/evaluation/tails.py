"""Step ``tails``: the largest errors of each method, with intervals over the test alloys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alloymtl.data.repeats import alloy_of
from alloymtl.errors import UserError
from alloymtl.evaluation.samples import of_runs, values_on_test
from alloymtl.experiment import Experiment
from alloymtl.files import read_parquet, write_parquet
from alloymtl.run import Level, run_folder

METRICS = ("max_error_z", "p95_error_z", "p99_error_z", "worst10_mae_z")
RESAMPLES = 2000
CHUNK = 250
MEND = "build the target `runs`, then the collected tables again."
COLUMNS = {
    "method": "str",
    "level": "str",
    "task": "str",
    "metric": "str",
    "value": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "experiment": "str",
    "baseline": "str",
    "difference": "float64",
    "diff_low": "float64",
    "diff_high": "float64",
    "ratio": "float64",
    "ratio_low": "float64",
    "ratio_high": "float64",
}


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write the table ``tails``: one row per method, level, regression task and metric.

    ``value`` is the mean over the runs of a method, in standard deviations of the training labels. Intervals are
    percentile bootstrap intervals (Efron and Tibshirani, 1993, ch. 13) with coverage 1 - alpha: test alloys are drawn
    with replacement, the same ones for all runs and methods, in each split for itself. An alloy of which every
    measurement is kept as a row is drawn with all of its rows. Intervals therefore speak of other test
    alloys and not of other seeds. A resampled maximum never exceeds the largest error that was seen: the mean over runs
    of such maxima falls short of that of the runs, so an interval is widened to hold its value, and that of a maximum
    says nothing about larger errors yet unseen.

    ``difference`` and ``ratio`` compare with ``baseline`` under the same draws: the method with which the study first
    compares this one, in ``experiment``; a method that is compared with none stands against itself.

    Args:
        spec: ``experiments`` (those that keep predictions count), ``tasks``,
            ``evaluation``, and optionally ``seed`` of the draws.
        inputs: ``predictions`` and ``metrics``.
        outputs: ``tails``.

    Raises:
        UserError: a run has no predictions, or other test alloys than the other runs of its split.
    """
    values = values_on_test(read_parquet(inputs["metrics"]), inputs["metrics"])
    kept = [e for e in (Experiment.from_dict(e) for e in spec["experiments"]) if e.keeps("predictions")]
    tasks = [t["name"] for t in spec["tasks"] if t["kind"] == "regression"]
    columns = ["method", "level", "split_seed", "seed", "alloy", "task", "target", "prediction"]
    table = read_parquet(inputs["predictions"], columns)
    table = table[table["task"].isin(tasks)].assign(level=lambda t: t["level"].astype(str))
    errors = {
        key: rows.set_index("alloy").eval("abs(prediction - target)")
        for key, rows in table.groupby(["method", "level", "split_seed", "seed", "task"], sort=False)
    }
    rows: list[dict[str, Any]] = []
    for place in places(kept):
        for task in tasks:
            draws = _draws(place, task, errors, values, spec.get("seed", 0), inputs["predictions"])
            rows += _rows(place, task, draws, spec["evaluation"]["alpha"])
    made = pd.DataFrame({name: [row[name] for row in rows] for name in COLUMNS}).astype(COLUMNS)
    write_parquet(outputs["tails"], made)


@dataclass(frozen=True)
class Place:
    """The methods of an experiment that are judged in it at one level, each with its baseline."""

    experiment: Experiment
    level: Level
    baselines: Mapping[str, str]

    def methods(self) -> list[str]:
        """All methods whose errors are needed, baselines too."""
        return list(dict.fromkeys([*self.baselines, *self.baselines.values()]))


def places(experiments: Sequence[Experiment]) -> list[Place]:
    """Where each method is judged: at each level once, in the first experiment that compares it with another.

    A method that none compares is judged, against itself, in the first experiment that holds it.
    """
    compared: dict[tuple[str, str], tuple[int, Level, str]] = {}
    for number, e in enumerate(experiments):
        for level in e.levels:
            for baseline, method in e.comparisons:
                compared.setdefault((method, str(level)), (number, level, baseline))
    for number, e in enumerate(experiments):
        for level in e.levels:
            for method in e.methods:
                compared.setdefault((method, str(level)), (number, level, method))
    grouped: dict[tuple[int, str], dict[str, str]] = {}
    for number, e in enumerate(experiments):
        for level in e.levels:
            for method in e.methods:
                place, _, baseline = compared[method, str(level)]
                if place == number:
                    grouped.setdefault((number, str(level)), {})[method] = baseline
    levels = {str(level): level for e in experiments for level in e.levels}
    return [Place(experiments[number], levels[level], found) for (number, level), found in grouped.items()]


def tail_metrics(errors: NDArray[np.float64], counts: NDArray[np.integer] | None = None) -> NDArray[np.float64]:
    """The metrics ``METRICS`` of absolute errors, of all rows or of resamples of them.

    As ``alloymtl.evaluation.metrics.regression`` defines them: maximum, percentiles 95 and 99 (linear between ranks)
    and the mean of the largest tenth, its count rounded up.

    Args:
        errors: absolute errors, shape (n,).
        counts: how often each row is drawn, shape (resamples x n), no line without any; once each if left out. The
            metrics of a line are those of as many rows as it sums to.

    Returns:
        Shape (resamples x 4), in the unit of the errors.
    """
    counts = np.ones((1, errors.size), dtype=np.int64) if counts is None else counts
    n = counts.sum(axis=1, keepdims=True, dtype=np.int64)
    tenth = -(-n // 10)
    order = np.argsort(-errors, kind="stable")
    # Only the largest errors matter: the rows that the draws need to fill the largest tenth and the 95th percentile.
    deepest = np.maximum(tenth, (0.05 * (n - 1)).astype(np.int64) + 2)
    most = int(deepest.max())
    width = min(errors.size, most + 20 + int(8 * most**0.5))
    drawn = counts[:, order[:width]].cumsum(axis=1)
    if (drawn[:, -1:] < deepest).any():
        width = errors.size
        drawn = counts[:, order].cumsum(axis=1)
    largest = errors[order[:width]]

    def at_rank(rank: int | NDArray[np.int64]) -> NDArray[np.float64]:
        """The error at a rank from the top, counted from 0, of each resample; ``rank`` is a column or one for all."""
        return largest[(drawn > rank).argmax(axis=1)]

    def percentile(share: float) -> NDArray[np.float64]:
        position = (1 - share) * (n - 1)
        upper = position.astype(np.int64)
        weight = (position - upper)[:, 0]
        return (1 - weight) * at_rank(upper) + weight * at_rank(np.minimum(upper + 1, n - 1))

    capped = np.minimum(drawn, tenth)
    used = np.diff(capped, axis=1, prepend=0)
    return np.column_stack([at_rank(0), percentile(0.95), percentile(0.99), used @ largest / tenth[:, 0]])


def resampled_counts(n: int, resamples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each of n rows is drawn in each of some resamples of size n with replacement, (resamples x n)."""
    drawn = rng.integers(0, n, (resamples, n))
    drawn += n * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n)


def bootstrap(
    errors: Mapping[str, NDArray[np.float64]],
    alloys: NDArray[np.integer],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Tail metrics of several methods as they are and under common resamples of the alloys.

    Args:
        errors: of each method, absolute errors, shape (runs x rows), the columns the same rows for all.
        alloys: which alloy each row is of, counted from 0, shape (rows,).
        rng: of the draws.
        resamples: how many.

    Returns:
        Of each method the mean over its runs: of all rows, shape (4,), and of each resample, (resamples x 4).
    """
    n = int(alloys.max()) + 1
    whole = {m: np.mean([tail_metrics(run)[0] for run in runs], axis=0) for m, runs in errors.items()}
    drawn: dict[str, list[NDArray[np.float64]]] = {m: [] for m in errors}
    for start in range(0, resamples, CHUNK):
        counts = resampled_counts(n, min(CHUNK, resamples - start), rng).astype(np.int32)[:, alloys]
        for m, runs in errors.items():
            drawn[m].append(np.mean([tail_metrics(run, counts) for run in runs], axis=0))
    return {m: (whole[m], np.concatenate(drawn[m])) for m in errors}


def _draws(
    place: Place,
    task: str,
    errors: Mapping[tuple[Any, ...], pd.Series],
    values: Mapping[tuple[str, str, int, int, str, str], float],
    seed: int,
    source: Path,
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """As ``bootstrap``, the mean over the splits of an experiment."""
    splits = []
    for split in place.experiment.split_seeds:
        runs = [(split, s) for s in place.experiment.seeds]
        of_split = {m: _standardised(m, place.level, task, runs, errors, values, source) for m in place.methods()}
        rows = next(iter(of_split.values())).columns
        for method, table in of_split.items():
            if not table.columns.equals(rows):
                where = f"{source}: {run_folder(method, place.level, *runs[0])}"
                raise UserError(where, f"the test alloys of {task} are not those of its split's other runs.", MEND)
        rng = np.random.default_rng([seed, split, *task.encode()])
        alloys, _ = pd.factorize(alloy_of(rows.to_series()))
        splits.append(bootstrap({m: table.to_numpy() for m, table in of_split.items()}, alloys, rng))
    return {
        m: (np.mean([s[m][0] for s in splits], axis=0), np.mean([s[m][1] for s in splits], axis=0))
        for m in place.methods()
    }


def _standardised(
    method: str,
    level: Level,
    task: str,
    runs: list[tuple[int, int]],
    errors: Mapping[tuple[Any, ...], pd.Series],
    values: Mapping[tuple[str, str, int, int, str, str], float],
    source: Path,
) -> pd.DataFrame:
    """Absolute errors in SDs of the training labels, (runs x rows), rows sorted by their alloys' ids."""
    raw, scaled = (of_runs(values, method, level, task, name, runs) for name in ("max_error", "max_error_z"))
    rows = []
    for run, in_units, in_sds in zip(runs, raw, scaled, strict=True):
        key = (method, str(level), *run, task)
        where = f"{source}: {run_folder(method, level, *run)}"
        if key not in errors:
            raise UserError(where, f"there are no predictions of {task} on the test rows.", MEND)
        found = errors[key].sort_index()
        if not found.index.is_unique or not np.isfinite(found.to_numpy()).all():
            raise UserError(where, f"a test alloy of {task} stands there twice or without a number.", MEND)
        if not in_units > 0:
            raise UserError(where, f"no error of {task}, so that its unit is unknown.", "leave perfect models out.")
        rows.append(found * (in_sds / in_units))
    if any(not row.index.equals(rows[0].index) for row in rows):
        where = f"{source}: {run_folder(method, level, *runs[0])}"
        raise UserError(where, f"the test alloys of {task} are not those of its split's other runs.", MEND)
    return pd.DataFrame(rows)


def _rows(
    place: Place, task: str, draws: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]], alpha: float
) -> Iterator[dict[str, Any]]:
    """One row for each method and metric."""
    for method, baseline in place.baselines.items():
        (value, drawn), (base, base_drawn) = draws[method], draws[baseline]
        own, difference, ratio = (
            _interval(whole, resampled, alpha)
            for whole, resampled in (
                (value, drawn),
                (value - base, drawn - base_drawn),
                (value / base, drawn / base_drawn),
            )
        )
        for column, metric in enumerate(METRICS):
            yield {
                "method": method,
                "level": str(place.level),
                "task": task,
                "metric": metric,
                "value": value[column],
                "ci_low": own[0, column],
                "ci_high": own[1, column],
                "experiment": place.experiment.name,
                "baseline": baseline,
                "difference": value[column] - base[column],
                "diff_low": difference[0, column],
                "diff_high": difference[1, column],
                "ratio": value[column] / base[column],
                "ratio_low": ratio[0, column],
                "ratio_high": ratio[1, column],
            }


def _interval(whole: NDArray[np.float64], drawn: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Ends of the percentile interval of each metric, (2 x metrics), widened to hold the value itself."""
    low, high = np.percentile(drawn, [100 * alpha / 2, 100 * (1 - alpha / 2)], axis=0)
    return np.array([np.minimum(low, whole), np.maximum(high, whole)])
