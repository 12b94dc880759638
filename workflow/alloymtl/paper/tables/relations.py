"""Table 4: the relations between tasks that were learned; and table C3: the same under controls."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.experiment import Experiment
from alloymtl.paper.cells import spread
from alloymtl.paper.latex import Tex, decimals_for, escape, fixed
from alloymtl.paper.material import Material
from alloymtl.paper.samples import interval as t_interval
from alloymtl.paper.spec import MethodView
from alloymtl.paper.tables.parts import (
    DASH,
    interval,
    level_title,
    lower_first,
    mean_and_sd,
    notice,
    number,
    reported_columns,
    reported_of,
    summary,
)
from alloymtl.paper.tables.tabular import PLUS_MINUS, Table, Tabular, spanning
from alloymtl.run import Level
from alloymtl.task import Task

COLUMNS = ["method", "receiver", "source", "mean", "sd", "min", "max", "n"]
REPORTED_COLUMNS = ["reported", "reported_sd", "difference"]
METRIC = "strength"


def make(material: Material) -> Table:
    """Strength of each learned relation between two different tasks, over runs, beside the reported one.

    The CSV has the strength in every run, and the relations of tasks to themselves.
    """
    study = material.study
    beside = material.reported is not None
    pairs = list(product(study.tasks, study.tasks))
    columns = [*COLUMNS, *(REPORTED_COLUMNS if beside else []), *(_run_column(*run) for run in study.main.replicates())]
    head = [r"Receiver $\leftarrow$ source", spanning(2, r"Mean $\pm$ SD"), "Smallest", "Largest"]
    tabular = Tabular("l" + PLUS_MINUS + "rr" + "rr" * beside, [head + ["Reported", "Difference"] * beside])
    rows: list[dict[str, Any]] = []
    for method in material.related:
        if len(material.related) > 1:
            tabular.panel(escape(method.title))
        found = [_edge(material, method, receiver, source) for receiver, source in pairs]
        decimals = max(3, decimals_for([row["mean"] for row in found], 2, most=6))
        rows += found
        for (receiver, source), row in zip(pairs, found, strict=True):
            if receiver is not source:
                cells = [*mean_and_sd(row, decimals), fixed(row["min"], decimals), fixed(row["max"], decimals)]
                if beside:
                    cells += [row["said"], number(row["difference"], decimals)]
                tabular.row(rf"{escape(receiver.title)} $\leftarrow$ {escape(source.title)}", *cells)
    if not tabular.body:
        why = "No method of this study learns relations between tasks." if not material.related else "One task only."
        tabular.row(spanning(tabular.width, why, "l"))
    return Table(pd.DataFrame(rows, columns=columns), tabular.render())


def _edge(material: Material, method: MethodView, receiver: Task, source: Task) -> dict[str, Any]:
    values = material.relation(method, receiver, source)
    row = {"method": method.name, "receiver": receiver.name, "source": source.name, **summary(values)}
    row |= {"min": values.min(), "max": values.max()}
    level = material.study.level
    said = reported_of(material, 4, receiver.name, METRIC, method=method.name, level=level, source=source.name)
    row |= {**reported_columns(said, row["mean"]), "said": said.spread if said else DASH}
    runs = material.study.main.replicates()
    return row | {_run_column(*run): value for run, value in zip(runs, values, strict=True)}


def _run_column(split_seed: int, seed: int) -> str:
    return f"split-{split_seed}/seed-{seed}"


GROUPS = ("all", "within", "between", "within - between")
CONTROL_COLUMNS = ["study", "method", "level", "group", "edges", "series", "split_seed", "seed"]
CONTROL_COLUMNS += ["value", "sd", "ci_low", "ci_high", "n"]


def make_controls(material: Material) -> Table:
    """Mean strength over all relations, and within and between planted clusters, of this study and of its controls.

    A run's strength is the mean over its relations between two different tasks; the tabular has mean and SD over runs
    and the t-interval of the difference within minus between. The CSV has every run.
    """
    panels = {Tex("This study"): (material, material.study.experiments.get("relations"))}
    planted = {name: control for name, control in material.controls.items() if control.study.clusters}
    panels |= {Tex(rf"Control study \texttt{{{escape(n)}}}"): (c, c.study.main) for n, c in planted.items()}
    found = [
        (panel, _title(of, experiment, method, level), list(_control_rows(of, experiment, method, level)))
        for panel, (of, experiment) in panels.items()
        for method in (experiment.methods if experiment else ())
        if method in of.learners
        for level in experiment.levels
    ]
    if not found:
        return notice(CONTROL_COLUMNS, "This study has no experiment on what drives learned relations.")
    rows = [row for *_, block in found for row in block]
    decimals = max(3, decimals_for([row["value"] for row in rows if row["series"] == "mean"], 2))
    groups = [spanning(2, title) for title in ("All relations", "Within clusters", "Between clusters")]
    tabular, last = Tabular("l" + PLUS_MINUS * 3 + "rc", [["Method", *groups, r"$\Delta$", "Interval"]]), None
    for panel, title, block in found:
        if panel != last:
            tabular.panel(panel)
        tabular.row(title, *_control_cells(block, decimals))
        last = panel
    whole = dict.fromkeys(("split_seed", "seed", "n", "edges"), "Int64")
    return Table(pd.DataFrame(rows, columns=CONTROL_COLUMNS).astype(whole), tabular.render())


def _title(material: Material, experiment: Experiment, method: str, level: Level) -> Tex:
    title = escape(material.study.methods[method].title)
    return title if len(experiment.levels) == 1 else Tex(f"{title} ({lower_first(level_title(level))})")


def _control_rows(material: Material, experiment: Experiment, method: str, level: Level) -> Iterator[dict[str, Any]]:
    """Every run and their mean, for each group that has relations."""
    study, strengths = material.study, material.strengths(experiment, method, level)
    different = ~np.eye(len(study.tasks), dtype=bool)
    cluster = [study.clusters.get(task.name) for task in study.tasks]
    same = np.array([[a == b for b in cluster] for a in cluster])
    masks = {"all": different}
    if study.clusters:
        masks |= {"within": different & same, "between": different & ~same}
    values = {name: strengths[:, mask].mean(axis=1) for name, mask in masks.items() if mask.any()}
    if {"within", "between"} <= set(values):
        values["within - between"] = values["within"] - values["between"]
    name = {"study": study.name, "method": method, "level": str(level)}
    for group, each in values.items():
        base = {**name, "group": group, "edges": int(masks[group].sum()) if group in masks else None}
        for (split_seed, seed), value in zip(experiment.replicates(), each, strict=True):
            yield {**base, "series": "run", "split_seed": split_seed, "seed": seed, "value": float(value)}
        mean = t_interval(each, experiment, study.evaluation["alpha"])
        yield {**base, "series": "mean", "sd": spread(each)[1], **mean}


def _control_cells(rows: list[dict[str, Any]], decimals: int) -> Iterator[Tex]:
    means = {row["group"]: row for row in rows if row["series"] == "mean"}
    for group in GROUPS[:3]:
        if group in means:
            yield fixed(means[group]["value"], decimals)
            yield fixed(means[group]["sd"], decimals)
        else:
            yield spanning(2, DASH)
    row = means.get(GROUPS[3])
    yield fixed(row["value"], decimals) if row else DASH
    yield interval(row["ci_low"], row["ci_high"], decimals) if row else DASH
