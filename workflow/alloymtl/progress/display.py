"""A build, drawn on the terminal."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from alloymtl.progress.output import SnakemakeOutput
from alloymtl.progress.reporter import Progress, duration, read

# A job that has not written for so long was killed: an epoch takes seconds.
STALE_SECONDS = 120.0
BAR_WIDTH = 24
# Lines that are kept free of job bars: the build, what else runs, what failed, and the shell's prompt.
OTHER_LINES = 6
LONGEST_NAME = 60


class RunningJobs:
    """The training jobs that are running, from the files they keep below a folder.

    Args:
        folder: ``results/<study>``; those of its controls lie below it.
        since: start of the build, seconds of the epoch; older files are left from another one.
    """

    def __init__(self, folder: Path, since: float) -> None:
        self._folder, self._since = folder, since
        self._jobs: list[Progress] = []
        self._next = 0.0

    def read(self) -> list[Progress]:
        """Their progress, by name. With thousands of run folders, looks less often."""
        start = time.monotonic()
        if start >= self._next:
            self._jobs = self._look()
            now = time.monotonic()
            self._next = now + max(1.0, 20 * (now - start))
        return self._jobs

    def _look(self) -> list[Progress]:
        oldest = max(self._since, time.time() - STALE_SECONDS)
        found = []
        for folder, _, names in os.walk(self._folder):
            path = Path(folder, "progress.json")
            try:
                recent = path.name in names and path.stat().st_mtime >= oldest
            except OSError:
                continue
            if recent and (progress := read(path)):
                found.append(progress)
        return sorted(found, key=lambda p: p.name)


def jobs_done(output: SnakemakeOutput, jobs: Sequence[Progress]) -> float:
    """Jobs that have ended, and the shares of those that are running."""
    return output.done + sum(job.fraction for job in jobs)


def seconds_left(output: SnakemakeOutput, jobs: Sequence[Progress], elapsed: float) -> float | None:
    """Seconds to the end at the pace so far; None before anything is known."""
    done = jobs_done(output, jobs)
    if not output.total or done < 0.5:
        return None
    return elapsed / done * max(0.0, output.total - done)


def render(
    study: str, output: SnakemakeOutput, jobs: Sequence[Progress], elapsed: float, height: int = 24, note: str = ""
) -> RenderableType:
    """The build as bars: all jobs first, then each training job that is running.

    Args:
        study: its name.
        output: what Snakemake has said so far.
        jobs: the training jobs that are running.
        elapsed: seconds since the build began.
        height: lines of the terminal; jobs beyond it are counted, not drawn.
        note: a line to add at the end.
    """
    room = max(1, height - OTHER_LINES)
    shown = jobs if len(jobs) <= room else jobs[: room - 1]
    # A run's name ends in its seed, which is what tells runs apart: losses give way before names do.
    longest = max(len(name) for name in (study, *(job.name for job in shown)))
    bars = Table.grid(padding=(0, 1))
    bars.add_column(no_wrap=True, min_width=min(longest, LONGEST_NAME))
    bars.add_column(no_wrap=True)
    bars.add_column(no_wrap=True, overflow="ellipsis")
    bars.add_row(
        Text(study, style="bold"),
        ProgressBar(total=output.total, completed=jobs_done(output, jobs), width=BAR_WIDTH),
        Text(_overall(output, jobs, elapsed)),
    )
    for job in shown:
        bar = ProgressBar(total=job.total_epochs, completed=job.epoch, width=BAR_WIDTH)
        text = f"epoch {job.epoch} of {job.total_epochs}, {job.losses()}"
        bars.add_row(Text(job.name), bar, Text(text))
    lines: list[RenderableType] = [bars]
    if len(shown) < len(jobs):
        lines.append(Text(f"and {len(jobs) - len(shown)} more training jobs"))
    if output.running:
        counts = sorted(Counter(output.running.values()).items())
        lines.append(Text("running: " + ", ".join(f"{n} x {rule}" if n > 1 else rule for rule, n in counts), "dim"))
    if output.failed:
        lines.append(Text(f"failed: {len(output.failed)} so far, shown at the end", "red"))
    if note:
        lines.append(Text(note, "yellow"))
    return Group(*lines)


def _overall(output: SnakemakeOutput, jobs: Sequence[Progress], elapsed: float) -> str:
    if output.total is None:
        return f"looking at what there is to do, {duration(elapsed)}"
    left = seconds_left(output, jobs, elapsed)
    rest = "" if left is None else f", about {duration(left)} left"
    return f"{output.done} of {output.total} jobs, {duration(elapsed)}{rest}"
