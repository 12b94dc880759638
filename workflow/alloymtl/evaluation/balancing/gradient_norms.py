"""Norms of the tasks' gradients, and how far tasks are from independent networks, run by run and epoch by epoch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from alloymtl.errors import UserError
from alloymtl.evaluation.samples import Replicates
from alloymtl.run import Level, run_folder

log = logging.getLogger("alloymtl")

RUN = ["split_seed", "seed"]
AS_MET, SCALED, CORRECTED = "norm", "norm_scaled", "norm_corrected"
MEASURES = (AS_MET, SCALED, CORRECTED)
"""Norms of the gradients that training met; the same times what the balancer made of each; and of the gradient of all
training rows, free of the noise of a batch."""
PRODUCT = "product_halves"
MEND = "build the target `runs`, then the collected tables again."


class Norms:
    """What an experiment kept of gradients and losses.

    Args:
        gradients: the tidy table ``gradients``.
        histories: the tidy table ``histories``.
        tasks: names of the tasks.
        source: file of the gradients, for messages.
    """

    def __init__(self, gradients: pd.DataFrame, histories: pd.DataFrame, tasks: Sequence[str], source: Path) -> None:
        own = gradients[gradients["first"] == gradients["second"]]
        self._norms = own.assign(level=own["level"].astype(str))
        losses = histories[histories["partition"] == "validation"]
        self._losses = losses.assign(level=losses["level"].astype(str))
        self._tasks, self._source = list(tasks), source

    def by_epoch(self, method: str, level: Level, measure: str, replicates: Replicates) -> pd.DataFrame:
        """Log of each task's norm relative to the geometric mean of the tasks', epoch by epoch of each run.

        Args:
            method: the method.
            level: its level.
            measure: ``AS_MET`` or ``SCALED``.
            replicates: split seeds and seeds of its runs.

        Returns:
            Index split seed, seed and epoch; a column for each task. Epochs in which a task has no norm above zero are
            left out, and the log says how many they are.

        Raises:
            UserError: a run has no epoch left.
        """
        wide = self._wide(method, level, measure)
        told = wide[(wide > 0).all(axis=1)]
        if len(told) < len(wide):
            what = f"{measure} of {method}, level {level}"
            log.warning("%s: %d of %d epochs have no norm of some task", what, len(wide) - len(told), len(wide))
        for run in replicates:
            if run not in told.index.droplevel("epoch"):
                where = f"{self._source}: {run_folder(method, level, *run)}"
                raise UserError(where, f"there is no epoch with {measure} of every task.", MEND)
        return _relative(np.log(told))

    def by_run(self, method: str, level: Level, measure: str, replicates: Replicates) -> pd.DataFrame:
        """Log of each task's norm relative to the geometric mean of the tasks', one row for each run.

        Of ``AS_MET`` and ``SCALED`` it is the mean over epochs. Of ``CORRECTED`` the squared norms, which noise leaves
        unbiased and a single one of which may be negative, are summed over epochs first.

        Args:
            method: as in ``by_epoch``.
            level: likewise.
            measure: one of ``MEASURES``.
            replicates: likewise.

        Returns:
            Rows in the order of the replicates, a column for each task; NaN in a run in which noise swamps the gradient
            of some task.

        Raises:
            UserError: a run has no norms.
        """
        order = pd.MultiIndex.from_tuples(replicates, names=RUN)
        if measure != CORRECTED:
            return self.by_epoch(method, level, measure, replicates).groupby(level=RUN).mean().reindex(order)
        squares = self._wide(method, level, PRODUCT).groupby(level=RUN).sum(min_count=1)
        if missing := [run for run in replicates if run not in squares.index]:
            where = f"{self._source}: {run_folder(method, level, *missing[0])}"
            raise UserError(where, f"there is no {PRODUCT} of the tasks themselves.", MEND)
        squares = squares.reindex(order)
        swamped = ~(squares > 0).all(axis=1)
        if swamped.any():
            what = f"{measure} of {method}, level {level}"
            log.warning("%s: noise swamps the gradient of a task in %d of %d runs", what, swamped.sum(), len(squares))
        return _relative(np.log(squares.where(squares > 0)) / 2)

    def lead(self, method: str, independent: str, level: Level, replicates: Replicates) -> pd.DataFrame:
        """How far each task is ahead of its independent network, epoch by epoch of each run; higher is better.

        log L* - log L, with L the task's validation loss after the epoch and L* the lowest that the independent network
        of the same seed and split reaches. Small leads are relative differences.

        Returns:
            Index split seed, seed and epoch; a column for each task.

        Raises:
            UserError: a run has no validation losses, or one that is not positive.
        """
        losses, own = (self._validation(name, level, replicates) for name in (method, independent))
        lowest = np.log(own.groupby(level=RUN).min())
        return lowest.reindex(losses.index.droplevel("epoch")).set_axis(losses.index) - np.log(losses)

    def _wide(self, method: str, level: Level, measure: str) -> pd.DataFrame:
        table = self._norms
        wanted = (table["method"] == method) & (table["level"] == str(level)) & (table["measure"] == measure)
        return table[wanted].pivot(index=[*RUN, "epoch"], columns="first", values="value").reindex(columns=self._tasks)

    def _validation(self, method: str, level: Level, replicates: Replicates) -> pd.DataFrame:
        table = self._losses
        table = table[(table["method"] == method) & (table["level"] == str(level))]
        wide = table.pivot(index=[*RUN, "epoch"], columns="task", values="loss").reindex(columns=self._tasks)
        for run in replicates:
            where = f"histories: {run_folder(method, level, *run)}"
            if run not in wide.index.droplevel("epoch"):
                mend = f"keep `histories` in the experiments of {method!r}."
                raise UserError(where, "there are no validation losses.", mend)
            # Networks of single tasks stop at epochs of their own, and have no loss after that.
            losses = wide.loc[run]
            if losses.isna().all().any() or (losses <= 0).any(axis=None):
                raise UserError(where, "a validation loss is missing or not positive, and has no logarithm.", MEND)
        return wide.loc[[run in set(replicates) for run in wide.index.droplevel("epoch")]]


def _relative(logs: pd.DataFrame) -> pd.DataFrame:
    """Logs relative to their mean over tasks."""
    return logs.sub(logs.mean(axis=1, skipna=False), axis=0)
