"""What a study has to say on a claim: values of its runs, its diagnostics, its data; or why it has nothing to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alloymtl.data.features import DESCRIPTORS
from alloymtl.errors import UserError
from alloymtl.evaluation.metrics import NAMES
from alloymtl.evaluation.samples import Replicates, Values, of_runs, units, values_on_test
from alloymtl.experiment import Experiment
from alloymtl.files import read_json, read_parquet
from alloymtl.run import PARTITIONS, Level

MEND = "build the collected tables again; they come from the run records."


class NotTestable(Exception):  # noqa: N818  (an answer, not an error)
    """The study lacks what a claim speaks of."""


@dataclass(frozen=True)
class Cell:
    """A score: of a method in an experiment at a level, on a task by a metric."""

    experiment: str
    method: str
    level: Level | None
    task: str
    metric: str


class Evidence:
    """A study and its study-level files.

    Args:
        spec: the study, as ``alloymtl.study.Study.to_paper_dict`` says it.
        inputs: its files by name; those that a study does not have may be missing.
    """

    def __init__(self, spec: Mapping[str, Any], inputs: Mapping[str, Path]) -> None:
        self.spec, self.inputs = spec, inputs
        self.alpha: float = spec["evaluation"]["alpha"]
        self.simulated: bool = spec["simulated"]
        self.kinds: dict[str, str] = {task["name"]: task["kind"] for task in spec["tasks"]}
        self._experiments = {e["name"]: Experiment.from_dict(e) for e in spec["experiments"]}

    def experiment(self, name: str) -> Experiment:
        """An experiment by name.

        Raises:
            NotTestable: the study has none of that name.
        """
        if name not in self._experiments:
            raise NotTestable(f"the study has no experiment {name!r}")
        return self._experiments[name]

    def level(self, experiment: Experiment, level: Level | None) -> Level:
        """A level of an experiment; if left out, every alloy where that was run, else the largest level.

        Raises:
            NotTestable: the experiment does not have it.
        """
        if level is None:
            return "all" if "all" in experiment.levels else max(experiment.levels)
        found = [known for known in experiment.levels if str(known) == str(level)]
        if not found:
            raise NotTestable(f"the experiment {experiment.name!r} has no level {level}")
        return found[0]

    def known(self, experiment: Experiment, methods: Sequence[str] = (), tasks: Sequence[str] = ()) -> None:
        """Make sure that an experiment has some methods, and the study some tasks.

        Raises:
            NotTestable: one is missing.
        """
        for method in methods:
            if method not in experiment.methods:
                raise NotTestable(f"the experiment {experiment.name!r} has no method {method!r}")
        for task in tasks:
            if task not in self.kinds:
                raise NotTestable(f"the study has no task {task!r}")

    def samples(self, cells: Sequence[Cell]) -> list[NDArray[np.float64]]:
        """Values of some scores that pair by position: over the seeds of one split, or over several splits.

        Scores of two experiments pair over the runs that both have.

        Raises:
            NotTestable: the study lacks an experiment, method, level, task or metric, or there are not two pairs.
            UserError: a run of an experiment is missing.
        """
        found, shared = [], None
        for cell in cells:
            experiment = self.experiment(cell.experiment)
            self.known(experiment, [cell.method], [cell.task])
            if cell.metric not in NAMES[self.kinds[cell.task]]:
                kind = self.kinds[cell.task]
                raise NotTestable(f"{cell.task!r} is a {kind} task here, which has no {cell.metric}")
            found.append((cell, self.level(experiment, cell.level)))
            own = experiment.replicates()
            shared = own if shared is None else [run for run in shared if run in own]
        if not shared:
            raise NotTestable("the experiments have no run in common")
        values = [units(of_runs(self.values, c.method, n, c.task, c.metric, shared), shared) for c, n in found]
        if len(values[0]) < 2:
            raise NotTestable("a single run has no interval")
        return values

    def per_run(self, name: str, experiment: Experiment, where: Mapping[str, str], column: str) -> NDArray[np.float64]:
        """A number that each run of an experiment has in one of the tidy tables, as independent values.

        Where several rows of a run fit, their mean.

        Args:
            name: the table: ``relations`` or ``similarity``.
            experiment: its runs.
            where: columns and the values that they must have, the method first, the level among them.
            column: the number.

        Raises:
            NotTestable: the table is not there, lacks a column or has nothing of the method; there are no two values.
            UserError: a run has no such row.
        """
        table = self._of(name, where, ["split_seed", "seed", column])
        runs = experiment.replicates()
        means = table.groupby(["split_seed", "seed"])[column].mean()
        self._complete(name, set(means.index[np.isfinite(means)]), runs, where)
        values = units([means.loc[run] for run in runs], runs)
        if len(values) < 2:
            raise NotTestable("a single run has no interval")
        return values

    def row(self, name: str, where: Mapping[str, str], columns: Sequence[str], complete: bool = True) -> pd.Series:
        """One row of a study-level table.

        Args:
            name: the table.
            where: columns and the values that they must have, the method that the row speaks of first.
            columns: numbers that it must have.
            complete: whether the table has every row, so that a missing one is lost rather than not made.

        Raises:
            NotTestable: the table is not there, lacks a column or has nothing of the method; a number has no interval.
            UserError: there is no such row, or more than one.
        """
        table = self._of(name, where, columns)
        if not len(table) and not complete:
            raise NotTestable("too few runs measured it to give an interval")
        if len(table) != 1:
            shown = ", ".join(where.values())
            raise UserError(f"{self.inputs[name]}: {shown}", f"{len(table)} rows are there and not one.", MEND)
        found = table.iloc[0]
        if not np.isfinite(found[list(columns)].to_numpy(dtype=float)).all():
            raise NotTestable("a single run has no interval")
        return found

    def table(self, name: str, columns: Sequence[str]) -> pd.DataFrame:
        """A study-level table, its levels as text.

        Raises:
            NotTestable: the study does not have it, or not one of the columns.
        """
        if name not in self.inputs:
            raise NotTestable(f"the study has no table {name!r}")
        if name not in self._tables:
            self._tables[name] = read_parquet(self.inputs[name])
        table = self._tables[name]
        if missing := [c for c in columns if c not in table]:
            raise NotTestable(f"the table {name!r} has no column {missing[0]!r}")
        return table.assign(level=table["level"].astype(str)) if "level" in table else table

    @cached_property
    def values(self) -> Values:
        """Metrics on the test rows."""
        table = read_parquet(self.inputs["metrics"])
        return values_on_test(table.assign(level=table["level"].astype(str)), self.inputs["metrics"])

    @cached_property
    def ingest(self) -> dict[str, Any]:
        """What ingestion counted."""
        return read_json(self.inputs["ingest"])

    @cached_property
    def features(self) -> dict[str, int]:
        """Number of features of each sort."""
        return {"elements": len(self.spec["data"]["elements"]), "descriptors": len(DESCRIPTORS)}

    @cached_property
    def partitions(self) -> dict[tuple[int, str], dict[str, int]]:
        """Labels in each partition, by split seed and task."""
        counts = self.table("split", ["split_seed", "task", "partition"])
        sizes = counts.groupby(["split_seed", "task", "partition"]).size()
        keys = counts[["split_seed", "task"]].drop_duplicates().itertuples(index=False, name=None)
        return {key: {p: int(sizes.get((*key, p), 0)) for p in PARTITIONS} for key in keys}

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        return {}

    def _of(self, name: str, where: Mapping[str, str], columns: Sequence[str]) -> pd.DataFrame:
        """Rows of a table that fit; a method of which there is none at all was not measured, rather than lost."""
        table = self.table(name, [*where, *columns])
        subject, value = next(iter(where.items()))
        if not (table[subject] == value).any():
            raise NotTestable(f"the table {name!r} has nothing of {value!r}")
        for key, wanted in where.items():
            table = table[table[key] == wanted]
        return table

    def _complete(self, name: str, found: set[Any], runs: Replicates, where: Mapping[str, str]) -> None:
        for run in runs:
            if run not in found:
                shown = ", ".join([*where.values(), f"split {run[0]}", f"seed {run[1]}"])
                raise UserError(f"{self.inputs[name]}: {shown}", "there is no such row.", MEND)
