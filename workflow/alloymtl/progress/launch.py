"""Runs Snakemake as a child and shows how far it is: ``python -m alloymtl.progress -- snakemake ...``.

On a terminal, Snakemake's output goes to ``results/<study>/logs/snakemake.log`` and bars take its place. Anywhere else
the launcher becomes Snakemake, so that output, signals and exit status are its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING

from alloymtl import config
from alloymtl.errors import UserError
from alloymtl.progress.output import SnakemakeOutput
from alloymtl.progress.reporter import duration

if TYPE_CHECKING:
    from rich.console import Console

USAGE = "usage: python -m alloymtl.progress -- snakemake ARGUMENTS"
DEFAULT_CONFIG = "config/config.yaml"
# Runs whose output is what the user wants to read.
TEXT_OPTIONS = {"-n", "--dry-run", "--dryrun", "--lint", "--help", "-h", "--version", "-v", "--list-rules", "--summary"}
REFRESH_SECONDS = 0.25
GRACE_SECONDS = 10.0
SIGNALS_BEFORE_KILL = 3
ERRORS_SHOWN = 5
# A closed terminal ends a build as a polite kill does: Snakemake itself knows no hang-up.
FORWARDED = {signal.SIGINT: signal.SIGINT, signal.SIGTERM: signal.SIGTERM, signal.SIGHUP: signal.SIGTERM}


def config_words(command: Sequence[str]) -> tuple[list[str], list[str]]:
    """Config files, and settings that overrule them, which a Snakemake command names."""
    files: list[str] = []
    settings: list[str] = []
    into = None
    for word in command:
        option, equals, value = word.partition("=")
        if word.startswith("-"):
            into = {"--configfile": files, "--configfiles": files, "--config": settings, "-C": settings}.get(option)
            if equals and into is not None:
                into.append(value)
        elif into is not None:
            into.append(word)
    return files, settings


def study_name(command: Sequence[str]) -> str | None:
    """Name of the study that a Snakemake command builds, read as Snakemake would; None if that cannot be told."""
    files, settings = config_words(command)
    name = None
    for path in files or [DEFAULT_CONFIG]:
        with contextlib.suppress(UserError, KeyError):
            name = config.read(path)["study"]
    for key, _, value in (setting.partition("=") for setting in settings):
        name = value if key == "study" else name
    return None if name is None else str(name)


class Child:
    """A command in a process group of its own, so that a signal reaches it once, and with all of its children."""

    def __init__(self, command: Sequence[str]) -> None:
        self.signals = 0
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def stdout(self) -> IO[bytes]:
        """What it prints, errors included."""
        assert self._process.stdout is not None
        return self._process.stdout

    def wait(self, seconds: float) -> int | None:
        """Its exit status as a shell gives it, or None if it is still running after so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._process.wait(seconds)
            return status if status >= 0 else 128 - status
        return None

    def forward(self, number: int) -> None:
        """Pass a signal on; after a few of them in vain, kill."""
        self.signals += 1
        self._send(FORWARDED[signal.Signals(number)] if self.signals < SIGNALS_BEFORE_KILL else signal.SIGKILL)

    def end(self) -> None:
        """Make sure that nothing of it is left."""
        if self.wait(0) is None:
            self._send(signal.SIGTERM)
            self.wait(GRACE_SECONDS)
        self._send(signal.SIGKILL)
        self._process.wait()

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


@contextlib.contextmanager
def _forwarding(command: Sequence[str]) -> Iterator[Child]:
    """Run a command; pass signals on to it; leave nothing of it behind."""
    early: list[int] = []
    child: Child | None = None

    def handle(number: int, frame: FrameType | None) -> None:
        if child is None:
            early.append(number)
        else:
            child.forward(number)

    # What is ignored already stays so: that is how nohup works.
    heeded = [number for number in FORWARDED if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in heeded}
    try:
        child = Child(command)
        for number in early:
            child.forward(number)
        yield child
    finally:
        if child is not None:
            child.end()
        for number, handler in before.items():
            signal.signal(number, handler)


def _record(stream: IO[bytes], path: Path, output: SnakemakeOutput, lock: threading.Lock) -> None:
    """Copy what the child prints to a file, unchanged, and take note of it."""
    with open(path, "wb") as file:
        for line in stream:
            file.write(line)
            file.flush()
            with lock:
                output.feed(line.decode("utf-8", errors="replace"))


def watch(command: Sequence[str], console: Console) -> int:
    """Run a Snakemake command under a display; its exit status."""
    from rich.live import Live

    from alloymtl.progress.display import RunningJobs, render

    study = study_name(command)
    folder = Path("results", study or "")
    log = folder / "logs" / "snakemake.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    jobs = RunningJobs(folder, time.time())
    output, lock, start, shown = SnakemakeOutput(), threading.Lock(), time.monotonic(), 0
    with _forwarding(command) as child:
        reader = threading.Thread(target=_record, args=(child.stdout, log, output, lock), daemon=True)
        reader.start()
        with Live(console=console, auto_refresh=False, transient=True) as live:
            status = None
            while status is None:
                note = "stopping; once or twice more to kill" if child.signals else ""
                with lock:
                    news, shown = output.messages[shown:], len(output.messages)
                    elapsed = time.monotonic() - start
                    drawn = render(study or "build", output, jobs.read(), elapsed, console.height, note)
                for message in news:
                    console.print(message, markup=False, highlight=False)
                live.update(drawn, refresh=True)
                status = child.wait(REFRESH_SECONDS)
    # The pipe ends with its last writer, and all of them are gone.
    reader.join(GRACE_SECONDS)
    for message in output.messages[shown:]:
        console.print(message, markup=False, highlight=False)
    for line in summary(output, status, time.monotonic() - start, folder, log, stopped=child.signals > 0):
        console.print(line, markup=False, highlight=False)
    return status


def summary(
    output: SnakemakeOutput, status: int, elapsed: float, folder: Path, log: Path, stopped: bool = False
) -> list[str]:
    """The last lines of a build: what went wrong and where to read on, or what there is now.

    Jobs that fail because the user stopped the build are no errors.
    """
    lines = [] if stopped else [line for block in output.errors[:ERRORS_SHOWN] for line in ["", *block]]
    if lines and len(output.errors) > ERRORS_SHOWN:
        lines += ["", f"and {len(output.errors) - ERRORS_SHOWN} more errors in the log"]
    if not lines and not stopped and (status != 0 or output.total is None):
        lines = list(output.tail)
    count = "" if output.total is None else f", {output.done} of {output.total} jobs"
    word = "finished" if status == 0 else "stopped" if stopped else f"failed with exit status {status}"
    lines += ["", f"{word}{count}, {duration(elapsed)}; full log: {log}"]
    if stopped:
        lines.append("the same command goes on from here")
    paper = folder / "paper" / "paper.pdf"
    if status == 0 and paper.is_file():
        lines.append(f"paper: {paper}")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command after ``--``; its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = words[1:]
    if not command or words[0] != "--":
        print(USAGE, file=sys.stderr)
        return 2
    if shutil.which(command[0]) is None:
        print(f"error: {command[0]}: no such command", file=sys.stderr)
        return 127
    try:
        for path in config_words(command)[0]:
            config.read(path)
    except UserError as mistake:  # Snakemake reads the file before the workflow can speak, and says less
        print(f"error: {mistake}", file=sys.stderr)
        return 1
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb" or not TEXT_OPTIONS.isdisjoint(command):
        os.execvp(command[0], command)
    from rich.console import Console

    return watch(command, Console())
