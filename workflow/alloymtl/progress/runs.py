"""How each run of a study stands, from the files that runs, Snakemake and Slurm leave behind.

Nothing is asked of Snakemake or Slurm, and nothing is written. A run with a record counts as done; whether the record
is of the config and code of today is for Snakemake to say.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from alloymtl.progress.reporter import Progress, read
from alloymtl.progress.run_log import UNKNOWN, Ending, ending, is_interruption
from alloymtl.progress.slurm_logs import FOLDER, SlurmLog, SlurmLogs
from alloymtl.run import Level, Run
from alloymtl.study import Study

DONE, SHIPPED, RUNNING, WAITING, STOPPED, FAILED = STATES = (
    "done",
    "shipped",
    "running",
    "waiting",
    "stopped",
    "failed",
)
CHECKPOINT = ".checkpoint.npz"
LEAST_SILENCE = 60.0
"""Seconds after which a run that says nothing may be taken for dead. The clocks of nodes differ by less."""
EPOCHS_OF_SILENCE = 5
STARTING_SILENCE = 180.0
"""The same for one that says no epochs: it starts, compiles its kernels (a minute), or writes its results."""
SAME_ATTEMPT = 120.0
"""Seconds by which the last words of a run and those of Slurm about it may lie apart."""
LATER_ATTEMPT = 30.0
"""Seconds by which Slurm's words outlast an error that a run has told of, if they are about another attempt."""
_SECONDS = re.compile(rb'^ "seconds": ([0-9.]+)', re.MULTILINE)


@dataclass(frozen=True)
class RunState:
    """How one run stands.

    Attributes:
        control: the control study that it belongs to; empty for the study itself.
        state: one of ``STATES``. ``stopped``: it began, is no longer at it, and did not fail of itself.
        when: its last sign of life or Slurm's word of its end, seconds of the epoch.
        seconds: seconds spent on it, as far as they are known: all of a run that is done, those since its last start
            of any other.
        progress: what it said last, of a run that is not done.
        reason: why it stopped or failed, in one line.
        log: where to read on.
    """

    control: str
    method: str
    level: Level
    split_seed: int
    seed: int
    state: str
    when: float | None = None
    seconds: float | None = None
    progress: Progress | None = None
    reason: str = ""
    log: str = ""

    @property
    def name(self) -> str:
        """The run, for people."""
        control = f" (control {self.control})" if self.control else ""
        return f"{self.method} level-{self.level} split-{self.split_seed} seed-{self.seed}{control}"


@dataclass(frozen=True)
class Trace:
    """What a run without a record has left on the disk; times are those of last changes, in seconds of the epoch."""

    checkpoint: float | None = None
    progress: Progress | None = None
    progress_time: float | None = None
    log: str = ""
    log_time: float | None = None
    ending: Ending = UNKNOWN
    slurm: SlurmLog | None = None

    @property
    def when(self) -> float | None:
        """The run's last sign of life."""
        times = (self.progress_time, self.log_time, self.checkpoint)
        return max((time for time in times if time is not None), default=None)

    @property
    def began(self) -> bool:
        """Whether an attempt began; one that ended well does not count, since its results have been removed."""
        told = self.log_time is not None and not self.ending.ended_well
        return self.checkpoint is not None or self.progress is not None or told

    def is_alive(self, now: float) -> bool:
        """Whether the last sign of life is a recent one."""
        if not self.began or self.when is None:
            return False
        return now - self.when <= (silence(self.progress) if self.progress else STARTING_SILENCE)

    def ended_by_slurm(self) -> bool:
        """Whether Slurm ended the last attempt, and the run itself knew of nothing, or no more than a signal."""
        if self.slurm is None or self.slurm.fate is None:
            return False
        if self.ending.error is not None and not is_interruption(self.ending.error):
            return self.log_time is None or self.slurm.when > self.log_time + LATER_ATTEMPT
        return self.when is None or self.slurm.when >= self.when - SAME_ATTEMPT

    def has_new_job(self) -> bool:
        """Whether a Slurm job for this run has begun, and training has not since."""
        if self.slurm is None or self.slurm.fate is not None or self.slurm.ended_well:
            return False
        return self.when is None or self.slurm.when > self.when + LATER_ATTEMPT


def silence(progress: Progress) -> float:
    """Seconds without a word after which a run is taken for dead: a minute, or several of its epochs."""
    to_go = progress.total_epochs - progress.epoch
    epoch = progress.left / to_go if to_go > 0 else progress.elapsed / max(1, progress.epoch)
    return max(LEAST_SILENCE, EPOCHS_OF_SILENCE * epoch)


def judge(trace: Trace, now: float, over: bool = False) -> tuple[str, str, str]:
    """State of a run without a record, the reason for it, and where to read on.

    Args:
        trace: what it has left.
        now: the time, seconds of the epoch.
        over: nothing can be running any more.
    """
    goes_on = (
        "the next start resumes from its checkpoint"
        if trace.checkpoint is not None
        else "it has no checkpoint, the next start begins anew"
    )
    if trace.ended_by_slurm():
        fate = trace.slurm.fate
        reason = "; ".join(part for part in (fate.what, goes_on, fate.mend) if part)
        return FAILED if fate.is_failure else STOPPED, reason, trace.slurm.path
    if not over and trace.has_new_job() and now - trace.slurm.when <= STARTING_SILENCE:
        return RUNNING, "", trace.slurm.path
    error = trace.ending.error
    if error is not None:
        return STOPPED if is_interruption(error) else FAILED, error, trace.log
    if not over and trace.is_alive(now):
        return RUNNING, "", trace.log
    if trace.began:
        reason = f"not a word since {stamp(trace.when)}: killed, or its node was lost; {goes_on}"
        return STOPPED, reason, trace.log
    if trace.has_new_job():
        return FAILED, "its Slurm job ended before training began; its log says why", trace.slurm.path
    return WAITING, "", ""


def stamp(when: float) -> str:
    """A time of day for people."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


def training_logs(study: Study, control: str) -> str:
    """Folder of the logs of a control's runs or, with the empty name, of those of the study itself."""
    return f"{study.root}/logs/{f'controls/{control}/' if control else ''}train"


class Survey:
    """The runs of a study and its controls, looked at as often as is asked for; what cannot change is read once.

    Args:
        study: the study.
        shipped: runs that shipped records stand for, as (control, folder).
        slurm_logs: folder of Slurm's logs.
        over: the build is over, so that nothing can be running any more.
    """

    def __init__(
        self,
        study: Study,
        shipped: Collection[tuple[str, str]] = (),
        slurm_logs: str | Path = FOLDER,
        over: bool = False,
    ) -> None:
        self._study, self._shipped, self._over = study, shipped, over
        self._studies: dict[str, Study] = {"": study, **study.controls}
        self._runs = {control: one.runs() for control, one in self._studies.items()}
        self._slurm = SlurmLogs(slurm_logs)
        # By path of the record: its time, and the seconds that it states.
        self._records: dict[str, tuple[float, float | None]] = {}

    def look(self, now: float | None = None) -> list[RunState]:
        """The state of each run, in the order of the config.

        Args:
            now: the time, seconds of the epoch; the clock's if left out.
        """
        now = time.time() if now is None else now
        self._slurm.refresh()
        return [state for control in self._studies for state in self._of(control, now)]

    def _of(self, control: str, now: float) -> list[RunState]:
        root = self._studies[control].root
        logs = training_logs(self._study, control)
        seeds: dict[str, set[str]] = {}
        written: dict[str, set[str]] = {}
        states = []
        for run in self._runs[control]:
            folder = f"{root}/runs/{run.folder}"
            parent, _, seed = folder.rpartition("/")
            if parent not in seeds:
                seeds[parent] = _names(parent)
            state = RunState(control, run.method, run.level, run.split_seed, run.seed, WAITING)
            there = seed in seeds[parent]
            is_done, seconds = self._record(f"{folder}/record.json") if there else (False, None)
            if is_done:
                states.append(replace(state, state=DONE, seconds=seconds))
                continue
            log = f"level-{run.level}-split-{run.split_seed}-seed-{run.seed}.log"
            if run.method not in written:
                written[run.method] = _names(f"{logs}/{run.method}")
            trace = _trace(folder if there else None, f"{logs}/{run.method}/{log}", log in written[run.method])
            trace = replace(trace, slurm=self._slurm_log(control, run, f"{logs}/{run.method}/{log}"))
            states.append(self._state(state, run, trace, now))
        return states

    def _state(self, state: RunState, run: Run, trace: Trace, now: float) -> RunState:
        what, reason, log = judge(trace, now, self._over)
        if what != RUNNING and (state.control, run.folder) in self._shipped:
            return replace(state, state=SHIPPED)
        if what == WAITING:
            return state
        progress = trace.progress
        seconds = progress.spent if progress else None
        if seconds is not None and what == RUNNING:
            seconds += max(0.0, now - trace.progress_time)
        told_by_slurm = trace.slurm is not None and log == trace.slurm.path
        when = trace.slurm.when if told_by_slurm else trace.when
        return replace(state, state=what, when=when, seconds=seconds, progress=progress, reason=reason, log=log)

    def _slurm_log(self, control: str, run: Run, log: str) -> SlurmLog | None:
        rule = f"train_{run.method}{f'_in_{control}' if control else ''}"
        return self._slurm.of(rule, f"{run.level}_{run.split_seed}_{run.seed}", log)

    def _record(self, path: str) -> tuple[bool, float | None]:
        """Whether there is a record, and the seconds that it states, if it does."""
        try:
            if path not in self._records or os.stat(path).st_mtime != self._records[path][0]:
                with open(path, "rb") as stream:
                    found = _SECONDS.search(stream.read())
                    self._records[path] = os.fstat(stream.fileno()).st_mtime, float(found[1]) if found else None
        except FileNotFoundError:
            return False, None
        except (OSError, ValueError):
            return True, None
        return True, self._records[path][1]


def _names(folder: str) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except OSError:
        return set()


def _time(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None


def _trace(folder: str | None, log: str, is_written: bool) -> Trace:
    """What a run has left in its folder, if there is one, and in its log; not what Slurm says of it."""
    found: Mapping[str, float] = _times(folder) if folder else {}
    checkpoints = [when for name, when in found.items() if name.endswith(CHECKPOINT)]
    progress = read(f"{folder}/progress.json") if "progress.json" in found else None
    log_time = _time(log) if is_written else None
    return Trace(
        checkpoint=max(checkpoints, default=None),
        progress=progress,
        progress_time=found["progress.json"] if progress else None,
        log=log if log_time is not None else "",
        log_time=log_time,
        ending=ending(log) if log_time is not None else UNKNOWN,
    )


def _times(folder: str) -> dict[str, float]:
    """Last change of each file of a folder, by name."""
    found = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    found[entry.name] = entry.stat().st_mtime
                except FileNotFoundError:
                    continue
    except OSError:
        pass
    return found
