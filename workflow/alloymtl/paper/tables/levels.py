"""Table 5: what the size of the largest task does to the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.experiment import Experiment
from alloymtl.paper.display import metric_decimals, metric_heading
from alloymtl.paper.latex import Tex, count, escape, p_value
from alloymtl.paper.material import Material
from alloymtl.paper.reported import Printed, printed
from alloymtl.paper.spec import LEVELS, ordered
from alloymtl.paper.tables.parts import (
    DASH,
    best_of,
    grouped_heading,
    interval,
    mean_and_sd,
    notice,
    number,
    prints_alike,
    reported_columns,
    reported_of,
    summary,
)
from alloymtl.paper.tables.tabular import PLUS_MINUS, Table, Tabular, spanning
from alloymtl.run import Level
from alloymtl.task import Task
from alloymtl.training.dataset import at_level, majority

COLUMNS = ["experiment", "method", "level", "labels", "task", "metric", "imbalance_ratio", "mean", "sd", "n"]
TEST = ["baseline_level", "mean_difference", "ci_low", "ci_high", "p_value", "p_holm", "verdict"]
REPORTED_COLUMNS = ["reported", "reported_sd", "difference", "reported_ratio"]


def make(material: Material) -> Table:
    """First metric of every task but the largest at each level of the largest, and its change from the smallest level.

    ``labels`` is the number of labels of the largest task, ``imbalance_ratio`` its training labels over those of the
    task, both averaged over split seeds.
    """
    study = material.study
    found = [study.experiments[name] for name in LEVELS if name in study.experiments]
    beside = material.reported is not None
    columns = COLUMNS + TEST + (REPORTED_COLUMNS if beside else [])
    if not found:
        return notice(columns, "This study has no experiment on the size of the largest task.")
    largest = majority(material.split[material.split["split_seed"] == study.main.split_seeds[0]])
    head = ["Level", "Ratio", spanning(2, r"Mean $\pm$ SD"), r"$\Delta$", "Interval", r"$p_{\text{Holm}}$"]
    lines = grouped_heading([("", 7), ("Reported", 2)], [*head, "Mean", "Ratio"]) if beside else [head]
    tabular = Tabular("rr" + PLUS_MINUS + "rcr" + "rr" * beside, lines)
    rows: list[dict[str, Any]] = []
    for experiment in found:
        for method in experiment.methods:
            for task in study.tasks:
                if task.name == largest:
                    continue
                metric = study.metrics(task)[0]
                title = escape(study.methods[method].title)
                tabular.panel(f"{title}: {escape(task.title)}, {metric_heading(metric, task)}")
                mine = [_row(material, experiment, method, level, task, largest) for level in ordered(experiment)]
                rows += mine
                for cells in _lines(mine, metric):
                    tabular.row(*cells)
    return Table(pd.DataFrame(rows, columns=columns), tabular.render())


def _row(
    material: Material, experiment: Experiment, method: str, level: Level, task: Task, largest: str
) -> dict[str, Any]:
    metric, smallest = material.study.metrics(task)[0], ordered(experiment)[0]
    labels, ratio = _sizes(material, experiment, level, task.name, largest)
    row = {"experiment": experiment.name, "method": method, "level": str(level), "labels": labels}
    row |= {"task": task.name, "metric": metric, "imbalance_ratio": ratio}
    row |= summary(material.scores.of(experiment, method, level, task, metric))
    if level != smallest:
        row |= material.level_test(experiment.name, method, level, task, metric)[TEST].to_dict()
    said = reported_of(material, 5, task.name, metric, method=method, level=level)
    if said is None:
        return row
    # A ratio belongs to the data of a level; it stands beside the method that the paper trained there.
    of_level = reported_of(material, 5, task.name, "imbalance_ratio", level=level, source=largest)
    ratio_said = of_level if of_level is not None and said.mean else Printed()
    return row | reported_columns(said, row["mean"]) | {"reported_ratio": ratio_said.mean, "said": said.spread}


def _sizes(material: Material, experiment: Experiment, level: Level, task: str, largest: str) -> tuple[float, float]:
    labels, ratios = [], []
    for seed in experiment.split_seeds:
        kept = at_level(material.split[material.split["split_seed"] == seed], level)
        training = kept.loc[kept["partition"] == "train", "task"].value_counts()
        labels.append((kept["task"] == largest).sum())
        ratios.append(training[largest] / training[task])
    return float(np.mean(labels)), float(np.mean(ratios))


def _lines(rows: list[dict[str, Any]], metric: str) -> Iterator[list[Tex]]:
    means = [row["mean"] for row in rows]
    decimals, best = metric_decimals(metric, means), best_of(metric, means)
    for row in rows:
        cells = [count(round(row["labels"])), number(row["imbalance_ratio"], 2)]
        cells += mean_and_sd(row, decimals, prints_alike(row["mean"], best, decimals))
        if "p_holm" in row:
            low, high = row["ci_low"], row["ci_high"]
            cells += [number(row["mean_difference"], decimals), interval(low, high, decimals), p_value(row["p_holm"])]
        else:
            cells += [DASH] * 3
        yield cells + ([row["said"], printed(row["reported_ratio"])] if "said" in row else [])
