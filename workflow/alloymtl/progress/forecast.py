"""How long a study will take yet, and what it costs in core hours.

A run that is to come is taken to last as long as the finished ones of the same method and level did on average, or,
where there are none, those of its method, or all of them. Before any run has finished, the epochs of the running ones
tell how long one may last at most. A run takes one core.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from alloymtl.progress.runs import DONE, FAILED, RUNNING, STOPPED, WAITING, RunState

TO_COME = (WAITING, STOPPED, FAILED)


@dataclass(frozen=True)
class Forecast:
    """What is spent and what is to come.

    Attributes:
        spent: seconds of core time: of finished runs, and of others since their last start.
        expected: seconds of core time when all is done; None where nothing tells.
        left: seconds to the end with as many runs at once as now; None where nothing tells or nothing is running.
        basis: what the times are taken from, in a few words.
    """

    spent: float
    expected: float | None
    left: float | None
    basis: str


def forecast(runs: Sequence[RunState]) -> Forecast:
    """What the states of a study's runs tell of its end."""
    spent = sum(run.seconds or 0.0 for run in runs)
    running = [run for run in runs if run.state == RUNNING]
    to_come = [run for run in runs if run.state in TO_COME]
    if not running and not to_come:
        return Forecast(spent, spent, 0.0, "")
    means, basis = _means(runs)
    if not means:
        return Forecast(spent, None, None, basis)

    def seconds(run: RunState) -> float:
        return next(means[key] for key in _keys(run) if key in means)

    rest = [max(0.0, seconds(run) - (run.seconds or 0.0)) for run in running]
    work = sum(rest) + sum(seconds(run) for run in to_come)
    left = max(work / len(running), *rest) if running else None
    return Forecast(spent, spent + work, left, basis)


def _keys(run: RunState) -> list[Hashable]:
    """What a run is like, the most telling first."""
    return [(run.control, run.method, run.level), (run.method, run.level), (run.method,), ()]


def _means(runs: Sequence[RunState]) -> tuple[dict[Hashable, float], str]:
    """Mean seconds of a whole run by what it is like, and what they are taken from."""
    known = [(run, run.seconds) for run in runs if run.state == DONE and run.seconds is not None]
    basis = f"by the times of the {len(known)} finished, of the same method and level where there are any"
    if not known:
        known = [
            (run, run.progress.spent + run.progress.left)
            for run in runs
            if run.state == RUNNING and run.progress and run.progress.epoch
        ]
        basis = "at most, by the epochs of the running ones; none has finished yet"
    totals: dict[Hashable, list[float]] = defaultdict(list)
    for run, seconds in known:
        for key in _keys(run):
            totals[key].append(seconds)
    if not totals:
        return {}, "no run has finished or told of an epoch yet"
    return {key: sum(values) / len(values) for key, values in totals.items()}, basis
