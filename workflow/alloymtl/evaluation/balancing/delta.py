"""Delta_m: what joint training gains or loses over a baseline, task by task and over all tasks, in percent.

Sign convention of arXiv:2509.23915: HIGHER IS BETTER. Nash-MTL, COST and IMGrad print the opposite sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alloymtl.evaluation.metrics import HIGHER_IS_BETTER
from alloymtl.evaluation.samples import Values, of_runs, units
from alloymtl.evaluation.statistics import paired_t
from alloymtl.experiment import Experiment
from alloymtl.run import Level

Vector = NDArray[np.float64]


def changes(
    values: Values,
    experiment: Experiment,
    method: str,
    baseline: str,
    level: Level,
    tasks: Mapping[str, str],
    evaluation: Mapping[str, Any],
) -> pd.DataFrame:
    """Change of each task's first metric against a baseline in percent, unit by unit; higher is better.

    Delta_t = 100 (-1)^l (M - S) / mean(S), with l = 1 where a lower value of the metric is better (arXiv:2509.23915;
    Nash-MTL, COST and IMGrad print the opposite sign). M and S are paired by unit; S is averaged over the units in the
    denominator, since the ratio of two noisy numbers has no mean. So the mean of a column is the percent change of the
    mean.

    Args:
        values: see ``samples.values_on_test``.
        experiment: its seeds and split seeds.
        method: whose values are M.
        baseline: whose values are S.
        level: which level of the matrix.
        tasks: kind of each task by name.
        evaluation: the metrics of each kind (the first counts), ``alpha``.

    Returns:
        One row for each independent unit (``samples.units``: the seeds of a single split, else the splits), one column
        for each task. A task is NaN throughout where a percentage of its baseline means nothing: its mean is not
        positive, or the interval of its mean (coverage 1 - alpha) reaches zero.

    Raises:
        UserError: a run is not in ``values``.
    """
    pairs = _pairs(values, experiment, method, baseline, level, tasks, evaluation)
    columns = {task: 100 * sign * (m - s) / _scale(s, evaluation["alpha"]) for task, sign, m, s in pairs}
    return pd.DataFrame(columns, index=_units(experiment))


def linearised(
    values: Values,
    experiment: Experiment,
    method: str,
    baseline: str,
    level: Level,
    tasks: Mapping[str, str],
    evaluation: Mapping[str, Any],
) -> pd.DataFrame:
    """The same, with the spread that also the baseline's mean brings into a mean change: for intervals and tests.

    By the delta method a ratio r = mean(M) / mean(S) errs as the mean of (M - r S) / mean(S) does. Each value here is
    that plus r - 1, in percent and with the sign of ``changes``: means over units are those of ``changes``, and the
    standard error of any mean of columns is that of the mean percent change, to first order.

    Args and Returns as for ``changes``.

    Raises:
        UserError: as ``changes``.
    """
    columns = {}
    for task, sign, m, s in _pairs(values, experiment, method, baseline, level, tasks, evaluation):
        scale = _scale(s, evaluation["alpha"])
        ratio = m.mean() / scale
        columns[task] = 100 * sign * ((m - ratio * s) / scale + ratio - 1)
    return pd.DataFrame(columns, index=_units(experiment))


def overall(changes: pd.DataFrame) -> pd.Series:
    """Delta_m of each unit: the mean of its tasks' changes in percent; NaN where one of them is NaN.

    Args:
        changes: units x tasks, as ``changes`` and ``linearised`` give them.
    """
    return changes.mean(axis=1, skipna=False)


def _pairs(
    values: Values,
    experiment: Experiment,
    method: str,
    baseline: str,
    level: Level,
    tasks: Mapping[str, str],
    evaluation: Mapping[str, Any],
) -> Iterator[tuple[str, int, Vector, Vector]]:
    """Each task with the sign that makes higher better, and the values of both methods by unit."""
    replicates = experiment.replicates()
    for task, kind in tasks.items():
        metric = evaluation[kind][0]
        both = (
            units(of_runs(values, name, level, task, metric, replicates), replicates) for name in (method, baseline)
        )
        yield task, 1 if HIGHER_IS_BETTER[metric] else -1, *both


def _units(experiment: Experiment) -> pd.Index:
    """Names of an experiment's independent units, as ``samples.units`` orders their values."""
    if len(experiment.split_seeds) == 1:
        return pd.Index(experiment.seeds, name="seed")
    return pd.Index(experiment.split_seeds, name="split_seed")


def _scale(baseline: Vector, alpha: float) -> float:
    """Mean of a baseline's values; NaN where a percentage of it means nothing."""
    mean = float(baseline.mean())
    low = mean if baseline.size < 2 else paired_t(baseline, np.zeros_like(baseline), 1 - alpha).ci_low
    return mean if low > 0 else np.nan
