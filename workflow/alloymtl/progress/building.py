"""Who is building a study: a note beside its results for as long as Snakemake runs.

Snakemake locks a folder but cannot say whether the one that locked it is still at work or was killed, and a Snakemake
that ends removes the locks of all others in the folder. A note names its process, and a process can be asked for; one
on another host only if it is a Slurm job.
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
ALIVE, DEAD, UNKNOWN = "alive", "dead", "unknown"
SECONDS_FOR_QUEUE = 10.0
JOBS_NAMED = 8
Note = dict[str, Any]


def share() -> str | None:
    """Which share of the runs this Snakemake cares for, where several have one each (slurm/share.sh)."""
    return os.environ.get("ALLOYMTL_SHARE") or None


def begin(root: str | Path) -> None:
    """Leave a note that this process builds the study in a folder, once nobody else does.

    Args:
        root: folder of the study.

    Raises:
        UserError: another process builds it, and not merely another share of its runs.
    """
    with suppress(OSError):
        for path, note in _notes(root):
            found = state(note)
            if found == ALIVE and (None in (share(), note.get("share")) or note.get("share") == share()):
                raise UserError(str(root), f"another Snakemake builds this study ({_who(note)}).", "wait for it.")
            # Whoever comes here holds Snakemake's lock, so that one who cannot be asked for is gone.
            if found == DEAD or (found == UNKNOWN and share() is None):
                path.unlink()
        mine = {"pid": os.getpid(), "started": _started(os.getpid()), "host": socket.gethostname()}
        job = {"job": os.environ.get("SLURM_JOB_ID"), "share": share(), "since": time.time()}
        _note(root).parent.mkdir(parents=True, exist_ok=True)
        _note(root).write_text(json.dumps({**mine, **job}), encoding="utf-8")
        atexit.register(end, root)


def end(root: str | Path) -> None:
    """Remove the note of this process."""
    with suppress(OSError):
        _note(root).unlink()


def notices(root: str | Path) -> list[str]:
    """One line for each other process that builds the study, or was killed while it did so."""
    if share() is not None:
        return []
    lines = []
    for path, note in _notes(root):
        if path == _note(root):
            continue
        found = state(note)
        if found == ALIVE:
            lines.append(f"{root}: another Snakemake builds this study ({_who(note)}). Mend: wait for it, or stop it.")
        elif found == DEAD:
            lines.append(f"{root}: the last build was killed ({_who(note)}). Mend: {_mend()}")
        else:
            what = f"another Snakemake builds this study or was killed ({_who(note)}; it cannot be asked from here)."
            lines.append(f"{root}: {what} Mend: look there. If it is gone, {_mend()}")
    return lines


def check_queue(results: str | Path, root: str | Path) -> None:
    """Make sure that no training job of a build that was killed waits or runs in Slurm, from this folder.

    Args:
        results: the folder of all studies; a Snakemake that builds another of them has jobs of its own.
        root: folder of the study that is to be built.

    Raises:
        UserError: there are some; a new build would train their runs a second time.
    """
    others = [one for one in Path(results).glob("*") if one != Path(root)]
    jobs = [] if any(state(note) != DEAD for one in others for _, note in _notes(one)) else queued()
    if jobs:
        what = f"Slurm still has jobs that an earlier build has started from here: {_named(jobs)}."
        raise UserError(str(root), what, "wait for them, or cancel them with scancel; then start again.")


def state(note: Note) -> str:
    """Whether the process of a note is ``alive`` or ``dead``; ``unknown`` where nobody here can tell."""
    pid, job = note.get("pid"), note.get("job")
    if note.get("host") == socket.gethostname() and isinstance(pid, int):
        return _state_here(pid, note.get("started"))
    if not job:
        return UNKNOWN
    known = _squeue("--jobs", str(job), "--format", "%i")
    return UNKNOWN if known is None else ALIVE if known else DEAD


def queued() -> list[str]:
    """Numbers of this user's Slurm jobs that train runs from the working directory; none where there is no Slurm."""
    rows = [line.split("|", 2) for line in _squeue("--me", "--format", "%i|%Z|%k") or () if line.count("|") >= 2]
    here = os.path.realpath(".")
    mine = [(job, comment) for job, folder, comment in rows if os.path.realpath(folder) == here]
    return [job for job, comment in mine if comment.startswith("rule_train")]


def _squeue(*options: str) -> list[str] | None:
    """What the queue says, by line; nothing of a job that it does not know; None where there is no queue to ask."""
    try:
        command = ["squeue", "--noheader", *options]
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS_FOR_QUEUE)
    except (OSError, subprocess.SubprocessError):
        return None
    if found.returncode:
        return [] if "Invalid job id" in found.stderr else None
    return found.stdout.splitlines()


def _started(pid: int) -> str | None:
    """When a process of this host began, in the kernel's ticks; None if it cannot be seen."""
    with suppress(OSError, IndexError):
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[19]
    return None


def _state_here(pid: int, started: str | None) -> str:
    """Of a process of this host. One that cannot be seen may be another user's."""
    seen = _started(pid)
    if seen is not None:
        return ALIVE if seen == started else DEAD
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return DEAD
    except OSError:
        pass
    return ALIVE


def _note(root: str | Path) -> Path:
    return Path(root, PATTERN.replace("*", f"{socket.gethostname()}.{os.getpid()}"))


def _notes(root: str | Path) -> list[tuple[Path, Note]]:
    found = []
    for path in sorted(Path(root).glob(PATTERN)):
        with suppress(OSError, ValueError):
            note = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(note, dict):
                found.append((path, note))
    return found


def _who(note: Note) -> str:
    since = note.get("since")
    began = time.strftime("%d %B %H:%M", time.localtime(since)) if isinstance(since, float) else "some time ago"
    job = f", Slurm job {note['job']}" if note.get("job") else ""
    return f"process {note.get('pid')} on {note.get('host')}{job}, started {began}"


def _named(jobs: list[str]) -> str:
    more = len(jobs) - JOBS_NAMED
    return " ".join(jobs[:JOBS_NAMED]) + (f" and {more} more" if more > 0 else "")


def _mend() -> str:
    """What to do after a kill."""
    jobs = queued()
    first = f"first wait for its Slurm jobs, or cancel them ({_named(jobs)}); then " if jobs else ""
    locked = any(Path(".snakemake/locks").glob("*"))
    unlock = (
        "run your command with --unlock added, then with --rerun-incomplete" if locked else "add --rerun-incomplete"
    )
    return f"{first}{unlock}. Finished runs stay, others go on from their checkpoints."
