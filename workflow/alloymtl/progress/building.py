"""Who is building a study: a note beside its results for as long as Snakemake runs.

Snakemake locks a folder but cannot say whether the one that locked it is still at work or was killed. A note names its
process, and a process can be asked for. Nothing depends on the notes: they make a message clear.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from alloymtl.errors import UserError

PATTERN = ".building.*.json"
SECONDS_FOR_QUEUE = 10.0
JOBS_NAMED = 8


def _started(pid: int) -> str | None:
    """When a process of this host began, in the kernel's ticks; None if there is none of that number."""
    with suppress(OSError, IndexError):
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[19]
    return None


def _note(root: str | Path) -> Path:
    return Path(root, PATTERN.replace("*", f"{socket.gethostname()}.{os.getpid()}"))


def begin(root: str | Path) -> None:
    """Leave a note that this process builds the study in a folder, and remove those of dead ones of this host."""
    with suppress(OSError):
        for path, note in _notes(root):
            if _is_dead(note):
                path.unlink()
        mine = {"pid": os.getpid(), "started": _started(os.getpid()), "host": socket.gethostname()}
        _note(root).parent.mkdir(parents=True, exist_ok=True)
        _note(root).write_text(json.dumps({**mine, "since": time.time()}), encoding="utf-8")
        atexit.register(end, root)


def end(root: str | Path) -> None:
    """Remove the note of this process."""
    with suppress(OSError):
        _note(root).unlink()


def notices(root: str | Path) -> list[str]:
    """One line for each other process that builds the study, or was killed while it did so."""
    lines = []
    for path, note in _notes(root):
        if path == _note(root):
            continue
        try:
            since = time.strftime("%d %B %H:%M", time.localtime(note["since"]))
            who = f"process {note['pid']} on {note['host']}, started {since}"
        except (KeyError, TypeError, ValueError):
            continue
        if _is_dead(note):
            lines.append(f"{root}: the last build was killed ({who}). Mend: {_mend()}")
        else:
            lines.append(f"{root}: another Snakemake builds this study ({who}). Mend: wait for it, or stop it first.")
    return lines


def check_queue(results: str | Path) -> None:
    """Make sure that no training job of a build that was killed waits or runs in Slurm, from this folder.

    Args:
        results: the folder of all studies; a Snakemake that builds one of them has jobs of its own.

    Raises:
        UserError: there are some; a new build would train their runs a second time.
    """
    others = [note for root in Path(results).glob("*") for _, note in _notes(root) if not _is_dead(note)]
    jobs = [] if others else queued()
    if jobs:
        what = f"Slurm still has jobs that an earlier build has started from here: {_named(jobs)}."
        raise UserError(str(results), what, "wait for them, or cancel them with scancel; then start again.")


def _named(jobs: list[str]) -> str:
    more = len(jobs) - JOBS_NAMED
    return " ".join(jobs[:JOBS_NAMED]) + (f" and {more} more" if more > 0 else "")


def _mend() -> str:
    text = (
        "run your command with --unlock added, then with --rerun-incomplete. Finished runs stay, others go on from "
        "their checkpoints."
    )
    jobs = queued()
    if not jobs:
        return text
    return f"{text} First wait for its Slurm jobs, or cancel them: {_named(jobs)}."


def queued() -> list[str]:
    """Numbers of this user's Slurm jobs that train runs from the working directory; none where there is no Slurm."""
    try:
        command = ["squeue", "--me", "--noheader", "--format", "%i|%Z|%k"]
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SECONDS_FOR_QUEUE)
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [line.split("|", 2) for line in found.stdout.splitlines() if line.count("|") >= 2]
    here = os.path.realpath(".")
    mine = [(job, comment) for job, folder, comment in rows if os.path.realpath(folder) == here]
    return [job for job, comment in mine if comment.startswith("rule_train")]


def _notes(root: str | Path) -> list[tuple[Path, dict[str, Any]]]:
    found = []
    for path in sorted(Path(root).glob(PATTERN)):
        with suppress(OSError, ValueError):
            found.append((path, json.loads(path.read_text(encoding="utf-8"))))
    return found


def _is_dead(note: dict[str, Any]) -> bool:
    """Whether the process of a note was one of this host and is gone."""
    if note.get("host") != socket.gethostname() or not isinstance(note.get("pid"), int):
        return False
    return _started(note["pid"]) != note.get("started")
