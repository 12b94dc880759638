"""How a study stands, as lines of text and as a drawing for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from alloymtl.progress.reporter import duration
from alloymtl.progress.runs import FAILED, RUNNING, STATES, STOPPED, RunState

if TYPE_CHECKING:
    from rich.console import RenderableType

    from alloymtl.progress.status import Status

LISTED = 20
LEAST_LISTED = 3
# Lines of a terminal that neither the table's rows nor the lists of runs may take.
OTHER_LINES = 12
COLUMNS = ("all", *STATES)


def shown_in(height: int | None) -> int:
    """Runs that are listed of each kind where so many lines are free for all of them; None for no terminal."""
    return LISTED if height is None else max(LEAST_LISTED, (height - OTHER_LINES) // 4)


def lines(status: Status, limit: int | None) -> list[str]:
    """All that is known of a study, in lines of text.

    Args:
        status: what is known.
        limit: how many runs of a kind to list; None for all of them.
    """
    rows = [("method", *COLUMNS), *_rows(status)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    aligned = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return [*_head(status), "", *aligned, *(line for block in _lists(status, limit) for line in ["", *block])]


def table(status: Status, limit: int | None) -> RenderableType:
    """The same for a terminal; arguments as of ``lines``."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False)
    drawn.add_column("method", no_wrap=True)
    for column in COLUMNS:
        drawn.add_column(column, justify="right", style="red" if column == FAILED else None)
    for row in _rows(status):
        drawn.add_row(*(Text("-", style="dim") if cell == "0" else cell for cell in row))
    blocks = [Text("\n".join(["", *block])) for block in _lists(status, limit)]
    return Group(Text("\n".join(_head(status))), Text(), drawn, *blocks)


def _rows(status: Status) -> list[tuple[str, ...]]:
    return [(name, *(str(counts[c]) for c in COLUMNS)) for name, counts in status.by_method().items()]


def _head(status: Status) -> list[str]:
    counts = status.counts()
    controls = len({run.control for run in status.runs if run.control})
    within = f" (with {controls} control {'study' if controls == 1 else 'studies'})" if controls else ""
    parts = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    return [f"study {status.study}{within}: {counts['all']} runs, {parts}", *_cost(status), *_noted(status)]


def _noted(status: Status) -> list[str]:
    return [f"note: {note}" for note in status.notes]


def _cost(status: Status) -> list[str]:
    forecast, running = status.forecast, status.counts()[RUNNING]
    if status.is_complete:
        return [f"all is done; {_core_hours(forecast.spent)} core hours spent here"]
    if forecast.expected is None:
        return [f"time left: cannot tell, {forecast.basis}; {_core_hours(forecast.spent)} core hours spent"]
    time = f"about {duration(forecast.left)} with {running} at once" if running else "nothing is running"
    hours = f"{_core_hours(forecast.spent)} core hours spent, {_core_hours(forecast.expected)} expected in all"
    return [f"time left: {time}; {hours}", f"({forecast.basis}; one core a run)"]


def _core_hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.2g}" if hours < 10 else f"{hours:,.0f}"


def _lists(status: Status, limit: int | None) -> list[list[str]]:
    describe = {RUNNING: running, STOPPED: ended, FAILED: ended}
    return [
        [f"{state}:", *_shortened([f"  {text(run)}" for run in status.of(state)], limit)]
        for state, text in describe.items()
        if status.of(state)
    ]


def _shortened(entries: Sequence[str], limit: int | None) -> list[str]:
    if limit is None or len(entries) <= limit:
        return list(entries)
    return [*entries[:limit], f"  and {len(entries) - limit} more (--all lists them)"]


def running(run: RunState) -> str:
    """A run that is running, in one line."""
    progress = run.progress
    if progress is None:
        return f"{run.name}: starting, or writing its results"
    control = f" (control {run.control})" if run.control else ""
    parts = [f"epoch {progress.epoch}/{progress.total_epochs}", progress.losses(), duration(run.seconds or 0.0)]
    return f"{progress.name}{control}: {', '.join(part for part in parts if part)}"


def ended(run: RunState) -> str:
    """A run that stopped or failed, with the reason and the log, in one line."""
    return f"{run.name}: {run.reason}" + (f" (log: {run.log})" if run.log else "")
