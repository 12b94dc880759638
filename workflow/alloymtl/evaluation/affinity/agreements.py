"""Step ``agreement``: do gradients tell how tasks are related, and from which overlap of their labels on?

Every run of the experiment ``affinity`` has a matrix of cosines; each kind of relation is one more. Their agreement is
the correlation over pairs of tasks, run by run. Since pairs share tasks, whether there is any is told by relabelling
tasks (``agreement``), and never by counting pairs. How well the labels that are left tell of all labels stands beside
it: what gradients lose with the overlap beyond that is their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.evaluation.affinity.agreement import over_runs, values
from alloymtl.evaluation.affinity.cosines import WINDOWS, matrix
from alloymtl.evaluation.affinity.kinds import JACCARD, KINDS, LABELS, LABELS_LEFT, MAGNITUDES
from alloymtl.evaluation.affinity.threshold import fits, threshold
from alloymtl.evaluation.balancing.correlation import PEARSON, SPEARMAN
from alloymtl.evaluation.samples import units
from alloymtl.evaluation.statistics import paired_t
from alloymtl.files import read_parquet, write_parquet

DRAWS = 9999
FEWEST_TASKS = 4
"""With three tasks there are three pairs, and no correlation over these says anything."""
OF_THRESHOLD = ("", list(WINDOWS)[-1])
"""Windows of the series in which a threshold is sought: its interval takes a thousand fits each."""
SERIES = {"method": "str", "estimator": "str", "window": "str", "kind": "str", "statistic": "str"}
RUNS = {**SERIES, "level": "str", "overlap": "float64", "split_seed": "int64", "seed": "int64", "value": "float64"}
AGREEMENT = {
    **SERIES,
    "level": "str",
    "overlap": "float64",
    "n_runs": "int64",
    "undefined": "int64",
    "mean": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "p_value": "float64",
}
CURVES = {
    **SERIES,
    "model": "str",
    "parameters": "str",
    "r2": "float64",
    "aicc": "float64",
    "weight": "float64",
    "n": "int64",
}
THRESHOLD = {
    **SERIES,
    "found": "bool",
    "x0": "float64",
    "low": "float64",
    "high": "float64",
    "transition": "str",
    "smooth": "str",
    "margin": "float64",
    "reason": "str",
}


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write ``agreement``, ``agreement_runs``, ``agreement_curves`` and ``thresholds`` of one study.

    Args:
        spec: ``tasks`` and ``evaluation`` (``alpha``) of the study.
        inputs: ``affinity`` and ``task_relations``.
        outputs: the four tables; without lines where there are fewer than ``FEWEST_TASKS`` tasks.
    """
    tasks, alpha = [task["name"] for task in spec["tasks"]], spec["evaluation"]["alpha"]
    affinity, relations = read_parquet(inputs["affinity"]), read_parquet(inputs["task_relations"])
    lines: dict[str, list[dict[str, Any]]] = {"agreement": [], "agreement_runs": []}
    if len(tasks) >= FEWEST_TASKS:
        for summary, runs in _levels(affinity, relations, tasks, alpha):
            lines["agreement"].append(summary)
            lines["agreement_runs"] += runs
    found = {name: _table(part, of) for (name, part), of in zip(lines.items(), (AGREEMENT, RUNS), strict=True)}
    curves, thresholds = _over_overlap(found["agreement_runs"], alpha)
    found |= {"agreement_curves": _table(curves, CURVES), "thresholds": _table(thresholds, THRESHOLD)}
    for name, table in found.items():
        write_parquet(outputs[name], table)


def _table(lines: Sequence[dict[str, Any]], columns: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame({column: [line[column] for line in lines] for column in columns}).astype(columns)


def _levels(
    affinity: pd.DataFrame, relations: pd.DataFrame, tasks: list[str], alpha: float
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Agreement over the runs of each level, and of each of these runs, for every series."""
    related = {
        key: matrix(of, tasks)
        for key, of in relations.groupby(["level", "split_seed", "kind"], sort=False, observed=True)
    }
    for (method, level, estimator, window), found in _matrices(affinity, related, tasks):
        splits = [split_seed for split_seed, _ in found]
        overlap = float(np.mean([_mean(related[level, split_seed, JACCARD]) for split_seed in splits]))
        first = np.stack(list(found.values()))
        # What labels are left are held to all labels as they are, and cosines to every relation.
        kinds = (k for k in KINDS if (k == LABELS if estimator == LABELS_LEFT else k != JACCARD))
        for kind in (k for k in kinds if (level, splits[0], k) in related):
            second = np.stack([related[level, split_seed, kind] for split_seed in splits])
            for statistic in (PEARSON, SPEARMAN):
                key = dict(zip(SERIES, (method, estimator, window, kind, statistic), strict=True))
                rng = np.random.default_rng([*"/".join([*key.values(), level]).encode()])
                told = over_runs(first, second, DRAWS, rng, alpha, statistic)
                of_runs = values(first, second, statistic)
                low, high = _interval(of_runs, list(found), alpha)
                place = {**key, "level": level, "overlap": overlap}
                summary = {
                    "n_runs": told.runs,
                    "undefined": told.undefined,
                    "mean": told.mean,
                    "ci_low": low,
                    "ci_high": high,
                    "p_value": told.test.p_two_sided,
                }
                lines = [
                    {**place, "split_seed": split_seed, "seed": seed, "value": float(value)}
                    for (split_seed, seed), value in zip(found, of_runs, strict=True)
                ]
                yield {**place, **summary}, lines


def _matrices(
    affinity: pd.DataFrame, related: Mapping[tuple[str, int, str], np.ndarray], tasks: list[str]
) -> Iterator[tuple[tuple[str, str, str, str], dict[tuple[int, int], np.ndarray]]]:
    """Matrices by (split seed, seed) of each method, level, estimator and window.

    The labels that are left count as an estimator, of no method and no window; a split has one matrix, as if of seed 0.
    """
    for key, of_level in affinity.groupby(["method", "level", "estimator", "window"], sort=False):
        yield key, {run: matrix(of, tasks) for run, of in of_level.groupby(["split_seed", "seed"])}
    for wanted in affinity["level"].drop_duplicates():
        there = {(split, 0): m for (level, split, kind), m in related.items() if (level, kind) == (wanted, LABELS_LEFT)}
        if there:
            yield ("", wanted, LABELS_LEFT, ""), there


def _interval(of_runs: np.ndarray, runs: list[tuple[int, int]], alpha: float) -> tuple[float, float]:
    """Interval of the mean correlation over independent units (``samples.units``); NaN with fewer than two."""
    there = ~np.isnan(of_runs)
    independent = units(of_runs[there], [run for run, told in zip(runs, there, strict=True) if told])
    if len(independent) < 2:
        return float("nan"), float("nan")
    t = paired_t(independent, np.zeros_like(independent), 1 - alpha)
    return t.ci_low, t.ci_high


def _mean(square: np.ndarray) -> float:
    """Mean over pairs of tasks."""
    return float(np.nanmean(square[np.triu_indices(len(square), 1)]))


def _over_overlap(runs: pd.DataFrame, alpha: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """How each series depends on the overlap, and what can be said of a threshold.

    Series of one level have neither, nor have those of ranks: arXiv:2604.07848 fits Pearson's correlation. A threshold
    is sought over the last part of training, for label correlations as published and for relations without signs.
    """
    curves: list[dict[str, Any]] = []
    thresholds: list[dict[str, Any]] = []
    for names, of_series in runs[runs["value"].notna() & (runs["statistic"] == PEARSON)].groupby(
        list(SERIES), sort=False
    ):
        if of_series["overlap"].nunique() < 2:
            continue
        key = dict(zip(SERIES, names, strict=True))
        x, y = of_series["overlap"].to_numpy(), of_series["value"].to_numpy()
        for model, fit in fits(x, y).items():
            told = ", ".join(f"{name} {value:.6g}" for name, value in fit.parameters.items())
            of_fit = {"r2": fit.r2, "aicc": fit.aicc, "weight": fit.weight, "n": fit.n}
            curves.append({**key, "model": model, "parameters": told, **of_fit})
        if key["window"] not in OF_THRESHOLD or key["kind"] not in (LABELS, *MAGNITUDES.values()):
            continue
        # Of several splits each counts once, with all its seeds.
        unit = "split_seed" if of_series["split_seed"].nunique() > 1 else "seed"
        seeds = pd.factorize(of_series[unit])[0]
        rng = np.random.default_rng([*"/".join(names).encode()])
        found = threshold(x, y, seeds, rng, alpha)
        thresholds.append({**key, **{name: getattr(found, name) for name in THRESHOLD if name not in SERIES}})
    return curves, thresholds
