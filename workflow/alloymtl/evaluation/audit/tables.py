"""What is audited: tables of means and deviations, the paper's and the study's own, in one form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.evaluation.audit.arithmetic import Printed
from alloymtl.evaluation.reported import Claims
from alloymtl.experiment import MAIN, Experiment
from alloymtl.run import PARTITIONS

COUNT = "n_"


@dataclass(frozen=True)
class Row:
    """One finding of the audit: which check, where, how grave, what was found, the verdict, and what mends it."""

    check: str
    where: str
    severity: str
    found: str
    verdict: str
    mend: str


@dataclass(frozen=True)
class Audited:
    """Tables and the set-up behind them.

    Args:
        source: whose they are.
        reported: whether a paper printed them; else they are the study's own.
        table: one row per number: ``table``, ``row``, ``method``, ``level``, ``task``, ``source``, ``metric``,
            ``baseline``, ``p_value``, and ``mean``, ``std`` and ``delta`` each as ``_value`` and ``_half``.
        replicates: runs behind a mean.
        batch_size: rows of a training batch.
        sizes: labels in each partition by task; ``union`` counts distinct alloys.
        methods: parts and training settings of the methods that the study knows.
        experiments: the study's experiments.
        primary: the metrics that the study is judged by.
        claims: of the paper.
    """

    source: str
    reported: bool
    table: pd.DataFrame
    replicates: int
    batch_size: int
    sizes: Mapping[str, Mapping[str, int]]
    methods: Mapping[str, Any]
    experiments: tuple[Experiment, ...]
    primary: tuple[str, ...] = ()
    claims: Claims | None = None

    def where(self, *tables: str) -> str:
        """Name of some tables, for the column ``where``."""
        word = ("table" if self.reported else "experiment") + "s" * (len(tables) > 1)
        return f"{self.source}, {word} {', '.join(tables)}" if tables else self.source

    @property
    def main(self) -> Experiment:
        """The study's main comparison."""
        return next(e for e in self.experiments if e.name == MAIN)

    @property
    def baseline(self) -> str:
        """What everything is measured by in the end: the first baseline of the main comparison."""
        return self.main.comparisons[0][0] if self.main.comparisons else self.main.methods[0]

    @property
    def scores(self) -> pd.DataFrame:
        """Rows that hold a method's score on a task."""
        t = self.table
        return t[(t["method"] != "") & (t["task"] != "") & (t["source"] == "") & t["mean_value"].notna()]

    def spread_of(self, method: str, task: str, metric: str, level: str) -> Printed | None:
        """Mean and deviation of a score, from the first table that has both; None where none has."""
        t = self.scores
        t = t[(t["method"] == method) & (t["task"] == task) & (t["metric"] == metric) & (t["level"] == level)]
        t = t[t["std_value"].notna()]
        if t.empty:
            return None
        first = t.iloc[0]
        return Printed(first["mean_value"], first["std_value"], first["mean_half"], first["std_half"])


def sizes_of(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Labels in each partition by task, where a paper's table prints them as ``n_<partition>``."""
    counts = table[table["metric"].isin([COUNT + p for p in PARTITIONS])]
    found: dict[str, dict[str, int]] = {}
    for row in counts.itertuples():
        found.setdefault(row.task, {})[row.metric.removeprefix(COUNT)] = int(row.mean_value)
    return found


def sizes_of_split(split: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Labels in each partition by task, and distinct alloys as ``union``, of the first split seed."""
    first = split[split["split_seed"] == split["split_seed"].iloc[0]]
    parts = {str(task): rows["partition"].value_counts() for task, rows in first.groupby("task", sort=False)}
    parts["union"] = first.drop_duplicates("alloy")["partition"].value_counts()
    return {task: {p: int(counts.get(p, 0)) for p in PARTITIONS} for task, counts in parts.items()}


def own_table(metrics: pd.DataFrame, relations: pd.DataFrame, experiments: tuple[Experiment, ...]) -> pd.DataFrame:
    """The study's own numbers in the form of printed ones, not rounded, one table for each experiment."""
    test = metrics[metrics["partition"] == "test"].assign(level=lambda t: t["level"].astype(str), source="")
    named = relations.assign(level=relations["level"].astype(str), metric="strength")
    between = named[named["task"] != named["source"]].rename(columns={"strength": "value"})
    values = pd.concat([part for part in (test.drop(columns="partition"), between) if len(part)], ignore_index=True)
    tables = []
    for e in experiments:
        mine = values[
            values["method"].isin(e.methods)
            & values["level"].isin([str(level) for level in e.levels])
            & values["split_seed"].isin(e.split_seeds)
            & values["seed"].isin(e.seeds)
        ]
        grouped = mine.groupby(["method", "level", "task", "source", "metric"], sort=False)["value"]
        means = grouped.agg(mean_value="mean", std_value="std").reset_index()
        tables.append(means.assign(table=e.name, row=means["method"]))
    whole = pd.concat(tables, ignore_index=True)
    blank = dict.fromkeys(("baseline", "p_value", "delta"), "")
    return whole.assign(**blank, mean_half=0.0, std_half=0.0, delta_value=np.nan, delta_half=np.nan)
