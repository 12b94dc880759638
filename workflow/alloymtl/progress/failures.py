"""What went wrong, said once more at the end, where the user is looking."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from alloymtl.progress.run_log import errors
from alloymtl.progress.runs import FAILED, STOPPED, Survey, training_logs
from alloymtl.progress.slurm_logs import FOLDER
from alloymtl.progress.view import ended
from alloymtl.study import Study

LISTED = 50
CLOCKS = 5.0
"""Seconds by which the clocks of this machine and of the file system may differ."""


def last_words(logs: str | Path, since: float, but: Collection[str] = ()) -> list[str]:
    """The error lines that steps have written to their logs.

    Args:
        logs: folder of logs, searched with its subfolders.
        since: only logs written after this time (seconds since the epoch).
        but: folders below it to leave out.

    Returns:
        ``error: ...`` lines, each once, in the order of their logs' names.
    """
    lines: dict[str, None] = {}
    for path in sorted(Path(logs).rglob("*.log")):
        if path.stat().st_mtime < since or any(path.is_relative_to(folder) for folder in but):
            continue
        for error in errors(path.read_text(encoding="utf-8", errors="replace")):
            lines[f"error: {error}"] = None
    return list(lines)


def failed_runs(study: Study, since: float, slurm_logs: str | Path = FOLDER) -> list[str]:
    """Each run that a build has begun and not finished, and why, once the build is over.

    Args:
        study: the study; its controls are looked at too.
        since: start of the build, seconds since the epoch.
        slurm_logs: folder of Slurm's logs.

    Returns:
        A line for each: method, level, split seed, seed, reason and log. Beyond ``LISTED`` they are counted.
    """
    states = Survey(study, slurm_logs=slurm_logs, over=True).look()
    ours = [run for run in states if run.state in (FAILED, STOPPED) and (run.when or 0.0) >= since - CLOCKS]
    lines = [f"error: {ended(run)}" for run in ours[:LISTED]]
    if len(ours) > LISTED:
        lines.append(f"error: and {len(ours) - LISTED} more runs; `python -m alloymtl status --all` lists them")
    return lines


def report(study: Study, since: float, slurm_logs: str | Path = FOLDER) -> list[str]:
    """All that went wrong in a build: each failed run once, then what other steps have said. It never raises.

    Args:
        study: the study.
        since: start of the build, seconds since the epoch.
        slurm_logs: folder of Slurm's logs.
    """
    lines: list[str] = []
    told: list[str] = []
    try:
        lines += failed_runs(study, since, slurm_logs)
        told = [training_logs(study, control) for control in ("", *study.controls)]
    except Exception as defect:  # what went wrong in the build matters more
        lines.append(f"warning: the failed runs cannot be listed ({type(defect).__name__}: {defect})")
    try:
        lines += last_words(f"{study.root}/logs", since, told)
    except Exception as defect:
        lines.append(f"warning: the logs cannot be read ({type(defect).__name__}: {defect})")
    return lines
