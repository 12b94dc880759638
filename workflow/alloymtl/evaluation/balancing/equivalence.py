"""Step ``equivalence``: which methods reach a grid search of the loss weights, to within a margin?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from alloymtl.errors import UserError
from alloymtl.evaluation.balancing import roles
from alloymtl.evaluation.balancing.delta import linearised, overall
from alloymtl.evaluation.metrics import check_metrics
from alloymtl.evaluation.samples import Values, values_on_test
from alloymtl.evaluation.statistics import holm, paired_t
from alloymtl.experiment import Experiment
from alloymtl.files import read_parquet, write_parquet

COLUMNS = {
    "experiment": "str",
    "sampler": "str",
    "level": "str",
    "reference": "str",
    "method": "str",
    "primary": "bool",
    "margin": "float64",
    "n_pairs": "int64",
    "difference": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "p_lower": "float64",
    "p_upper": "float64",
    "p_equivalence": "float64",
    "p_equivalence_holm": "float64",
    "p_difference": "float64",
    "p_difference_holm": "float64",
    "family": "int64",
    "verdict": "str",
}
EQUIVALENT, BETTER, WORSE, NOT_SHOWN, UNDEFINED = "equivalent", "better", "worse", "not shown", "undefined"
VERDICTS = (EQUIVALENT, BETTER, WORSE, NOT_SHOWN, UNDEFINED)
ALL_LEVELS = ""
"""What stands in the column ``level`` of the mean over levels."""

Deltas = dict[str, dict[str, NDArray[np.float64]]]
"""Delta_m of each unit by method and level."""


@dataclass(frozen=True)
class Tost:
    """Result of two one-sided tests of a mean difference, in the unit of the differences.

    ``p_lower`` tests the difference against -margin from above, ``p_upper`` against +margin from below, ``p_value`` is
    the larger of them. ``p_difference`` is that of the two-sided test against zero.
    """

    n: int
    difference: float
    ci_low: float
    ci_high: float
    p_lower: float
    p_upper: float
    p_value: float
    p_difference: float


def tost(differences: ArrayLike, margin: float, alpha: float) -> Tost:
    """Two one-sided t-tests of equivalence (Schuirmann, J. Pharmacokinet. Biopharm. 15, 657, 1987).

    That the mean lies outside (-margin, margin) is rejected at the level alpha where both tests reject, which is where
    the interval of coverage 1 - 2 alpha, that of ``ci_low`` and ``ci_high``, lies inside.

    Args:
        differences: paired differences, shape (n,).
        margin: differences up to which are of no account; positive.
        alpha: level of each test, below 0.5.

    Raises:
        ValueError: the margin is not positive, alpha not in (0, 0.5), or as ``statistics.paired_t``.
    """
    if not margin > 0:
        raise ValueError(f"a margin is positive, not {margin}")
    d = np.asarray(differences, dtype=float)
    lower, upper = (paired_t(d, np.full_like(d, end), 1 - 2 * alpha) for end in (-margin, margin))
    own = paired_t(d, np.zeros_like(d), 1 - 2 * alpha)
    p_lower, p_upper = float(stdtr(lower.df, -lower.t)), float(stdtr(upper.df, upper.t))
    return Tost(
        n=own.n,
        difference=own.mean_difference,
        ci_low=own.ci_low,
        ci_high=own.ci_high,
        p_lower=p_lower,
        p_upper=p_upper,
        p_value=max(p_lower, p_upper),
        p_difference=own.p_value,
    )


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write the table ``equivalence``: one row per sampler, level and method, gradient-norm scaling first.

    ``difference`` is the Delta_m of the method minus that of the grid search of the same sampler, in percentage points,
    both against independent networks, paired by unit, with the error of the independent networks' means in it (see
    ``delta.linearised``). After the levels comes the mean over them, with the level ``ALL_LEVELS``. Intervals have the
    coverage 1 - 2 alpha and are not corrected.

    Whether gradient-norm scaling reaches the grid search was asked before any run, and is a family of one test
    (``primary``) at each sampler and level; the other methods are corrected by Holm's method, their tests of
    equivalence and of a difference each among themselves (``family`` is their number). ``verdict``: ``equivalent``
    where the corrected test of equivalence rejects, else ``better`` or ``worse`` where that of a difference does, else
    ``not shown``; ``undefined`` where a Delta_m is (see ``delta.changes``).

    The table is empty where the study has no experiment ``balancing`` with independent networks and a grid search.

    Args:
        spec: the study as the paper is told of it.
        inputs: ``metrics``.
        outputs: ``equivalence``.

    Raises:
        UserError: ``evaluation`` names an unknown metric, ``metrics`` lacks a run, or the experiment has a single one.
    """
    check_metrics(spec["evaluation"], "config")
    rows: list[dict[str, Any]] = []
    for experiment in (Experiment.from_dict(e) for e in spec["experiments"] if e["name"] == roles.EXPERIMENT):
        values = values_on_test(read_parquet(inputs["metrics"]), inputs["metrics"])
        rows += _experiment(experiment, spec, values)
    table = pd.DataFrame({name: [row[name] for row in rows] for name in COLUMNS}).astype(COLUMNS)
    write_parquet(outputs["equivalence"], table)


def _experiment(experiment: Experiment, spec: Mapping[str, Any], values: Values) -> Iterator[dict[str, Any]]:
    """Rows of each sampler that has a grid search."""
    methods, names = spec["methods"], experiment.methods
    independent = roles.find(names, methods, roles.is_independent)
    for sampler in roles.samplers(names, methods) if independent else ():
        reference = roles.find(names, methods, roles.is_grid_search, sampler)
        others = [n for n in names if n != reference and _shares(methods[n]) and roles.sampler(methods[n]) == sampler]
        if reference is None or not others:
            continue
        # The question that was asked beforehand comes first.
        others.sort(key=lambda n: not roles.is_gradient_norm(methods[n]))
        deltas = _deltas(experiment, spec, values, [reference, *others], independent)
        for level in deltas[reference]:
            named = {"experiment": experiment.name, "sampler": sampler, "level": level, "reference": reference}
            differences = {n: deltas[n][level] - deltas[reference][level] for n in others}
            primary = [n for n in others if roles.is_gradient_norm(methods[n])]
            for row in compared(differences, primary, spec["evaluation"]):
                yield {**named, **row}


def _shares(method: roles.Made) -> bool:
    return not roles.is_independent(method)


def _deltas(
    experiment: Experiment, spec: Mapping[str, Any], values: Values, names: Sequence[str], independent: str
) -> Deltas:
    """Delta_m of some methods against independent networks at each level, and their mean over several levels."""
    if len(experiment.replicates()) < 2:
        raise UserError(f"experiments.{experiment.name}.seeds", "one run has no spread.", "name two seeds or more.")
    tasks = {task["name"]: task["kind"] for task in spec["tasks"]}
    found: Deltas = {}
    for name in names:
        of_levels = {
            str(level): overall(
                linearised(values, experiment, name, independent, level, tasks, spec["evaluation"])
            ).to_numpy()
            for level in experiment.levels
        }
        mean = {ALL_LEVELS: np.mean(list(of_levels.values()), axis=0)} if len(of_levels) > 1 else {}
        found[name] = {**of_levels, **mean}
    return found


def compared(
    differences: Mapping[str, NDArray[np.float64]], primary: Sequence[str], evaluation: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Tests of some methods against a reference at one level and sampler, with their verdicts.

    Args:
        differences: by method, those of each unit, shape (units,); NaN where they are not defined.
        primary: methods that are a family of their own each.
        evaluation: ``alpha``, ``equivalence_margin``.

    Yields:
        The columns of the table from ``method`` on, in the given order.
    """
    alpha, margin = evaluation["alpha"], evaluation["equivalence_margin"]
    tests = {n: tost(d, margin, alpha) for n, d in differences.items() if np.isfinite(d).all()}
    others = [n for n in tests if n not in primary]
    equal = {n: t.p_value for n, t in tests.items()}
    equal |= dict(zip(others, holm([equal[n] for n in others]), strict=True))
    apart = {n: t.p_difference for n, t in tests.items()}
    apart |= dict(zip(others, holm([apart[n] for n in others]), strict=True))
    for name, d in differences.items():
        row = {"method": name, "primary": name in primary, "margin": margin, "n_pairs": len(d)}
        if name not in tests:
            yield {**row, **dict.fromkeys(_NUMBERS, np.nan), "family": 0, "verdict": UNDEFINED}
            continue
        t = tests[name]
        row |= {"difference": t.difference, "ci_low": t.ci_low, "ci_high": t.ci_high}
        row |= {"p_lower": t.p_lower, "p_upper": t.p_upper}
        row |= {"p_equivalence": t.p_value, "p_equivalence_holm": equal[name]}
        row |= {"p_difference": t.p_difference, "p_difference_holm": apart[name]}
        row["family"] = 1 if name in primary else len(others)
        yield {**row, "verdict": verdict(t.difference, equal[name], apart[name], alpha)}


_NUMBERS = tuple(name for name, kind in COLUMNS.items() if kind == "float64" and name != "margin")


def verdict(difference: float, p_equivalence: float, p_difference: float, alpha: float) -> str:
    """What both tests say of a method against its reference; a difference within the margin is equivalence."""
    if p_equivalence < alpha:
        return EQUIVALENT
    if p_difference < alpha:
        return BETTER if difference > 0 else WORSE
    return NOT_SHOWN
