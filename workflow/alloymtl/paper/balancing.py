"""The experiment on balancing as tables, figures and text see it: who plays which part, and what it is called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from alloymtl.errors import UserError
from alloymtl.evaluation.balancing.roles import EXPERIMENT, Made, find, is_baseline, is_independent, sampler, samplers
from alloymtl.experiment import Experiment
from alloymtl.paper.cells import MEND
from alloymtl.paper.spec import MethodView, PaperStudy, ordered
from alloymtl.run import Level

ABSENT = "This study has no experiment on balancing."
ABSENT_NORMS = "This study has no experiment on balancing that keeps norms of gradients."


@dataclass(frozen=True)
class Balancing:
    """Who plays which part in the experiment.

    Attributes:
        experiment: its methods, levels and seeds.
        methods: what each of them is made of.
        alone: the method of single-task networks, which all others are set against.
    """

    experiment: Experiment
    methods: Mapping[str, Made]
    alone: str

    @property
    def samplers(self) -> list[str]:
        """Samplers under which tasks are trained together."""
        return samplers(self.experiment.methods, self.methods)

    @property
    def levels(self) -> list[Level]:
        """Its levels from the smallest to the largest."""
        return ordered(self.experiment)

    def joint(self, of_sampler: str) -> list[str]:
        """Methods that train the tasks together under a sampler."""
        made = self.methods.items()
        return [name for name, parts in made if sampler(parts) == of_sampler and not is_independent(parts)]

    def plain(self, of_sampler: str) -> str | None:
        """The plain baseline of a sampler; None where the experiment has none."""
        return find(self.experiment.methods, self.methods, is_baseline, of_sampler)

    @property
    def plains(self) -> list[str]:
        """The plain baseline of each sampler that has one."""
        return [name for name in map(self.plain, self.samplers) if name is not None]


def of_study(study: PaperStudy) -> Balancing | None:
    """The experiment on balancing; None where a study has none, or not both single-task and joint networks in it."""
    experiment = study.experiments.get(EXPERIMENT)
    if experiment is None:
        return None
    methods = {name: made(study.methods[name]) for name in experiment.methods}
    alone = find(experiment.methods, methods, is_independent)
    return Balancing(experiment, methods, alone) if alone and samplers(experiment.methods, methods) else None


def titles(study: PaperStudy, balancing: Balancing, of_sampler: str) -> dict[str, str]:
    """Titles of all methods of the experiment, for where a sampler is named above them.

    Those of its methods lose what they say of it after their last comma; plain baselines keep their whole titles, since
    they stand beside those of other samplers.
    """
    whole = {name: study.methods[name].title for name in balancing.experiment.methods}
    own = set(balancing.joint(of_sampler)) - set(balancing.plains)
    named = re.compile(rf",[^,]*\b{re.escape(of_sampler)}\b[^,]*$", re.IGNORECASE)
    return {name: named.sub("", title) if name in own else title for name, title in whole.items()}


def made(method: MethodView) -> Made:
    """A method as ``evaluation.balancing.roles`` reads it."""
    return {kind: {"name": part.name, "options": part.options} for kind, part in method.parts.items()}


def batches(of_sampler: str) -> str:
    """What a sampler's batches are called."""
    return f"{of_sampler.replace('_', ' ')} batches"


def row_of(table: pd.DataFrame, path: Path, **where: Any) -> pd.Series:
    """The one row of a table that has given values.

    Raises:
        UserError: there is none, or there are several.
    """
    wanted = pd.Series(True, index=table.index)
    for column, value in where.items():
        wanted &= table[column] == value
    if wanted.sum() != 1:
        named = ", ".join(f"{column} {value!r}" for column, value in where.items())
        raise UserError(f"{path}: {named}", f"{wanted.sum()} rows are there and not one.", MEND)
    return table[wanted].iloc[0]
