"""Table 3: the paired tests."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from alloymtl.experiment import Experiment
from alloymtl.paper.display import metric_decimals, metric_title
from alloymtl.paper.latex import Tex, escape, fixed, p_value
from alloymtl.paper.material import TEST_NUMBERS, Material
from alloymtl.paper.reported import printed
from alloymtl.paper.tables.parts import interval, level_title, lower_first, reported_of
from alloymtl.paper.tables.tabular import Table, Tabular, spanning
from alloymtl.run import Level
from alloymtl.task import Task

COLUMNS = ["experiment", "level", "baseline", "method", "task", "metric", "n_pairs", *TEST_NUMBERS, "verdict"]
HEADING = ["Task", "Metric", r"$\Delta$", "Interval", "$t$", "d.f.", "$p$", "$p_{\\text{Holm}}$", "$g$", "Verdict"]
REPORTED_IN = (3, 2)  # tables of the reported paper with p-values; the first that tests a pair has its number


def make(material: Material) -> Table:
    """Paired tests of the main comparison on the first metric of each task, beside the reported p-values.

    The CSV has those of every experiment; their tables show them.
    """
    study = material.study
    several = len(study.main.levels) > 1
    beside = material.reported is not None
    tabular = Tabular("llrcrrrrrl" + "r" * beside, [HEADING + [r"Reported $p$"] * beside])
    rows: list[dict[str, Any]] = []
    for experiment in study.experiments.values():
        for level in experiment.levels:
            for pair in experiment.comparisons:
                found = [_row(material, experiment, level, pair, task) for task in study.tasks]
                rows += found
                if experiment is not study.main:
                    continue
                versus = f"{escape(study.methods[pair[1]].title)} against {escape(study.methods[pair[0]].title)}"
                tabular.panel(f"{versus} ({lower_first(level_title(level))})" if several else versus)
                for task, row in zip(study.tasks, found, strict=True):
                    said = [printed(row["reported_p"])] if beside else []
                    tabular.row(escape(task.title), *_cells(row), *said)
    if not tabular.body:
        tabular.row(spanning(tabular.width, "This study compares no pair of methods.", "l"))
    return Table(pd.DataFrame(rows, columns=COLUMNS + ["reported_p"] * beside), tabular.render())


def _row(material: Material, experiment: Experiment, level: Level, pair: tuple[str, str], task: Task) -> dict[str, Any]:
    metric = material.study.metrics(task)[0]
    row = material.test(experiment.name, level, pair, task, metric)[COLUMNS].to_dict()
    if material.reported is None:
        return row
    said = [reported_of(material, n, task.name, metric, method=pair[1], level=level) for n in REPORTED_IN]
    here = [cell.p_value for cell in said if cell.p_value and cell.baseline == pair[0]]
    return {**row, "reported_p": here[0] if here and experiment is material.study.main else ""}


def _cells(test: dict[str, Any]) -> Iterator[Tex]:
    d = metric_decimals(test["metric"], [test["mean_difference"]])
    yield metric_title(test["metric"])
    yield fixed(test["mean_difference"], d)
    yield interval(test["ci_low"], test["ci_high"], d)
    yield _or_infinity(test["t"])
    yield Tex(int(test["df"]))
    yield p_value(test["p_value"])
    yield p_value(test["p_holm"])
    # The small-sample correction of g is zero at two pairs, whatever the difference.
    yield _or_infinity(test["effect_size"]) if test["n_pairs"] > 2 else Tex("--")
    yield escape(test["verdict"])


def _or_infinity(value: float) -> Tex:
    """Two decimals; a ratio whose spread is zero has an infinity for its limit."""
    return fixed(value, 2) if math.isfinite(value) else Tex(r"$\infty$" if value > 0 else r"$-\infty$")
