"""What a step's own log says of its end."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

MARK = " ERROR error: "
ENDED_WELL = "the step has ended well"
"""The last line of a step's log; without it, and without an error, the step was killed or is at work."""
TAIL_BYTES = 64 * 1024
_LOG = re.compile(r"\s*\(log: [^()]*\)$")
_INTERRUPTED = re.compile(r"\bstopped by SIG[A-Z]+ after epoch \d+")


def errors(text: str) -> list[str]:
    """The messages of a log's error lines, in order."""
    return [line.partition(MARK)[2] for line in text.splitlines() if MARK in line]


@dataclass(frozen=True)
class Ending:
    """How the last attempt at a run ended, by its log, which every attempt begins anew.

    Attributes:
        error: its last error, without the log that it names; None where there is none.
        ended_well: whether its results were written.
    """

    error: str | None
    ended_well: bool


UNKNOWN = Ending(None, False)
"""Of a log that is not there."""


def ending(path: str | Path) -> Ending:
    """What a log says of the end; nothing where it cannot be read."""
    text = tail(path)
    found = errors(text)
    return Ending(_LOG.sub("", found[-1]) if found else None, text.rstrip().endswith(f" {ENDED_WELL}"))


def tail(path: str | Path, size: int = TAIL_BYTES) -> str:
    """The last bytes of a file as text; empty where it cannot be read."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - size))
            return stream.read(size).decode("utf-8", errors="replace")
    except OSError:
        return ""


def is_interruption(error: str) -> bool:
    """Whether an error says that training was asked to stop and saved what it had, which is no fault of the run's."""
    return bool(_INTERRUPTED.search(error))
