"""Step ``groupings``: which tasks do gradients put together, is it what is known of them, and does training so gain?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from alloymtl.data.simulate.settings import PROPERTIES
from alloymtl.evaluation.affinity.grouping import GROUPS, BestCut, Groups, Tree, best_cut, cut, scores, tied, tree
from alloymtl.evaluation.affinity.kinds import LABELS, MAGNITUDES
from alloymtl.evaluation.affinity.series import (
    Mean,
    Series,
    as_table,
    cosines,
    mean,
    of_pairs,
    overlap,
    relations,
    same,
    text,
)
from alloymtl.evaluation.affinity.taskonomy import GAINS, OF_CONTRASTS, compared, proposed
from alloymtl.evaluation.metrics import check_metrics
from alloymtl.evaluation.samples import values_on_test
from alloymtl.experiment import AFFINITY, TASKONOMY, Experiment
from alloymtl.files import read_parquet, write_parquet

DRAWS = 499
"""Arrangements of a matrix that its groups are set against; smallest p-value 0.002."""
PARTITIONS = 999
"""Random partitions that a score is set against where there are too many to go through."""
SCORES = ("ari", "ami", "nmi")

OF_SERIES = {"level": "str", "overlap": "float64", "method": "str", "source": "str", "window": "str"}
MEANS = {
    **OF_SERIES,
    "first": "str",
    "second": "str",
    "value": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "n_runs": "int64",
}
GROUPINGS = {
    **OF_SERIES,
    "verdict": "str",
    "k": "int64",
    "groups": "str",
    "silhouette": "float64",
    "p_value": "float64",
    "smallest_p": "float64",
    "similarity": "float64",
    "n_runs": "int64",
}
LINKAGES = {
    **OF_SERIES,
    "step": "int64",
    "left": "int64",
    "right": "int64",
    "distance": "float64",
    "size": "int64",
    "leaves": "str",
}
PROPOSED, BY_LABELS = "proposed", "labels"
"""Which grouping is known: the one that ``known`` gives, or else that of how strongly all labels correlate."""
STRENGTH = MAGNITUDES[LABELS]
GROUP_SCORES = {
    **OF_SERIES,
    "known": "str",
    "k": "int64",
    "groups": "str",
    "score": "str",
    "value": "float64",
    "chance": "float64",
    "p_value": "float64",
    "runs": "int64",
    "left_out": "int64",
    "recovered": "float64",
    "tied": "int64",
}
OF_AFFINITY = {"mean_affinity": MEANS, "groupings": GROUPINGS, "linkages": LINKAGES, "group_scores": GROUP_SCORES}


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write what the tasks' affinity groups together, and what groups gain.

    The first four tables have lines for every level of the experiment ``affinity`` and every series there: a method's
    cosines by ``source`` (estimator) and ``window``, or a kind of relation, of no method and no window. ``overlap`` is
    the mean Jaccard index over pairs and splits. A relation that depends on no split is one run, without an interval.

    - ``mean_affinity``: each pair's mean over runs (see ``series.Mean``). The other three are of its matrices.
    - ``groupings``: the best cut and the verdict on it (``grouping.best_cut``); ``n_runs`` is the fewest runs behind a
      pair. ``groups`` are written as in ``a+b | c``, here and below.
    - ``linkages``: the tree, one line for each join (``step``, from 0): branches ``left`` and ``right`` with scipy's
      numbers (below the number of tasks a task, in the study's order), their ``distance``, and the ``size`` of what
      they make. ``leaves`` are the names of all tasks in the order in which they are drawn, the same in all lines of a
      tree. A matrix with a pair missing has no tree.
    - ``group_scores``: where a grouping is known (``known``), how well the cut into as many groups recovers it; else
      how well it agrees with the best cut of how strongly all labels correlate, where that finds groups. A line for
      each score (``grouping.scores``), NaN without a tree. ``recovered`` is the share of ``runs`` whose own cut is the
      known grouping, ``tied`` the number of those whose cut is not the only one; ``left_out`` have no tree.

    ``group_gains`` and ``group_contrasts`` are of the experiment ``taskonomy``, and empty without one: see
    ``taskonomy.compared``.

    Args:
        spec: ``tasks``, ``methods``, ``experiments``, ``evaluation`` and ``simulation`` of a study.
        inputs: ``metrics``, ``affinity``, ``task_relations``.
        outputs: the six tables.

    Raises:
        UserError: as ``taskonomy.compared``, or ``evaluation`` names an unknown metric.
    """
    check_metrics(spec["evaluation"], "config")
    experiments = {e["name"]: Experiment.from_dict(e) for e in spec["experiments"]}
    lines: dict[str, list[dict[str, Any]]] = {name: [] for name in OF_AFFINITY}
    if AFFINITY in experiments and len(spec["tasks"]) > 1:
        for name, line in _lines(spec, experiments[AFFINITY], inputs):
            lines[name].append(line)
    tables = {name: as_table(lines[name], columns) for name, columns in OF_AFFINITY.items()}
    gained, contrasts = [], []
    if TASKONOMY in experiments:
        values = values_on_test(read_parquet(inputs["metrics"]), inputs["metrics"])
        gained, contrasts = compared(experiments[TASKONOMY], spec, values)
    tables |= {"group_gains": as_table(gained, GAINS), "group_contrasts": as_table(contrasts, OF_CONTRASTS)}
    for name, table in tables.items():
        write_parquet(outputs[name], table)


def known(spec: Mapping[str, Any]) -> Groups | None:
    """The grouping that gradients are to recover: the proposed partition, or else the simulator's clusters.

    The latter are known where tasks of a cluster share a latent function (``simulation.latent_per``) and every task is
    one of the simulator's. None where there is neither, or where it puts all tasks together or each on its own.

    Args:
        spec: ``tasks``, ``methods``, ``experiments`` and ``simulation`` of a study.
    """
    tasks = [task["name"] for task in spec["tasks"]]
    experiment = next((Experiment.from_dict(e) for e in spec["experiments"] if e["name"] == TASKONOMY), None)
    found = None if experiment is None else proposed(experiment, spec)
    simulation = spec.get("simulation") or {}
    if found is None and simulation.get("latent_per") == "cluster" and set(tasks) <= set(PROPERTIES):
        clusters: dict[str, list[str]] = {}
        for task in tasks:
            clusters.setdefault(PROPERTIES[task].cluster, []).append(task)
        found = list(clusters.values())
    return found if found is not None and 1 < len(found) < len(tasks) else None


def _lines(
    spec: Mapping[str, Any], experiment: Experiment, inputs: Mapping[str, Path]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Lines of the tables on affinity, each with the name of its table."""
    tasks, alpha = [task["name"] for task in spec["tasks"]], spec["evaluation"]["alpha"]
    related = read_parquet(inputs["task_relations"])
    which, truth = _known(spec, related, experiment, tasks, alpha)
    of_gradients = cosines(read_parquet(inputs["affinity"]), experiment, tasks)
    cuts: dict[str, BestCut] = {}
    for level in experiment.levels:
        of_level = {"level": str(level), "overlap": float(of_pairs(overlap(related, level, tasks)).mean())}
        for series in [*(s for s in of_gradients if s.level == str(level)), *relations(related, level, tasks)]:
            names = {**of_level, **series.names}
            over_runs = mean(series, alpha)
            for i, j in combinations(range(len(tasks)), 2):
                yield "mean_affinity", {**names, "first": tasks[i], "second": tasks[j], **_entry(over_runs, i, j)}
            # What no level changes is cut once.
            best = cuts.get(series.source) if series.fixed else None
            if best is None:
                best = best_cut(over_runs.value, tasks, alpha, DRAWS, series.generator())
                cuts |= {series.source: best} if series.fixed else {}
            yield "groupings", {**names, **_told(best), "n_runs": int(of_pairs(over_runs.runs).min())}
            found = tree(over_runs.value, tasks)
            yield from (("linkages", {**names, **line}) for line in _joins(found))
            if truth is not None and (which, series.source) != (BY_LABELS, STRENGTH):
                of_known = {**names, "known": which}
                yield from (("group_scores", {**of_known, **line}) for line in _scores(series, found, truth))


def _known(
    spec: Mapping[str, Any], related: pd.DataFrame, experiment: Experiment, tasks: list[str], alpha: float
) -> tuple[str, Groups | None]:
    """The grouping that others are held to, and where it is from; None where there is none."""
    truth = known(spec)
    if truth is not None:
        return PROPOSED, truth
    labels = next((s for s in relations(related, experiment.levels[0], tasks) if s.source == STRENGTH), None)
    if labels is None:
        return BY_LABELS, None
    best = best_cut(mean(labels, alpha).value, tasks, alpha, DRAWS, labels.generator())
    return BY_LABELS, best.groups if best.verdict == GROUPS else None


def _entry(over_runs: Mean, i: int, j: int) -> dict[str, Any]:
    return {
        "value": float(over_runs.value[i, j]),
        "ci_low": float(over_runs.ci_low[i, j]),
        "ci_high": float(over_runs.ci_high[i, j]),
        "n_runs": int(over_runs.runs[i, j]),
    }


def _told(best: BestCut) -> dict[str, Any]:
    numbers = {name: getattr(best, name) for name in ("k", "silhouette", "p_value", "smallest_p", "similarity")}
    return {"verdict": best.verdict, "groups": text(best.groups), **numbers}


def _joins(found: Tree) -> Iterator[dict[str, Any]]:
    leaves = " ".join(found.leaves)
    for number, (left, right, distance, size) in enumerate(found.linkage.tolist()):
        joined = {"left": int(left), "right": int(right), "distance": distance, "size": int(size)}
        yield {"step": number, **joined, "leaves": leaves}


def _scores(series: Series, found: Tree, truth: Groups) -> Iterator[dict[str, Any]]:
    """How well the mean matrix recovers the known grouping, score by score, and how often single runs do."""
    k = len(truth)
    trees = [tree(matrix, found.tasks) for matrix in series.matrices.values()]
    whole = [one for one in trees if not one.missing]
    of_runs = {
        "runs": len(whole),
        "left_out": len(trees) - len(whole),
        "recovered": sum(same(cut(one, k), truth) for one in whole) / len(whole) if whole else math.nan,
        "tied": sum(tied(one, k) for one in whole),
    }
    groups = [] if found.missing else cut(found, k)
    told = scores(groups, truth, PARTITIONS, series.generator()) if groups else {}
    for name in SCORES:
        score = told.get(name)
        numbers = {of: getattr(score, of, math.nan) for of in ("value", "chance", "p_value")}
        yield {"k": k, "groups": text(groups), "score": name, **numbers, **of_runs}
