"""Whether training tasks in proposed groups beats training them alone, all together, or in groups drawn at random.

A method's part is told by the groups that it trains (``roles``): the first partition of an experiment ``taskonomy`` is
the proposed one, and others of the same sizes are its random controls.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.evaluation.affinity.grouping import Groups
from alloymtl.evaluation.affinity.series import same, text
from alloymtl.evaluation.affinity.trained import alone, check_several, is_alone, partition
from alloymtl.evaluation.balancing.delta import linearised, overall
from alloymtl.evaluation.samples import Values
from alloymtl.evaluation.statistics import holm, paired_t
from alloymtl.experiment import Experiment
from alloymtl.run import Level

ALONE, TOGETHER, PROPOSED, RANDOM, OTHER = "alone", "together", "proposed", "random", "other"
CONTRASTS = ((PROPOSED, ALONE), (PROPOSED, TOGETHER), (PROPOSED, RANDOM), (TOGETHER, ALONE))

GAINS = {
    "level": "str",
    "method": "str",
    "role": "str",
    "groups": "str",
    "n_units": "int64",
    "delta": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "p_value": "float64",
}
OF_CONTRASTS = {
    "level": "str",
    "contrast": "str",
    "difference": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "p_value": "float64",
    "p_holm": "float64",
    "n_units": "int64",
    "better": "int64",
    "partitions": "int64",
}


def trained_groups(experiment: Experiment, spec: Mapping[str, Any]) -> dict[str, Groups | None]:
    """The groups that each method of an experiment trains (see ``trained.partition``).

    Args:
        experiment: its methods.
        spec: ``tasks`` and ``methods`` of the study.
    """
    tasks = [task["name"] for task in spec["tasks"]]
    return {method: partition(spec["methods"][method], tasks) for method in experiment.methods}


def roles(trained: Mapping[str, Groups | None]) -> dict[str, str]:
    """Part of each method, in their order.

    The first that trains every task alone is ``alone``, the first with all in one group ``together``, the first of the
    others ``proposed``. Further partitions of the proposed one's sizes are ``random``, and all else is ``other``.

    Args:
        trained: see ``trained_groups``.
    """
    found: dict[str, str] = {}
    proposed: Groups | None = None
    for method, groups in trained.items():
        role = OTHER
        if groups is not None:
            role = ALONE if is_alone(groups) else TOGETHER if len(groups) == 1 else PROPOSED
            if role in found.values():
                drawn = role == PROPOSED and _sizes(groups) == _sizes(proposed) and not same(groups, proposed)
                role = RANDOM if drawn else OTHER
            elif role == PROPOSED:
                proposed = groups
        found[method] = role
    return found


def proposed(experiment: Experiment, spec: Mapping[str, Any]) -> Groups | None:
    """The proposed partition of an experiment; None where no method has one.

    Arguments as for ``trained_groups``.
    """
    trained = trained_groups(experiment, spec)
    return next((trained[method] for method, role in roles(trained).items() if role == PROPOSED), None)


def compared(
    experiment: Experiment, spec: Mapping[str, Any], values: Values
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Lines of ``group_gains`` and of ``group_contrasts``.

    What a method gains is Delta_m against the method that trains every task alone: the mean over tasks of the percent
    change of the first metric, higher is better (``balancing.delta``). Intervals and tests are of t over units, with
    the error of the baseline's mean (``delta.linearised``); all are NaN where a percentage of a task's baseline means
    nothing. The baseline's own line has a delta of zero, without interval or test.

    Contrasts are paired by unit, in percentage points. Against random partitions, each unit has their mean. ``p_holm``
    is corrected by Holm's method over the contrasts of a level. ``better`` of the ``partitions`` drawn at random have a
    mean delta below that of the proposed one; both are 0 for other contrasts.

    Args:
        experiment: see ``trained_groups``.
        spec: ``tasks``, ``methods`` and ``evaluation`` of the study.
        values: see ``samples.values_on_test``.

    Raises:
        UserError: no method trains every task alone, there is a single unit, or a run is not in ``values``.
    """
    check_several(experiment)
    trained = trained_groups(experiment, spec)
    baseline, parts = alone(experiment, trained), roles(trained)
    gains: list[dict[str, Any]] = []
    contrasts: list[dict[str, Any]] = []
    for level in experiment.levels:
        deltas = {method: _delta(values, experiment, method, baseline, level, spec) for method in parts}
        for method, role in parts.items():
            tested = _tested(deltas[method], spec["evaluation"]["alpha"], "delta")
            if method == baseline:
                tested |= {"delta": 0.0, **dict.fromkeys(("ci_low", "ci_high", "p_value"), math.nan)}
            groups = trained[method]
            named = {"level": str(level), "method": method, "role": role, "groups": text(groups) if groups else ""}
            gains.append({**named, **tested})
        by_role = {role: [deltas[m] for m, part in parts.items() if part == role] for role in parts.values()}
        contrasts += _contrasts(str(level), by_role, spec["evaluation"]["alpha"])
    return gains, contrasts


def _delta(
    values: Values, experiment: Experiment, method: str, baseline: str, level: Level, spec: Mapping[str, Any]
) -> pd.Series:
    """Delta_m of each unit."""
    tasks = {task["name"]: task["kind"] for task in spec["tasks"]}
    return overall(linearised(values, experiment, method, baseline, level, tasks, spec["evaluation"]))


def _contrasts(level: str, deltas: Mapping[str, Sequence[pd.Series]], alpha: float) -> Iterator[dict[str, Any]]:
    """Lines of one level, for the contrasts of which it has both sides."""
    lines = []
    for first, second in (pair for pair in CONTRASTS if set(pair) <= set(deltas)):
        one, others = deltas[first][0], deltas[second]
        drawn = second == RANDOM
        lines.append(
            {
                "level": level,
                "contrast": f"{first} against {second}",
                **_tested(one - sum(others) / len(others), alpha, "difference"),
                "better": sum(one.mean() > other.mean() for other in others) if drawn else 0,
                "partitions": len(others) if drawn else 0,
            }
        )
    p_values = np.array([line["p_value"] for line in lines])
    corrected, defined = np.full(len(lines), math.nan), np.isfinite(p_values)
    corrected[defined] = holm(p_values[defined])
    for line, p_value in zip(lines, corrected, strict=True):
        yield {**line, "p_holm": float(p_value)}


def _tested(sample: pd.Series, alpha: float, name: str) -> dict[str, Any]:
    """Mean of a sample under some name, with the t interval and the test against zero."""
    if sample.isna().any():
        return {name: math.nan, **dict.fromkeys(("ci_low", "ci_high", "p_value"), math.nan), "n_units": len(sample)}
    t = paired_t(sample, np.zeros(len(sample)), 1 - alpha)
    return {name: t.mean_difference, "ci_low": t.ci_low, "ci_high": t.ci_high, "p_value": t.p_value, "n_units": t.n}


def _sizes(groups: Groups) -> list[int]:
    return sorted(len(group) for group in groups)
