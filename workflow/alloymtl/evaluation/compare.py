"""Step ``compare``: is a method better than its baseline, or at one level better than at another? Paired tests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alloymtl.errors import UserError
from alloymtl.evaluation.metrics import HIGHER_IS_BETTER, check_metrics
from alloymtl.evaluation.samples import Values, of_runs, units, values_on_test
from alloymtl.evaluation.statistics import PairedT, hedges_g, holm, paired_t
from alloymtl.experiment import Experiment
from alloymtl.files import read_parquet, write_parquet
from alloymtl.run import Level
from alloymtl.training.dataset import majority

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
LEVEL_COLUMNS = {
    "experiment": "str",
    "method": "str",
    "baseline_level": "str",
    "level": "str",
    "task": "str",
    "metric": "str",
    "n_pairs": "int64",
    "mean_difference": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "p_value": "float64",
    "p_holm": "float64",
    "verdict": "str",
}

Arm = tuple[str, Level]
"""A method at a level."""


@dataclass(frozen=True)
class Tested:
    """One test of ``arm - baseline`` with its place in its family of tests.

    ``x`` and ``y`` are the values of the two arms that were paired, shape (pairs,).
    """

    arm: Arm
    baseline: Arm
    task: str
    metric: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    result: PairedT
    primary: bool
    family: int
    p_holm: float
    verdict: str


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write the tables ``comparisons`` and ``level_comparisons``.

    ``comparisons`` has one row per experiment, level, pair of methods, task and metric; ``level_comparisons`` one per
    experiment of several levels, method, level but the smallest, task but the one that levels cut, and metric.

    Args:
        spec: ``experiments``, ``tasks``, ``evaluation``.
        inputs: ``metrics``, and where an experiment has several levels ``split``, which tells the largest task.
        outputs: ``comparisons``, ``level_comparisons``.

    Raises:
        UserError: ``evaluation`` names an unknown metric, or ``metrics`` lacks a run that a pair needs.
    """
    check_metrics(spec["evaluation"], "config")
    values = values_on_test(read_parquet(inputs["metrics"]), inputs["metrics"])
    tasks = {task["name"]: task["kind"] for task in spec["tasks"]}
    rows: list[dict[str, Any]] = []
    level_rows: list[dict[str, Any]] = []
    experiments = [Experiment.from_dict(e) for e in spec["experiments"]]
    kept = tasks
    if any(len(e.levels) > 1 for e in experiments):
        split = read_parquet(inputs["split"])
        cut = majority(split[split["split_seed"] == split["split_seed"].min()])
        kept = {task: kind for task, kind in tasks.items() if task != cut}
    for experiment in experiments:
        for level in experiment.levels:
            rows += family(experiment, level, tasks, spec["evaluation"], values)
        level_rows += level_family(experiment, kept, spec["evaluation"], values)
    write_parquet(outputs["comparisons"], _table(rows, COLUMNS))
    write_parquet(outputs["level_comparisons"], _table(level_rows, LEVEL_COLUMNS))


def _table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame({name: [row[name] for row in rows] for name in columns}).astype(dict(columns))


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
    ``verdict``: "better" or "worse" for the method where p_holm < alpha, "identical" where no run differs in any metric
    of the task, else "not shown". What is identical is one network under two names and no question: it counts in no
    family.

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
    pairs = [((method, level), (baseline, level)) for baseline, method in experiment.comparisons]
    return [
        {
            "experiment": experiment.name,
            "baseline": t.baseline[0],
            "method": t.arm[0],
            "level": str(level),
            "task": t.task,
            "metric": t.metric,
            "n_pairs": t.result.n,
            "mean_difference": t.result.mean_difference,
            "ci_low": t.result.ci_low,
            "ci_high": t.result.ci_high,
            "t": t.result.t,
            "df": t.result.df,
            "p_value": t.result.p_value,
            "p_holm": t.p_holm,
            "family": t.family,
            "primary": t.primary,
            "effect_size": hedges_g(t.x, t.y),
            "verdict": t.verdict,
        }
        for t in _tested(experiment, pairs, tasks, evaluation, values)
    ]


def level_family(
    experiment: Experiment, tasks: Mapping[str, str], evaluation: Mapping[str, Any], values: Values
) -> list[dict[str, Any]]:
    """Each level of an experiment against its smallest, method by method; none where there is a single level.

    Pairs, families and verdicts are those of ``family``, with all methods and levels of the experiment in one family.
    The task that levels cut is not among ``tasks``: it has other test alloys at each level, so that its scores do not
    compare.

    Returns:
        Rows of the table ``level_comparisons``, in the order of methods, levels by size, tasks and metrics.

    Raises:
        UserError: as ``family``.
    """
    smallest, *larger = sorted(experiment.levels, key=lambda level: math.inf if level == "all" else level)
    pairs = [((method, level), (method, smallest)) for method in experiment.methods for level in larger]
    return [
        {
            "experiment": experiment.name,
            "method": t.arm[0],
            "baseline_level": str(smallest),
            "level": str(t.arm[1]),
            "task": t.task,
            "metric": t.metric,
            "n_pairs": t.result.n,
            "mean_difference": t.result.mean_difference,
            "ci_low": t.result.ci_low,
            "ci_high": t.result.ci_high,
            "p_value": t.result.p_value,
            "p_holm": t.p_holm,
            "verdict": t.verdict,
        }
        for t in _tested(experiment, pairs, tasks, evaluation, values)
    ]


def _tested(
    experiment: Experiment,
    pairs: Sequence[tuple[Arm, Arm]],
    tasks: Mapping[str, str],
    evaluation: Mapping[str, Any],
    values: Values,
) -> list[Tested]:
    """The tests of each arm against its baseline on every task and metric, corrected as ``family`` says."""
    tests = [(*pair, task, metric) for pair in pairs for task, kind in tasks.items() for metric in evaluation[kind]]
    replicates = experiment.replicates()
    if tests and len(replicates) < 2:
        raise UserError(f"experiments.{experiment.name}.seeds", "one run has no spread.", "name two seeds or more.")
    samples = [
        [units(of_runs(values, *one, task, metric, replicates), replicates) for one in (arm, baseline)]
        for arm, baseline, task, metric in tests
    ]
    results = [paired_t(x, y, 1 - evaluation["alpha"]) for x, y in samples]
    primary = np.array([metric == evaluation[tasks[task]][0] for *_, task, metric in tests], dtype=bool)
    differs = {test[:3] for test, result in zip(tests, results, strict=True) if not result.identical}
    real = np.array([test[:3] in differs for test in tests], dtype=bool)
    corrected = np.ones(len(tests))
    for members in (primary & real, ~primary & real):
        corrected[members] = holm([result.p_value for result, one in zip(results, members, strict=True) if one])
    return [
        Tested(
            *test,
            *sample,
            result=result,
            primary=bool(is_primary),
            family=int((real & (primary == is_primary)).sum()),
            p_holm=float(p_holm),
            verdict=verdict(result, float(p_holm), evaluation["alpha"], HIGHER_IS_BETTER[test[-1]])
            if is_real
            else "identical",
        )
        for test, sample, result, p_holm, is_primary, is_real in zip(
            tests, samples, results, corrected, primary, real, strict=True
        )
    ]


def verdict(result: PairedT, p_holm: float, alpha: float, higher_is_better: bool) -> str:
    """What a test says of the method against its baseline: better, worse or not shown."""
    if not p_holm < alpha:
        return "not shown"
    return "better" if (result.mean_difference > 0) == higher_is_better else "worse"
