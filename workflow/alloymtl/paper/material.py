"""What tables, figures and numbers are made from: a study and its collected results, read when first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alloymtl.errors import UserError
from alloymtl.files import read_json, read_parquet
from alloymtl.paper.cells import MEND, Scores, of_main
from alloymtl.paper.spec import MethodView, PaperStudy
from alloymtl.run import Level
from alloymtl.task import Task

TEST_NUMBERS = ("mean_difference", "ci_low", "ci_high", "t", "df", "p_value", "p_holm", "effect_size")


@dataclass(frozen=True)
class Material:
    """One study and the study-level files of its results, by the names that steps give them."""

    study: PaperStudy
    inputs: dict[str, Path]

    @cached_property
    def scores(self) -> Scores:
        """Metrics on the test partition."""
        return Scores(self.inputs["metrics"])

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """Paired tests of all experiments."""
        return read_parquet(self.inputs["comparisons"]).assign(level=lambda t: t["level"].astype(str))

    @cached_property
    def split(self) -> pd.DataFrame:
        """Partition of each label, of every split seed."""
        return read_parquet(self.inputs["split"])

    @cached_property
    def ingest(self) -> dict[str, Any]:
        """What ingestion counted."""
        return read_json(self.inputs["ingest"])

    @cached_property
    def related(self) -> tuple[MethodView, ...]:
        """Methods of the main comparison that learned relations, in order."""
        present = set(read_parquet(self.inputs["relations"], ["method"])["method"])
        return tuple(method for method in self.study.main_methods if method.name in present)

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

    def relation(self, method: MethodView, receiver: Task, source: Task) -> NDArray[np.float64]:
        """Strength of one relation in each run of a method, in the order of its split seeds and seeds."""
        r = self.relations
        wanted = (r["method"] == method.name) & (r["task"] == receiver.name) & (r["source"] == source.name)
        return r.loc[wanted, "strength"].to_numpy()
