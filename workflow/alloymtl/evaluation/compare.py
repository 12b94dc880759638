"""Step ``compare``: is a method better than its baseline? Paired tests, corrected for their number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.errors import UserError
from alloymtl.evaluation.metrics import HIGHER_IS_BETTER, check_metrics
from alloymtl.evaluation.statistics import PairedT, hedges_g, holm, paired_t
from alloymtl.experiment import Experiment
from alloymtl.files import read_parquet, write_parquet
from alloymtl.run import Level, run_folder

PARTITION = "test"
COLUMNS = {
    "experiment": "str",
    "baseline": "str",
    "method": "str",
    "level": "str",
    "task": "str",
    "metric": "str",
    "n_pairs": "int64",
    "mean_difference": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "t": "float64",
    "df": "int64",
    "p_value": "float64",
    "p_holm": "float64",
    "family": "int64",
    "primary": "bool",
    "effect_size": "float64",
    "verdict": "str",
}

Values = Mapping[tuple[str, str, int, int, str, str], float]
"""Value on the test rows by (method, level, split seed, seed, task, metric)."""


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write the table ``comparisons``: one row per experiment, level, pair of methods, task and metric.

    Raises:
        UserError: ``evaluation`` names an unknown metric, or ``metrics`` lacks a run that a pair needs.
    """
    check_metrics(spec["evaluation"], "config")
    values = values_on_test(read_parquet(inputs["metrics"]), inputs["metrics"])
    tasks = {task["name"]: task["kind"] for task in spec["tasks"]}
    rows: list[dict[str, Any]] = []
    for experiment in (Experiment.from_dict(e) for e in spec["experiments"]):
        for level in experiment.levels:
            rows += family(experiment, level, tasks, spec["evaluation"], values)
    table = pd.DataFrame({name: [row[name] for row in rows] for name in COLUMNS}).astype(COLUMNS)
    write_parquet(outputs["comparisons"], table)


def values_on_test(metrics: pd.DataFrame, source: Path) -> Values:
    """Values of the test partition by run, task and metric.

    Args:
        metrics: the tidy table that step ``collect`` writes.
        source: its file, for messages.

    Raises:
        UserError: a value stands there twice or is not finite.
    """
    table = metrics[metrics["partition"] == PARTITION]
    key = ["method", "level", "split_seed", "seed", "task", "metric"]
    mend = "build the metrics table again; it comes from the run records."
    wrong = table[table.duplicated(key) | ~np.isfinite(table["value"])]
    if len(wrong):
        row = "/".join(str(wrong.iloc[0][name]) for name in key)
        raise UserError(str(source), f"{row} stands there twice or is not finite.", mend)
    return dict(zip(table[key].itertuples(index=False, name=None), table["value"], strict=True))


def family(
    experiment: Experiment, level: Level, tasks: Mapping[str, str], evaluation: Mapping[str, Any], values: Values
) -> list[dict[str, Any]]:
    """All comparisons of one experiment at one level, in two families of tests.

    Each is a paired t-test on the test partition, of ``method - baseline``; intervals have the coverage 1 - alpha and
    are not corrected. With one split the pairs are its seeds. With several the pairs are the splits, each the mean over
    its seeds: runs of one split share their test alloys, so that counting each as a pair of its own would call noise a
    difference (Bouthillier et al., MLSys 2021).

    The first metric of each kind of task is the one that the study is judged by, named before any run: tests of it are
    the primary family, tests of all other metrics, which say much the same again, the secondary one. ``p_holm`` is
    corrected by Holm's method within the family, over every pair of methods, task and metric in it; column ``family``
    is the number of its tests, ``primary`` says which it is.
    ``verdict``: "better" or "worse" for the method where p_holm < alpha, "identical" where no run differs at all, else
    "not shown".

    Args:
        experiment: its pairs of methods, baseline first, and its seeds.
        level: which level of the matrix.
        tasks: kind of each task by name.
        evaluation: ``regression`` and ``classification`` (metrics to test), ``alpha``.
        values: see ``values_on_test``.

    Returns:
        Rows of the table ``comparisons``, in the order of pairs, tasks and metrics.

    Raises:
        UserError: one of the runs is not in ``values``, or the experiment has a single one.
    """
    tests = [
        (baseline, method, task, metric)
        for baseline, method in experiment.comparisons
        for task, kind in tasks.items()
        for metric in evaluation[kind]
    ]
    splits, seeds = experiment.split_seeds, experiment.seeds
    replicates = experiment.replicates()
    if tests and len(replicates) < 2:
        raise UserError(f"experiments.{experiment.name}.seeds", "one run has no spread.", "name two seeds or more.")
    samples = [
        [
            np.array(list(_sample(values, m, level, replicates, task, metric))).reshape(len(splits), len(seeds))
            for m in (method, baseline)
        ]
        for baseline, method, task, metric in tests
    ]
    if len(splits) > 1:
        samples = [[sample.mean(axis=1) for sample in pair] for pair in samples]
    else:
        samples = [[sample[0] for sample in pair] for pair in samples]
    results = [paired_t(x, y, 1 - evaluation["alpha"]) for x, y in samples]
    primary = np.array([metric == evaluation[tasks[task]][0] for _, _, task, metric in tests], dtype=bool)
    corrected = np.empty(len(tests))
    for members in (primary, ~primary):
        corrected[members] = holm([result.p_value for result, one in zip(results, members, strict=True) if one])
    return [
        {
            "experiment": experiment.name,
            "baseline": baseline,
            "method": method,
            "level": str(level),
            "task": task,
            "metric": metric,
            "n_pairs": result.n,
            "mean_difference": result.mean_difference,
            "ci_low": result.ci_low,
            "ci_high": result.ci_high,
            "t": result.t,
            "df": result.df,
            "p_value": result.p_value,
            "p_holm": float(p_holm),
            "family": int((primary == is_primary).sum()),
            "primary": bool(is_primary),
            "effect_size": hedges_g(x, y),
            "verdict": verdict(result, float(p_holm), evaluation["alpha"], HIGHER_IS_BETTER[metric]),
        }
        for (baseline, method, task, metric), (x, y), result, p_holm, is_primary in zip(
            tests, samples, results, corrected, primary, strict=True
        )
    ]


def verdict(result: PairedT, p_holm: float, alpha: float, higher_is_better: bool) -> str:
    """What a test says of the method against its baseline: better, worse, not shown or identical."""
    if result.identical:
        return "identical"
    if not p_holm < alpha:
        return "not shown"
    return "better" if (result.mean_difference > 0) == higher_is_better else "worse"


def _sample(
    values: Values, method: str, level: Level, replicates: list[tuple[int, int]], task: str, metric: str
) -> Iterator[float]:
    """One method's values in the order of the replicates, so that those of two methods pair by position."""
    for split_seed, seed in replicates:
        key = (method, str(level), split_seed, seed, task, metric)
        if key not in values:
            run = run_folder(method, level, split_seed, seed)
            what = f"the metrics table lacks {metric} of {task}, so that the run has no partner."
            raise UserError(run, what, "build the target `runs`, then the metrics table again.")
        yield values[key]
