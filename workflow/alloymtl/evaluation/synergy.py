"""Step ``synergy``: do two remedies together gain more than the sum of what each gains?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from alloymtl.errors import UserError
from alloymtl.evaluation.metrics import check_metrics
from alloymtl.evaluation.samples import Values, of_runs, units, values_on_test
from alloymtl.evaluation.statistics import paired_t
from alloymtl.experiment import Experiment
from alloymtl.files import read_parquet, write_parquet
from alloymtl.run import FOLDERS, Level

COLUMNS = {
    "experiment": "str",
    "level": "str",
    "baseline": "str",
    "first": "str",
    "second": "str",
    "both": "str",
    "task": "str",
    "metric": "str",
    "n_pairs": "int64",
    "value": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "p_value": "float64",
}


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write the table ``synergy``: one row per experiment, level, pair of remedies, task and metric.

    S = d(both) - d(first) - d(second) with d(m) = m - baseline in every run (arXiv:2512.22740, equation 8), and the
    paired t-test of its mean against zero. The baseline is the first one that the experiment names in ``comparisons``.

    Raises:
        UserError: ``evaluation`` names an unknown metric, or ``metrics`` lacks a run.
    """
    check_metrics(spec["evaluation"], "config")
    values = values_on_test(read_parquet(inputs["metrics"]), inputs["metrics"])
    measured = [(t["name"], metric) for t in spec["tasks"] for metric in spec["evaluation"][t["kind"]]]
    rows = [
        row
        for experiment in (Experiment.from_dict(e) for e in spec["experiments"])
        for methods in combined(experiment, spec["methods"])
        for level in experiment.levels
        for row in _rows(experiment, level, methods, measured, values, 1 - spec["evaluation"]["alpha"])
    ]
    table = pd.DataFrame({name: [row[name] for row in rows] for name in COLUMNS}).astype(COLUMNS)
    write_parquet(outputs["synergy"], table)


def _rows(
    experiment: Experiment,
    level: Level,
    methods: tuple[str, str, str, str],
    measured: list[tuple[str, str]],
    values: Values,
    confidence: float,
) -> Iterator[dict[str, Any]]:
    """One row for each task and metric."""
    runs = experiment.replicates()
    if len(runs) < 2:
        raise UserError(f"experiments.{experiment.name}.seeds", "one run has no spread.", "name two seeds or more.")
    named = dict(zip(("baseline", "first", "second", "both"), methods, strict=True))
    for task, metric in measured:
        v = {role: units(of_runs(values, m, level, task, metric, runs), runs) for role, m in named.items()}
        t = paired_t(v["both"] + v["baseline"], v["first"] + v["second"], confidence)
        yield {
            "experiment": experiment.name,
            "level": str(level),
            **named,
            "task": task,
            "metric": metric,
            "n_pairs": t.n,
            "value": t.mean_difference,
            "ci_low": t.ci_low,
            "ci_high": t.ci_high,
            "p_value": t.p_value,
        }


def combined(experiment: Experiment, methods: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """(baseline, first, second, both) wherever a method joins what two others change of the baseline.

    Both changes must lie in different parts: one in the loss, say, and one in the balancer. The parts come from the
    study, so that no list of combinations has to be kept.

    Args:
        experiment: its methods and comparisons.
        methods: name to parts (``{kind: {"name": ..., "options": ...}}``) and ``training`` settings.
    """
    if not experiment.comparisons:
        return
    baseline = experiment.comparisons[0][0]
    changes = {m: changed(methods[baseline], methods[m]) for m in experiment.methods if m != baseline}
    for first, second in combinations(changes, 2):
        one, other = changes[first], changes[second]
        if one and other and not set(one) & set(other):
            for both, change in changes.items():
                if change == {**one, **other}:
                    yield baseline, first, second, both


def changed(baseline: Mapping[str, Any], method: Mapping[str, Any]) -> dict[str, Any]:
    """What a method has in the place of its baseline's: parts by kind, and training settings."""
    parts = {kind: method[kind] for kind in FOLDERS if method[kind] != baseline[kind]}
    settings = {f"training.{k}": v for k, v in method["training"].items() if v != baseline["training"].get(k)}
    return {**parts, **settings}
