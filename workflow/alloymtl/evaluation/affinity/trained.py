"""Which tasks a method trains together, as its architecture says: experiments on groups name no method's role."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alloymtl.errors import UserError
from alloymtl.evaluation.affinity.grouping import Groups
from alloymtl.experiment import Experiment
from alloymtl.run import Part


def partition(method: Mapping[str, Any], tasks: Sequence[str]) -> Groups | None:
    """The groups of tasks that a method trains a network for, each with its own start.

    None where a network starts from another's, or keeps a backbone that is not trained: what a task gains there is no
    matter of its group alone.

    Args:
        method: as a study is described to steps: ``{"name": ..., "options": ...}`` by kind of part.
        tasks: names of the study's tasks, in its order.

    Raises:
        UserError: an option of its architecture does not fit the tasks.
    """
    part = Part("architecture", **method["architecture"])
    # Which tasks are together is no matter of their sizes, but for what is left out here.
    sizes = np.ones(len(tasks), dtype=np.int64)
    stages = importlib.import_module(part.module).stages(list(tasks), sizes, part.options)
    if any(stage.start is not None or stage.frozen for stage in stages):
        return None
    return [list(stage.tasks) for stage in stages]


def is_alone(groups: Groups | None) -> bool:
    """Whether every task has a network of its own."""
    return groups is not None and all(len(group) == 1 for group in groups)


def alone(experiment: Experiment, trained: Mapping[str, Groups | None]) -> str:
    """The first method of an experiment that trains every task alone.

    Raises:
        UserError: there is none.
    """
    for method in experiment.methods:
        if is_alone(trained[method]):
            return method
    what = "no method trains every task alone, so that there is nothing to gain over."
    raise UserError(f"experiments.{experiment.name}.methods", what, "add one with `architecture: grouped`.")


def check_several(experiment: Experiment) -> None:
    """Make sure that an experiment has a spread.

    Raises:
        UserError: it has a single independent unit.
    """
    if len(experiment.replicates()) < 2:
        raise UserError(f"experiments.{experiment.name}.seeds", "one run has no spread.", "name two seeds or more.")
