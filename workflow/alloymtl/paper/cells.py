"""Reading results by the cells of the matrix: every cell once, no number missing, no number invented."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alloymtl.errors import UserError
from alloymtl.evaluation.samples import values_on_test
from alloymtl.experiment import Experiment
from alloymtl.files import read_parquet
from alloymtl.paper.spec import PaperStudy
from alloymtl.run import Level, run_folder
from alloymtl.task import Task

RUN = ("method", "level", "split_seed", "seed")
MEND = "build the target `runs`, then the collected tables again."


class Scores:
    """Metrics on the test partition by cell of the matrix.

    Args:
        path: the tidy table ``metrics``.

    Raises:
        UserError: a value stands there twice or is not finite.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        table = read_parquet(path)
        self._values = values_on_test(table.assign(level=table["level"].astype(str)), path)
        self._measured = {(task, metric) for *_, task, metric in self._values}

    def of(self, experiment: Experiment, method: str, level: Level, task: Task, metric: str) -> NDArray[np.float64]:
        """One value for each run of a method in an experiment, in the order of its split seeds and seeds.

        Raises:
            UserError: a cell is missing.
        """
        values = []
        for split_seed, seed in experiment.replicates():
            key = (method, str(level), split_seed, seed, task.name, metric)
            if key not in self._values:
                run = run_folder(method, level, split_seed, seed)
                raise UserError(f"{self.path}: {run}", f"there is no {metric} of {task.name} on the test rows.", MEND)
            values.append(self._values[key])
        return np.array(values)

    def measured(self, task: Task) -> set[str]:
        """Every metric that some run reports for a task."""
        return {metric for name, metric in self._measured if name == task.name}


def spread(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    """Mean and sample standard deviation (divisor n - 1) over runs; a single run has no spread and gives 0."""
    array = np.asarray(values, dtype=float)
    return float(array.mean()), float(array.std(ddof=1)) if array.size > 1 else 0.0


def of_main(path: Path, study: PaperStudy, methods: Sequence[str], tasks: Sequence[str]) -> pd.DataFrame:
    """Rows of the main comparison at the level that figures show, by method, run and task in the study's order.

    Args:
        path: a study-level table with the columns of ``RUN`` and ``task``.
        study: the study.
        methods: methods that must be there.
        tasks: tasks that each of their runs must have rows for; rows of others are left out.

    Raises:
        UserError: a run has no row for one of the tasks, or a number is not finite.
    """
    table = read_parquet(path)
    table = table.assign(level=table["level"].astype(str))
    level = str(study.level)
    keys = [(m, level, s, k, t) for m in methods for s, k in study.main.replicates() for t in tasks]
    order = pd.DataFrame(keys, columns=[*RUN, "task"])
    found = order.merge(table, on=[*RUN, "task"], how="left", indicator=True)
    absent = found[found["_merge"] == "left_only"]
    if len(absent):
        method, _, split_seed, seed, task = absent.iloc[0][[*RUN, "task"]]
        run = run_folder(method, level, split_seed, seed)
        raise UserError(f"{path}: {run}", f"there is no row of {task}.", MEND)
    numbers = found.select_dtypes("number")
    if not np.isfinite(numbers.to_numpy(dtype=float)).all():
        column = numbers.columns[~np.isfinite(numbers.to_numpy(dtype=float)).all(axis=0)][0]
        raise UserError(f"{path}: column {column}", "a value is no finite number.", MEND)
    return found.drop(columns="_merge")
