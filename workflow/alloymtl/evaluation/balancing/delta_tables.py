"""Step ``delta``: what each balancer gains over independent networks and over equal weights, and how they all rank."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from alloymtl.errors import UserError
from alloymtl.evaluation.balancing.delta import linearised, overall
from alloymtl.evaluation.balancing.ranks import ranked
from alloymtl.evaluation.balancing.roles import (
    EXPERIMENT,
    Made,
    family,
    find,
    is_baseline,
    is_independent,
    sampler,
    samplers,
)
from alloymtl.evaluation.metrics import HIGHER_IS_BETTER, check_metrics
from alloymtl.evaluation.samples import Values, of_runs, values_on_test
from alloymtl.evaluation.statistics import PairedT, holm, paired_t
from alloymtl.experiment import Experiment
from alloymtl.files import read_parquet, write_parquet
from alloymtl.run import Level

OVERALL = ""
"""In the column ``task``: all tasks together."""
BOTH = ""
"""In the column ``sampler`` of ranks: the methods of all samplers together."""
UNDEFINED = "undefined"

_TEST = {
    "n_pairs": "int64",
    "delta": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "p_value": "float64",
    "p_holm": "float64",
    "verdict": "str",
}
COLUMNS = {
    "experiment": "str",
    "against": "str",
    "level": "str",
    "sampler": "str",
    "method": "str",
    "family": "str",
    "task": "str",
    "metric": "str",
    **_TEST,
}
LEVEL_COLUMNS = {
    "experiment": "str",
    "against": "str",
    "sampler": "str",
    "method": "str",
    "baseline_level": "str",
    "level": "str",
    **_TEST,
}
RANK_COLUMNS = {
    "experiment": "str",
    "sampler": "str",
    "method": "str",
    "mean_rank": "float64",
    "blocks": "int64",
    "methods": "int64",
    "statistic": "float64",
    "p_value": "float64",
    "critical_difference": "float64",
}


@dataclass(frozen=True)
class Matrix:
    """One experiment on balancing with the values of its runs.

    Attributes:
        experiment: its methods, levels and seeds.
        methods: what each of them is made of.
        tasks: kind of each task by name.
        evaluation: the metrics of each kind (the first counts), ``alpha``.
        values: see ``samples.values_on_test``.
        alone: the method of single-task networks.
    """

    experiment: Experiment
    methods: Mapping[str, Made]
    tasks: Mapping[str, str]
    evaluation: Mapping[str, Any]
    values: Values
    alone: str

    @property
    def alpha(self) -> float:
        """Level of the tests."""
        return self.evaluation["alpha"]

    def metric(self, task: str) -> str:
        """First metric of a task."""
        return self.evaluation[self.tasks[task]][0]

    @property
    def samplers(self) -> list[str]:
        """Samplers under which tasks are trained together."""
        return samplers(self.experiment.methods, self.methods)

    def joint(self, of_sampler: str) -> list[str]:
        """Methods that train the tasks together under a sampler."""
        made = {m: self.methods[m] for m in self.experiment.methods}
        return [m for m, parts in made.items() if sampler(parts) == of_sampler and not is_independent(parts)]

    def plain(self, of_sampler: str) -> str | None:
        """The plain baseline of a sampler; None where the experiment has none."""
        return find(self.experiment.methods, self.methods, is_baseline, of_sampler)

    def gains(self, method: str, baseline: str, level: Level) -> pd.DataFrame:
        """See ``delta.linearised``; the last column, ``OVERALL``, holds all tasks together."""
        found = linearised(self.values, self.experiment, method, baseline, level, self.tasks, self.evaluation)
        return found.assign(**{OVERALL: overall(found)})


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write the tables ``delta``, ``delta_levels`` and ``ranks``, empty where a study has no experiment on balancing.

    ``delta`` has one row for each baseline (``against``), level, sampler, method and task, and one with the empty task
    for their mean, Delta_m. Each method that trains tasks together is set against the experiment's independent
    networks, and against hard sharing with equal weights under the method's own sampler; that baseline itself is set
    against those of the samplers before it, which tells what a sampler does alone. ``delta`` is in percent, higher is
    better (see ``delta.changes``). Intervals and p-values are those of a t-test of its mean over units, with the error
    of the baseline's mean (see ``delta.linearised``). ``p_holm`` is corrected by Holm's method over the
    methods of one level, sampler and baseline; tests of Delta_m are one family, those of all single tasks another.
    ``verdict`` is "better" or "worse" where p_holm < alpha, "identical" where no run differs (which counts in no
    family), "undefined" where a percentage of the baseline means nothing, else "not shown".

    ``delta_levels`` has one row for each sampler and method where there are several levels: by how many percentage
    points Delta_m against the independent networks is higher at the largest level than at the smallest, each unit with
    itself; Holm's method over the methods of a sampler.

    ``ranks`` has one row for each sampler and method, the independent networks among them, and again for the methods of
    all samplers together (empty ``sampler``). Methods are ranked by their mean over runs of the first metric, within
    each task at each level: see ``ranks.ranked``. Levels are nested subsets, so that blocks of one task are alike and
    the test is the more lenient for it.

    Raises:
        UserError: ``evaluation`` names an unknown metric, ``metrics`` lacks a run, or there is a single unit.
    """
    check_metrics(spec["evaluation"], "config")
    tables: dict[str, list[dict[str, Any]]] = {"delta": [], "delta_levels": [], "ranks": []}
    matrix = _matrix(spec, inputs["metrics"])
    if matrix is not None:
        tables = {
            "delta": [row for family_ in _families(matrix) for row in family_],
            "delta_levels": list(_levels(matrix)),
            "ranks": list(_ranks(matrix)),
        }
    for name, columns in (("delta", COLUMNS), ("delta_levels", LEVEL_COLUMNS), ("ranks", RANK_COLUMNS)):
        table = pd.DataFrame({column: [row[column] for row in tables[name]] for column in columns}).astype(columns)
        write_parquet(outputs[name], table)


def _matrix(spec: Mapping[str, Any], path: Path) -> Matrix | None:
    """The study's experiment on balancing, if it has one and that has independent networks."""
    experiments = (Experiment.from_dict(e) for e in spec["experiments"])
    experiment = next((e for e in experiments if e.name == EXPERIMENT), None)
    alone = find(experiment.methods, spec["methods"], is_independent) if experiment else None
    if experiment is None or alone is None:
        return None
    several = experiment.split_seeds if len(experiment.split_seeds) > 1 else experiment.seeds
    if len(several) < 2:
        raise UserError(f"experiments.{EXPERIMENT}.seeds", "one run has no spread.", "name two seeds or more.")
    tasks = {task["name"]: task["kind"] for task in spec["tasks"]}
    values = values_on_test(read_parquet(path), path)
    return Matrix(experiment, spec["methods"], tasks, spec["evaluation"], values, alone)


def _families(matrix: Matrix) -> Iterator[list[dict[str, Any]]]:
    """Rows of ``delta`` for each level, sampler and baseline."""
    for level, of_sampler in product(matrix.experiment.levels, matrix.samplers):
        together, own = matrix.joint(of_sampler), matrix.plain(of_sampler)
        yield _family(matrix, level, of_sampler, matrix.alone, together)
        if own is not None:
            yield _family(matrix, level, of_sampler, own, [m for m in together if m != own])
            for other in matrix.samplers[: matrix.samplers.index(of_sampler)]:
                if (baseline := matrix.plain(other)) is not None:
                    yield _family(matrix, level, of_sampler, baseline, [own])


def _family(
    matrix: Matrix, level: Level, of_sampler: str, baseline: str, against: Sequence[str]
) -> list[dict[str, Any]]:
    """Rows of one level, sampler and baseline, their p-values corrected."""
    samples = [(m, task, gains) for m in against for task, gains in matrix.gains(m, baseline, level).items()]
    of_all = np.array([task == OVERALL for _, task, _ in samples], dtype=bool)
    tests = _tested([gains for *_, gains in samples], [of_all, ~of_all], matrix.alpha)
    named = {"experiment": matrix.experiment.name, "against": baseline, "level": str(level), "sampler": of_sampler}
    return [
        {
            **named,
            "method": method,
            "family": family(matrix.methods[method]["balancer"]["name"]),
            "task": task,
            "metric": "" if task == OVERALL else matrix.metric(task),
            **test,
        }
        for (method, task, _), test in zip(samples, tests, strict=True)
    ]


def _levels(matrix: Matrix) -> Iterator[dict[str, Any]]:
    """Rows of ``delta_levels``."""
    by_size = sorted(matrix.experiment.levels, key=lambda level: math.inf if level == "all" else level)
    smallest, largest = by_size[0], by_size[-1]
    if smallest == largest:
        return
    for of_sampler in matrix.samplers:
        together = matrix.joint(of_sampler)
        rises = []
        for method in together:
            few, many = (matrix.gains(method, matrix.alone, level)[OVERALL] for level in (smallest, largest))
            rises.append(many - few)
        tests = _tested(rises, [np.ones(len(rises), dtype=bool)], matrix.alpha)
        named = {"experiment": matrix.experiment.name, "against": matrix.alone, "sampler": of_sampler}
        named |= {"baseline_level": str(smallest), "level": str(largest)}
        for method, test in zip(together, tests, strict=True):
            yield {**named, "method": method, **test}


def _tested(samples: Sequence[ArrayLike], families: Sequence[Any], alpha: float) -> list[dict[str, Any]]:
    """The test of each sample's mean against zero.

    Args:
        samples: values of independent units, each of shape (units,); all NaN where there is nothing to test.
        families: for each family of tests, which of them belong to it, shape (tests,).
        alpha: level of the tests.
    """
    results = [_test(sample, 1 - alpha) for sample in samples]
    real = np.array([r is not None and not r.identical for r in results], dtype=bool)
    corrected = np.array([math.nan if r is None else 1.0 for r in results])
    for members in families:
        chosen = np.flatnonzero(real & members)
        corrected[chosen] = holm([results[n].p_value for n in chosen])
    return [_row(r, len(s), float(p), alpha) for r, s, p in zip(results, samples, corrected, strict=True)]


def _test(sample: ArrayLike, confidence: float) -> PairedT | None:
    values = np.asarray(sample, dtype=float)
    return None if np.isnan(values).any() else paired_t(values, np.zeros_like(values), confidence)


def _row(result: PairedT | None, units: int, p_holm: float, alpha: float) -> dict[str, Any]:
    if result is None:
        nothing = dict.fromkeys(("delta", "ci_low", "ci_high", "p_value", "p_holm"), math.nan)
        return {"n_pairs": units, **nothing, "verdict": UNDEFINED}
    if result.identical:
        verdict = "identical"
    elif p_holm < alpha:
        verdict = "better" if result.mean_difference > 0 else "worse"
    else:
        verdict = "not shown"
    return {
        "n_pairs": result.n,
        "delta": result.mean_difference,
        "ci_low": result.ci_low,
        "ci_high": result.ci_high,
        "p_value": result.p_value,
        "p_holm": p_holm,
        "verdict": verdict,
    }


def _ranks(matrix: Matrix) -> Iterator[dict[str, Any]]:
    """Rows of ``ranks``."""
    groups = {of_sampler: matrix.joint(of_sampler) for of_sampler in matrix.samplers}
    if len(groups) > 1:
        groups[BOTH] = [method for together in groups.values() for method in together]
    for of_sampler, together in groups.items():
        compared = [matrix.alone, *together]
        ranking = ranked(np.array([_scores(matrix, m) for m in compared]).T, matrix.alpha)
        for method, rank in zip(compared, ranking.mean_ranks, strict=True):
            yield {
                "experiment": matrix.experiment.name,
                "sampler": of_sampler,
                "method": method,
                "mean_rank": float(rank),
                "blocks": ranking.blocks,
                "methods": len(compared),
                "statistic": ranking.statistic,
                "p_value": ranking.p_value,
                "critical_difference": ranking.critical_difference,
            }


def _scores(matrix: Matrix, method: str) -> list[float]:
    """A method's mean over runs of each task's first metric at each level, its sign turned so that higher is better."""
    replicates = matrix.experiment.replicates()
    return [
        (1 if HIGHER_IS_BETTER[matrix.metric(task)] else -1)
        * float(of_runs(matrix.values, method, level, task, matrix.metric(task), replicates).mean())
        for task in matrix.tasks
        for level in matrix.experiment.levels
    ]
