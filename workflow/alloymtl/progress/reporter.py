"""What a training job says about itself while it runs."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_FILES = 2.0
PROCESS_START = time.monotonic()
"""When this module was loaded, which a training job does first."""
log = logging.getLogger("alloymtl")


def duration(seconds: float) -> str:
    """A length of time for people: ``50 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def number(value: float) -> str:
    """A loss with four decimals, or in scientific form where those would say nothing."""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.3g}"


@dataclass
class Progress:
    """How far one training job is: the content of its ``progress.json``.

    Attributes:
        name: the run, for people.
        epoch: epochs done.
        total_epochs: upper bound; early stopping may end before it.
        values: losses of this epoch, by name.
        best: the lowest of each so far, and its epoch.
        elapsed: seconds since this stage began in this process, which a resumed run does not begin at epoch 0.
        left: seconds to ``total_epochs`` at the pace so far.
        spent: seconds since this process began, the stages before this one included.
    """

    name: str
    total_epochs: int
    epoch: int = 0
    values: dict[str, float] = field(default_factory=dict)
    best: dict[str, tuple[float, int]] = field(default_factory=dict)
    elapsed: float = 0.0
    left: float = 0.0
    spent: float = 0.0

    @property
    def fraction(self) -> float:
        """Share of the epochs that is done, 0 to 1."""
        return min(1.0, self.epoch / self.total_epochs) if self.total_epochs > 0 else 0.0

    def losses(self) -> str:
        """Every loss of this epoch; the first, which training is judged by, with its best."""
        parts = [f"{name} {number(value)}" for name, value in self.values.items()]
        first = next(iter(self.values), None)
        if first in self.best:
            value, epoch = self.best[first]
            parts[0] += f" (best {number(value)} at {epoch})"
        return ", ".join(parts)

    def line(self) -> str:
        """All of it in one line of plain text."""
        parts = [f"epoch {self.epoch}/{self.total_epochs}", self.losses(), f"at most about {duration(self.left)} left"]
        return f"{self.name}: {', '.join(p for p in parts if p)}"


class Reporter:
    """Says how far a training job is: now and then one line in the log, and a small file for the launcher.

    It reads a clock and nothing else, and every error of the file system is ignored: training never depends on it.

    Args:
        path: the file to keep up to date, ``<run folder>/progress.json``; removed at the end. None for no file.
        name: the run, for people.
        total_epochs: upper bound of the epochs.
        clock: seconds, growing.

    Example:
        >>> with Reporter(None, "hard seed-42", total_epochs=200) as reporter:
        ...     reporter.update(1, {"validation loss": 0.42})
    """

    def __init__(
        self, path: str | Path | None, name: str, total_epochs: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = None if path is None else Path(path)
        self._progress = Progress(name, total_epochs)
        self._clock = clock
        self._start = clock()
        self._first_epoch: int | None = None
        self._next_line = self._start + SECONDS_BETWEEN_LINES
        self._next_file = self._start

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def update(self, epoch: int, values: Mapping[str, float]) -> None:
        """Take note of an epoch that has ended.

        Args:
            epoch: its number, from 1.
            values: losses by name (lower is better), the one that training is judged by first.
        """
        p = self._progress
        p.epoch, p.values = epoch, {name: float(value) for name, value in values.items()}
        for name, value in p.values.items():
            if name not in p.best or value < p.best[name][0]:
                p.best[name] = value, epoch
        if self._first_epoch is None:
            self._first_epoch = epoch
        now = self._clock()
        p.elapsed = now - self._start
        p.spent = time.monotonic() - PROCESS_START
        p.left = p.elapsed / (epoch - self._first_epoch + 1) * max(0, p.total_epochs - epoch)
        if now >= self._next_file:
            self._next_file = now + SECONDS_BETWEEN_FILES
            self._write()
        if now >= self._next_line:
            self._next_line = now + SECONDS_BETWEEN_LINES
            log.info("%s", p.line())

    def _write(self) -> None:
        """Not through ``alloymtl.files``: that waits for the disk, and a lost progress file harms nobody."""
        if self._path is None:
            return
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(asdict(self._progress)), encoding="utf-8")
            os.replace(temporary, self._path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def read(path: str | Path) -> Progress | None:
    """The progress that a job wrote, or None where the file is gone or is not one."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        values["best"] = {name: (value, epoch) for name, (value, epoch) in values["best"].items()}
        return Progress(**values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
