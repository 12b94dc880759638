"""What tables, figures and numbers are made from: a study and its collected results, read when first asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alloymtl.errors import UserError
from alloymtl.evaluation.reported import MEND as MEND_REPORTED
from alloymtl.experiment import Experiment
from alloymtl.files import read_json, read_parquet
from alloymtl.paper.cells import MEND, Scores, of_main
from alloymtl.paper.reported import Reported
from alloymtl.paper.spec import MethodView, PaperStudy
from alloymtl.run import Level
from alloymtl.task import Task

PROFILE = ("tasks", "histograms", "elements")
MEND_DATA = "build the target `data` again."
TEST_NUMBERS = ("mean_difference", "ci_low", "ci_high", "t", "df", "p_value", "p_holm", "effect_size")


@dataclass(frozen=True)
class Material:
    """One study and the study-level files of its results, by the names that steps give them.

    Files of a control study come as ``control_<its name>_<name of the file>``.
    """

    study: PaperStudy
    inputs: dict[str, Path]

    @cached_property
    def scores(self) -> Scores:
        """Metrics on the test partition."""
        return Scores(self.inputs["metrics"])

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """Paired tests of all experiments."""
        return self._parquet("comparisons")

    @cached_property
    def level_comparisons(self) -> pd.DataFrame:
        """Paired tests of each level against the smallest."""
        return self._parquet("level_comparisons")

    @cached_property
    def synergy(self) -> pd.DataFrame:
        """What two remedies together gain beyond the sum of what each gains."""
        return self._parquet("synergy")

    @cached_property
    def delta(self) -> pd.DataFrame:
        """What each balancer gains over its baselines, in percent."""
        return self._parquet("delta")

    @cached_property
    def delta_levels(self) -> pd.DataFrame:
        """How much more each balancer gains at the largest level than at the smallest, in percentage points."""
        return self._parquet("delta_levels")

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """Mean rank of each balancer, and the difference from which ranks differ."""
        return self._parquet("ranks")

    @cached_property
    def equivalence(self) -> pd.DataFrame:
        """Each balancer's gain against that of a grid search of the weights, in percentage points."""
        return self._parquet("equivalence")

    @cached_property
    def norms(self) -> pd.DataFrame:
        """Correlations of the norms of gradients with imbalance."""
        return self._parquet("norms")

    @cached_property
    def norm_points(self) -> pd.DataFrame:
        """What those over tasks and levels are of: relative norm and gain of each task, unit by unit."""
        return self._parquet("norm_points")

    @cached_property
    def balancing_costs(self) -> pd.DataFrame:
        """Cost of each balancer beside its gain, at the largest level."""
        return self._parquet("balancing_costs")

    @cached_property
    def balancing_reported(self) -> pd.DataFrame:
        """What arXiv:2509.23915 reports of balancers, all cells as text."""
        return _texts(self.inputs["balancing_reported"])

    @cached_property
    def overlap_reported(self) -> pd.DataFrame:
        """Agreement of gradients with labels by the labels kept, as arXiv:2604.07848 prints it, all cells as text."""
        return _texts(self.inputs["overlap_reported"])

    @cached_property
    def overlap_reported_values(self) -> Mapping[str, str]:
        """What else that paper reports, as printed, by quantity.

        Raises:
            UserError: a quantity stands there twice.
        """
        table, path = _texts(self.inputs["overlap_reported_values"]), self.inputs["overlap_reported_values"]
        if table["quantity"].duplicated().any():
            twice = table.loc[table["quantity"].duplicated(), "quantity"].iloc[0]
            raise UserError(str(path), f"the quantity {twice!r} stands there twice.", MEND_REPORTED)
        return dict(zip(table["quantity"], table["value"], strict=True))

    @cached_property
    def tails(self) -> pd.DataFrame:
        """Largest errors of each method with their bootstrap intervals."""
        return self._parquet("tails")

    @cached_property
    def conflict(self) -> pd.DataFrame:
        """Cosines between the gradients of two tasks, over runs."""
        return self._parquet("conflict")

    @cached_property
    def gradients(self) -> pd.DataFrame:
        """What was measured of the gradients of two tasks, epoch by epoch of each run."""
        return self._parquet("gradients")

    @cached_property
    def similarity(self) -> pd.DataFrame:
        """How alike the backbones of two tasks are, in each run of a method that gives each task one of its own."""
        return self._parquet("similarity")

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Epochs, steps and seconds of each run."""
        return self._parquet("runs")

    @cached_property
    def claims(self) -> pd.DataFrame:
        """Every claim of the reported paper with its verdict, all cells as text."""
        return _texts(self.inputs["claims"])

    @cached_property
    def audit(self) -> pd.DataFrame:
        """What checks of the reported numbers found, all cells as text."""
        return _texts(self.inputs["audit"])

    @cached_property
    def reported(self) -> Reported | None:
        """The tables of the reported paper; None where the study names none."""
        return None if self.study.reported is None else Reported(self.inputs["reported"])

    @cached_property
    def controls(self) -> dict[str, Material]:
        """The control studies by name, each with its own files; arms are none of them."""
        return {name: Material(study, self._files_of(name)) for name, study in self.study.controls.items()}

    @cached_property
    def arms(self) -> dict[str, Material]:
        """The studies within it that ask what gradients tell of tasks, by name, each with its own files."""
        return {name: Material(study, self._files_of(name)) for name, study in self.study.arms.items()}

    def affinity_table(self, name: str) -> pd.DataFrame:
        """A table of the steps of affinity; without lines or columns where the study has no such table."""
        return self._parquet(name) if name in self.inputs else pd.DataFrame()

    def _files_of(self, control: str) -> dict[str, Path]:
        prefix = f"control_{control}_"
        return {name.removeprefix(prefix): p for name, p in self.inputs.items() if name.startswith(prefix)}

    def _parquet(self, name: str) -> pd.DataFrame:
        table = read_parquet(self.inputs[name])
        return table.assign(level=table["level"].astype(str)) if "level" in table else table

    @cached_property
    def split(self) -> pd.DataFrame:
        """Partition of each label, of every split seed."""
        return read_parquet(self.inputs["split"])

    @cached_property
    def ingest(self) -> dict[str, Any]:
        """What ingestion counted."""
        return read_json(self.inputs["ingest"])

    @cached_property
    def profile(self) -> dict[str, pd.DataFrame]:
        """What the alloys hold, by name of the table: ``tasks``, ``histograms`` and ``elements``."""
        return {name: _csv(self.inputs[f"profile_{name}"]) for name in PROFILE}

    @cached_property
    def overlap(self) -> pd.DataFrame:
        """Distinct alloys with labels of two tasks (``both``) and of either, every ordered pair."""
        return _csv(self.inputs["profile_overlap"])

    @cached_property
    def leakage(self) -> pd.DataFrame:
        """Alloys with near-copies in training, by kind of split; ``used`` marks the study's own."""
        return _csv(self.inputs["leakage"])

    @cached_property
    def rejects(self) -> pd.DataFrame:
        """File, rule and reason of each rejected row, all cells as text."""
        return _texts(self.inputs["rejects"], ["file", "task", "rule", "reason"])

    def shared(self, first: Task, second: Task) -> tuple[int, int]:
        """Distinct alloys with labels of both tasks, and of either.

        Raises:
            UserError: the pair is missing or there twice.
        """
        table = self.overlap
        found = table[(table["task_a"] == first.name) & (table["task_b"] == second.name)]
        if len(found) != 1:
            where = f"{self.inputs['profile_overlap']}: {first.name}, {second.name}"
            raise UserError(where, f"the pair is there {len(found)} times and not once.", MEND_DATA)
        return int(found["both"].iloc[0]), int(found["either"].iloc[0])

    @cached_property
    def related(self) -> tuple[MethodView, ...]:
        """Methods of the main comparison that learned relations, in order."""
        return tuple(method for method in self.study.main_methods if method.name in self.learners)

    @cached_property
    def learners(self) -> set[str]:
        """Names of all methods that learned relations."""
        return set(read_parquet(self.inputs["relations"], ["method"])["method"])

    @cached_property
    def relations(self) -> pd.DataFrame:
        """Learned relations of the main comparison, every pair of tasks of every run."""
        table = of_main(
            self.inputs["relations"], self.study, [m.name for m in self.related], [t.name for t in self.study.tasks]
        )
        pairs = len(self.study.tasks) ** 2 * len(self.study.main.replicates()) * len(self.related)
        if len(table) != pairs or table.duplicated(["method", "split_seed", "seed", "task", "source"]).any():
            raise UserError(str(self.inputs["relations"]), "a pair of tasks is missing or there twice.", MEND)
        return table

    def test(self, experiment: str, level: Level, pair: tuple[str, str], task: Task, metric: str) -> pd.Series:
        """One paired test.

        Raises:
            UserError: it was not made, was made twice, or gave no number.
        """
        c = self.comparisons
        wanted = (c["experiment"] == experiment) & (c["level"] == str(level)) & (c["task"] == task.name)
        wanted &= (c["baseline"] == pair[0]) & (c["method"] == pair[1]) & (c["metric"] == metric)
        where = f"{self.inputs['comparisons']}: {experiment}, {pair[1]} against {pair[0]}, {task.name}, {metric}"
        if wanted.sum() != 1:
            raise UserError(where, f"{wanted.sum()} tests are there and not one.", MEND)
        found = c[wanted].iloc[0]
        if found[list(TEST_NUMBERS)].isna().any():
            raise UserError(where, "the test gave no number.", MEND)
        return found

    def level_test(self, experiment: str, method: str, level: Level, task: Task, metric: str) -> pd.Series:
        """One paired test of a level against the smallest.

        Raises:
            UserError: it was not made or was made twice.
        """
        c = self.level_comparisons
        wanted = (c["experiment"] == experiment) & (c["level"] == str(level)) & (c["task"] == task.name)
        wanted &= (c["method"] == method) & (c["metric"] == metric)
        if wanted.sum() != 1:
            where = f"{self.inputs['level_comparisons']}: {experiment}, {method} at {level}, {task.name}, {metric}"
            raise UserError(where, f"{wanted.sum()} tests are there and not one.", MEND)
        return c[wanted].iloc[0]

    def relation(self, method: MethodView, receiver: Task, source: Task) -> NDArray[np.float64]:
        """Strength of one relation in each run of a method, in the order of its split seeds and seeds."""
        r = self.relations
        wanted = (r["method"] == method.name) & (r["task"] == receiver.name) & (r["source"] == source.name)
        return r.loc[wanted, "strength"].to_numpy()

    def strengths(self, experiment: Experiment, method: str, level: Level) -> NDArray[np.float64]:
        """Learned relations of a method in an experiment (runs x receivers x sources), in the study's order of tasks.

        Raises:
            UserError: a relation of some run is missing, is there twice, or is no number.
        """
        names = [task.name for task in self.study.tasks]
        key = ["split_seed", "seed", "task", "source"]
        cells = [(*run, *pair) for run, *pair in product(experiment.replicates(), names, names)]
        table = self._parquet("relations")
        table = table[(table["method"] == method) & (table["level"] == str(level))].set_index(key)["strength"]
        order = pd.MultiIndex.from_tuples(cells, names=key)
        found = table.reindex(order) if table.index.is_unique else None
        if found is None or not np.isfinite(found).all():
            where = f"{self.inputs['relations']}: {method}/level-{level}"
            raise UserError(where, "a pair of tasks is missing, is there twice, or has no number.", MEND)
        return found.to_numpy().reshape(len(experiment.replicates()), len(names), len(names))


def _csv(path: Path) -> pd.DataFrame:
    """A tidy table; empty cells of numbers are NaN, those of text are empty."""
    table = pd.read_csv(path, keep_default_na=False, na_values=[""], encoding="utf-8")
    texts = table.select_dtypes(exclude=["number", "bool"]).columns
    return table.assign(**{name: table[name].fillna("") for name in texts})


def _texts(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    return pd.read_csv(path, usecols=columns, dtype=str, keep_default_na=False, encoding="utf-8")
