"""Step ``benefit``: do tasks that gradients call alike gain from being trained together, two at a time?

The gain of a pair is measured on test data, by the experiment ``benefit`` (see ``benefit.gains``). What may foretell it
are the cosines of the experiment ``affinity``, in which all tasks are trained together, and every kind of relation but
the overlap itself, which is the same for all pairs wherever it is set.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.errors import UserError
from alloymtl.evaluation.affinity.benefit import Corrected, Gains, gains, positive_shares, relation
from alloymtl.evaluation.affinity.grouping import Groups
from alloymtl.evaluation.affinity.series import (
    Matrix,
    Series,
    as_table,
    cosines,
    interval,
    of_pairs,
    overlap,
    relations,
)
from alloymtl.evaluation.affinity.trained import alone, check_several, partition
from alloymtl.evaluation.balancing.correlation import PEARSON, SPEARMAN
from alloymtl.evaluation.metrics import check_metrics
from alloymtl.evaluation.samples import Values, of_runs, units, values_on_test
from alloymtl.experiment import AFFINITY, BENEFIT, Experiment
from alloymtl.files import read_parquet, write_parquet
from alloymtl.run import Level

DRAWS = 9999
PUBLISHED_CUTS = (0.05, 0.10, 0.15)
"""Cosines below which arXiv:2604.07848 advises against training a pair together (its table on negative transfer)."""

OF_SERIES = {"level": "str", "predictor": "str", "window": "str", "method": "str"}
PAIR_GAINS = {
    **OF_SERIES,
    "overlap": "float64",
    "first": "str",
    "second": "str",
    "similarity": "float64",
    "gain_first": "float64",
    "gain_second": "float64",
    "gain": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "n_units": "int64",
}
RELATIONS = {
    **OF_SERIES,
    "overlap": "float64",
    "statistic": "str",
    "value": "float64",
    "p_value": "float64",
    "corrected": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "n_pairs": "int64",
    "left_out": "int64",
}
SHARES = {
    **OF_SERIES,
    "cut": "float64",
    "median": "bool",
    "side": "str",
    "pairs": "int64",
    "positive": "int64",
    "share": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "left_out": "int64",
}
TABLES = {"pair_gains": PAIR_GAINS, "benefit": RELATIONS, "benefit_shares": SHARES}


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write the tables ``pair_gains``, ``benefit`` and ``benefit_shares``; empty without an experiment ``benefit``.

    Each has its lines for every level of that experiment and every series there (``predictor``, ``window`` and
    ``method``; the latter two are empty for a relation). A level that the experiment ``affinity`` lacks has the
    relations that no level changes, and its ``overlap`` is NaN.

    ``pair_gains`` has a line for each pair of tasks. ``overlap`` is its own, over splits. ``similarity`` is the mean
    over the units of the experiment ``benefit``, NaN where a run lacks it. ``gain_first`` is what the first task gains
    from the second, in percent of its metric alone, ``gain`` the mean of both, with its t interval over units; these
    are NaN, and ``n_units`` is 0, for a pair that no method trains or a task of which a percentage means nothing. The
    metric is the first of its task's kind.

    ``benefit`` has a line for Pearson's and one for Spearman's correlation over the pairs (see ``benefit.relation``).
    ``overlap`` is the mean over pairs. ``p_value`` is two-sided, over relabelled tasks. ``corrected`` is Pearson's r
    without the noise of the runs, with its interval; NaN for Spearman's.

    ``benefit_shares`` has the share of pairs that gain, above and below a ``cut`` (see ``benefit.positive_shares``):
    the ``median`` over pairs, and for cosines those of ``PUBLISHED_CUTS`` too.

    Args:
        spec: ``tasks``, ``methods``, ``experiments`` and ``evaluation`` of a study.
        inputs: ``metrics``, ``affinity``, ``task_relations``.
        outputs: the three tables.

    Raises:
        UserError: ``evaluation`` names an unknown metric; no method of the experiment trains every task alone, none
            trains a pair, or two train the same; there is a single unit; ``metrics`` lacks a run; or cosines of a level
            lack one of the runs that its pairs have.
    """
    check_metrics(spec["evaluation"], "config")
    experiments = {e["name"]: Experiment.from_dict(e) for e in spec["experiments"]}
    lines: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    if BENEFIT in experiments:
        for name, line in _lines(spec, experiments, inputs):
            lines[name].append(line)
    for name, columns in TABLES.items():
        write_parquet(outputs[name], as_table(lines[name], columns))


def _lines(
    spec: Mapping[str, Any], experiments: Mapping[str, Experiment], inputs: Mapping[str, Path]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Lines of all tables, each with the name of its table."""
    experiment, tasks = experiments[BENEFIT], [task["name"] for task in spec["tasks"]]
    alpha = spec["evaluation"]["alpha"]
    check_several(experiment)
    metrics = {task["name"]: spec["evaluation"][task["kind"]][0] for task in spec["tasks"]}
    values = values_on_test(read_parquet(inputs["metrics"]), inputs["metrics"])
    related = read_parquet(inputs["task_relations"])
    trained = {method: partition(spec["methods"][method], tasks) for method in experiment.methods}
    pairs, single = _pairs(experiment, trained), alone(experiment, trained)
    affinity = read_parquet(inputs["affinity"])
    of_gradients = cosines(affinity, experiments[AFFINITY], tasks) if AFFINITY in experiments else []
    for level in experiment.levels:
        gain = gains(_table(values, experiment, level, pairs, single, metrics), tasks, alpha)
        overlaps = overlap(related, level, tasks)
        known = [*(s for s in of_gradients if s.level == str(level)), *relations(related, level, tasks)]
        for series in known:
            names = {"level": str(level), "predictor": series.source, "window": series.window, "method": series.method}
            for name, line in _of_series(series, gain, overlaps, alpha):
                yield name, {**names, **line}


def _pairs(experiment: Experiment, trained: Mapping[str, Groups | None]) -> dict[tuple[str, str], str]:
    """The method that trains each pair."""
    where, found = f"experiments.{experiment.name}.methods", {}
    for method in experiment.methods:
        for group in trained[method] or []:
            if len(group) != 2:
                continue
            pair = (group[0], group[1])
            if pair in found:
                what = f"{found[pair]!r} and {method!r} both train the pair {' and '.join(pair)}."
                raise UserError(where, what, "leave one of them out.")
            found[pair] = method
    if not found:
        raise UserError(where, "no method trains tasks in pairs.", "add the rounds of `architecture: pairs`.")
    return found


def _table(
    values: Values,
    experiment: Experiment,
    level: Level,
    pairs: Mapping[tuple[str, str], str],
    single: str,
    metrics: Mapping[str, str],
) -> pd.DataFrame:
    """What ``benefit.gains`` takes, for one level."""
    runs = experiment.replicates()
    own = {task: of_runs(values, single, level, task, metric, runs) for task, metric in metrics.items()}
    return pd.DataFrame(
        {
            "first": first,
            "second": second,
            "split_seed": split_seed,
            "seed": seed,
            "task": task,
            "metric": metrics[task],
            "joint": joint,
            "alone": before,
        }
        for (first, second), method in pairs.items()
        for task in (first, second)
        for (split_seed, seed), joint, before in zip(
            runs, of_runs(values, method, level, task, metrics[task], runs), own[task], strict=True
        )
    )


def _of_series(series: Series, gain: Gains, overlaps: Matrix, alpha: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """Lines of one series at one level."""
    by_run = series.of_runs(gain.runs)
    found = relation(by_run, gain, DRAWS, series.generator(), alpha)
    similarity = np.apply_along_axis(units, 0, np.array([by_run[run] for run in gain.runs]), gain.runs).mean(axis=0)
    for line in _of_pairs(gain, similarity, overlaps, alpha):
        yield "pair_gains", line
    common = {"overlap": float(of_pairs(overlaps).mean()), "n_pairs": found.points, "left_out": len(found.left_out)}
    none = Corrected(math.nan, math.nan, math.nan)
    for statistic, test, noiseless in (
        (PEARSON, found.pearson, found.corrected),
        (SPEARMAN, found.spearman, none),
    ):
        told = {"statistic": statistic, "value": test.value, "p_value": test.p_two_sided, "corrected": noiseless.value}
        yield "benefit", {**common, **told, "ci_low": noiseless.ci_low, "ci_high": noiseless.ci_high}
    yield from (("benefit_shares", line) for line in _of_shares(series, similarity, gain, alpha))


def _of_pairs(gain: Gains, similarity: Matrix, overlaps: Matrix, alpha: float) -> Iterator[dict[str, Any]]:
    of_task, of_pair = gain.of_task.mean(axis=0), gain.of_pair
    for i, j in combinations(range(len(gain.tasks)), 2):
        low, high = interval(of_pair[:, i, j], alpha)
        yield {
            "first": gain.tasks[i],
            "second": gain.tasks[j],
            "overlap": float(overlaps[i, j]),
            "similarity": float(similarity[i, j]),
            "gain_first": float(of_task[i, j]),
            "gain_second": float(of_task[j, i]),
            "gain": float(of_pair[:, i, j].mean()),
            "ci_low": low,
            "ci_high": high,
            "n_units": int(np.isfinite(of_pair[:, i, j]).sum()),
        }


def _of_shares(series: Series, similarity: Matrix, gain: Gains, alpha: float) -> Iterator[dict[str, Any]]:
    further: Sequence[float] = PUBLISHED_CUTS if series.of_gradients else ()
    shares = positive_shares(similarity, gain.of_pair.mean(axis=0), further, alpha)
    for number, share in enumerate(shares):
        yield {
            "cut": share.cut,
            # Two sides of each cut, the median's first; there is no median without a pair.
            "median": number < len(shares) - 2 * len(further),
            "side": share.side,
            "pairs": share.pairs,
            "positive": share.positive,
            "share": share.share,
            "ci_low": share.ci_low,
            "ci_high": share.ci_high,
            "left_out": share.left_out,
        }
