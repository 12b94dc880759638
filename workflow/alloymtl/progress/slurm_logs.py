"""What Slurm's own logs say of jobs that it has ended, which cannot tell of it themselves.

The Slurm executor of Snakemake keeps one log for each job below ``.snakemake/slurm_logs``: of a single job at
``rule_<name>/<wildcards>/<job>.log``, of a task of a job array at ``rule_<name>/<array>_<task>.log``, of a group of
jobs somewhere below ``group_<name>``. Only the first names the run; the others quote its log.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alloymtl.progress.run_log import tail

FOLDER = Path(".snakemake/slurm_logs")
SETTINGS = "slurm/config.yaml"
READ_BYTES = 1024 * 1024
_ARRAY_TASK = re.compile(r"\d+_\d+\.log")
_SLURM = re.compile(r"^(?:slurm|srun).*", re.MULTILINE)
_JOB = re.compile(r"^(?:local)?rule \S+:$", re.MULTILINE)
_ALL_DONE = re.compile(r"^\d+ of \d+ steps \(100%\) done$", re.MULTILINE)
_QUOTED_LOG = re.compile(r"^\s+log: ([^\s,]+)", re.MULTILINE)


@dataclass(frozen=True)
class Fate:
    """How Slurm ended a job.

    Attributes:
        what: in plain words.
        mend: what to do about it; empty where nothing needs to be done.
        is_failure: whether the same start would end the same way, or the cluster is at fault; as against a job that
            was told to stop.
    """

    what: str
    mend: str
    is_failure: bool


# The first that is found counts: a job that is out of memory or time is also said to be cancelled.
_FATES = [
    (
        re.compile(r"oom[-_]kill|Out Of Memory|exceeded (?:\w+ )?memory limit", re.IGNORECASE),
        Fate("ran out of memory", f"raise `mem_mb` in {SETTINGS}", True),
    ),
    (re.compile(r"DUE TO TIME LIMIT"), Fate("reached its time limit", f"raise `runtime` in {SETTINGS}", True)),
    (re.compile(r"DUE TO PREEMPTION"), Fate("was preempted by another job", "", False)),
    (re.compile(r"DUE TO NODE FAILURE|Node failure on "), Fate("lost its node", "", True)),
    (re.compile(r"DUE TO JOB REQUEUE"), Fate("was put back into the queue", "", False)),
    (
        re.compile(r"\*\*\* (?:JOB|STEP) .*CANCELLED"),
        Fate("was cancelled, by scancel or with the Snakemake that submitted it", "", False),
    ),
]


def since_last_rule(text: str) -> str:
    """What a log says after the last start of a rule; all of it where none has started.

    A group starts one after another, and a job that is put back into the queue may go on in its old log.
    """
    return text[max((match.end() for match in _JOB.finditer(text)), default=0) :]


def fate(text: str) -> Fate | None:
    """How Slurm ended the job that wrote a log; None where it did not."""
    said = "\n".join(_SLURM.findall(since_last_rule(text)))
    return next((found for pattern, found in _FATES if pattern.search(said)), None)


@dataclass(frozen=True)
class SlurmLog:
    """The log of one Slurm job.

    Attributes:
        path: the file.
        when: its last change, seconds of the epoch.
        fate: how Slurm ended the job, if it did.
        ended_well: whether Snakemake has done in it all that it was to do.
    """

    path: str
    when: float
    fate: Fate | None
    ended_well: bool


class SlurmLogs:
    """Slurm's logs of the runs of a study.

    Args:
        folder: where they lie; it need not exist.
    """

    def __init__(self, folder: str | Path = FOLDER) -> None:
        self._folder = Path(folder)
        # By path: time and size with which a log was read, what it says, and the logs of runs that it quotes.
        self._read: dict[str, tuple[tuple[float, int], SlurmLog, list[str]]] = {}
        self._shared: dict[str, dict[str, SlurmLog]] = {}
        self._exists = False

    def refresh(self) -> None:
        """Look at the disk anew."""
        self._shared = {}
        self._exists = self._folder.is_dir()

    def of(self, rule: str, wildcards: str, log: str) -> SlurmLog | None:
        """The latest log of a Slurm job that was to make a run; None where there is none.

        Args:
            rule: the rule's name.
            wildcards: its wildcards' values, joined by ``_``.
            log: path of the run's own log, as Snakemake quotes it.
        """
        if not self._exists:
            return None
        own = [self._log(entry)[0] for entry in _logs(self._folder / f"rule_{rule}" / wildcards)]
        shared = [self._quoting(f"rule_{rule}").get(log), self._of_groups().get(log)]
        return max((one for one in [*own, *shared] if one), key=lambda one: one.when, default=None)

    def _quoting(self, name: str) -> dict[str, SlurmLog]:
        """The latest log of job arrays in one folder that quotes the log of a run, by that."""
        if name not in self._shared:
            self._shared[name] = self._index(e for e in _logs(self._folder / name) if _ARRAY_TASK.fullmatch(e.name))
        return self._shared[name]

    def _of_groups(self) -> dict[str, SlurmLog]:
        """The latest log of groups that quotes the log of a run, by that."""
        if "" not in self._shared:
            groups = [Path(e.path) for e in _entries(self._folder) if e.name.startswith("group_")]
            below = [Path(folder) for group in groups for folder, _, _ in os.walk(group)]
            self._shared[""] = self._index(entry for folder in below for entry in _logs(folder))
        return self._shared[""]

    def _index(self, entries: Iterator[os.DirEntry[str]]) -> dict[str, SlurmLog]:
        found: dict[str, SlurmLog] = {}
        for entry in entries:
            log, quoted = self._log(entry)
            for run in quoted if log else ():
                if run not in found or found[run].when < log.when:
                    found[run] = log
        return found

    def _log(self, entry: os.DirEntry[str]) -> tuple[SlurmLog | None, list[str]]:
        try:
            state = entry.stat()
        except OSError:
            return None, []
        key = (state.st_mtime, state.st_size)
        known = self._read.get(entry.path)
        if known is None or known[0] != key:
            text = tail(entry.path, READ_BYTES)
            log = SlurmLog(entry.path, state.st_mtime, fate(text), bool(_ALL_DONE.search(since_last_rule(text))))
            known = key, log, _quoted(entry.name, text)
            self._read[entry.path] = known
        return known[1:]


def _quoted(name: str, text: str) -> list[str]:
    """The logs of the runs that a shared log is about.

    Every task of an array first quotes the job of the array's first task, and then its own.
    """
    found = _QUOTED_LOG.findall(text)
    if _ARRAY_TASK.fullmatch(name):
        return found[-1:] if len(found) > 1 else []
    return list(dict.fromkeys(found))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _logs(folder: Path) -> Iterator[os.DirEntry[str]]:
    return (entry for entry in _entries(folder) if entry.name.endswith(".log"))
