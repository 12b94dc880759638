"""``python -m alloymtl status``: how a study stands while it is built, here or on a cluster, and after."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alloymtl.config import combine
from alloymtl.errors import UserError
from alloymtl.evaluation.coverage import Coverage
from alloymtl.progress.forecast import Forecast, forecast
from alloymtl.progress.launch import DEFAULT_CONFIG
from alloymtl.progress.runs import DONE, FAILED, RUNNING, SHIPPED, STATES, STOPPED, RunState, Survey
from alloymtl.progress.slurm_logs import FOLDER
from alloymtl.sources import ROOT
from alloymtl.study import Study

RECORDS = ROOT.parent / "records"
REFRESH_SECONDS = 5.0
# With many runs, looking takes time too: at most this share of it.
LOOKING_SHARE = 0.1


@dataclass(frozen=True)
class Status:
    """How a study and its controls stand.

    Attributes:
        study: its name.
        runs: the state of each run.
        forecast: what is spent and what is to come.
        notes: what else the user should know.
    """

    study: str
    runs: Sequence[RunState]
    forecast: Forecast
    notes: Sequence[str]

    def of(self, *states: str) -> list[RunState]:
        """The runs in some states."""
        return [run for run in self.runs if run.state in states]

    def counts(self) -> dict[str, int]:
        """Runs by state, and ``all``."""
        return _counts(self.runs)

    def by_method(self) -> dict[str, dict[str, int]]:
        """Runs by state for each method, over the study and its controls, and ``all``."""
        methods: dict[str, list[RunState]] = {}
        for run in self.runs:
            methods.setdefault(run.method, []).append(run)
        return {method: _counts(runs) for method, runs in methods.items()}

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do."""
        return len(self.of(DONE, SHIPPED)) == len(self.runs)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, for scripts; seconds, and core hours."""
        spent, expected = self.forecast.spent, self.forecast.expected
        listed = self.of(RUNNING, STOPPED, FAILED)
        return {
            "study": self.study,
            "runs": self.counts(),
            "methods": self.by_method(),
            "seconds_left": self.forecast.left,
            "core_hours": {"spent": spent / 3600, "expected": None if expected is None else expected / 3600},
            "basis": self.forecast.basis,
            **{state: [_plain(asdict(r)) for r in listed if r.state == state] for state in (RUNNING, STOPPED, FAILED)},
            "notes": list(self.notes),
        }


def _counts(runs: Sequence[RunState]) -> dict[str, int]:
    found = Counter(run.state for run in runs)
    return {"all": len(runs), **{state: found[state] for state in STATES}}


def _plain(value: Any) -> Any:
    """The same without numbers that JSON does not know, such as the loss of a run that diverged."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def shipped_runs(study: Study, folder: Path) -> tuple[set[tuple[str, str]], list[str]]:
    """The runs that `all` takes from shipped records, as (control, folder), and what there is to say of the others.

    Args:
        study: the study.
        folder: its shipped records, which need not exist.
    """
    try:
        coverage = Coverage(study, folder)
    except (UserError, OSError) as damage:
        return set(), [str(damage)]
    found = [(control, coverage.shipped(control)) for control in coverage.studies]
    fresh = {(control, run) for control, runs in found for run, shipped in runs.items() if not shipped.stale}
    stale = sum(shipped.stale for _, runs in found for shipped in runs.values())
    note = f"{folder} holds {stale} runs made by other code: `tables` uses them as they are, `all` trains them anew."
    return fresh, [note] if stale else []


class Watcher:
    """Looks at a study as often as is asked for.

    Args:
        study: the study.
        records: its shipped records, which need not exist.
        slurm_logs: folder of Slurm's logs.
        start: how to start it, for the message where it was not.

    Raises:
        UserError: nothing of the study has been built in this folder.
    """

    def __init__(self, study: Study, records: Path, slurm_logs: Path, start: str) -> None:
        if not Path(study.root).is_dir():
            raise UserError(study.root, f"nothing of the study {study.name!r} has been built in this folder.", start)
        shipped, self._notes = shipped_runs(study, records)
        self._study, self._survey = study, Survey(study, shipped, slurm_logs)

    def look(self) -> Status:
        """How it stands now."""
        runs = self._survey.look()
        return Status(self._study.name, runs, forecast(runs), self._notes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m alloymtl status",
        description="How a study stands: runs done, running and failed, the time left and the core hours. It reads "
        "files only, so that it works beside a build, on a login node, and after everything has stopped.",
    )
    configs = "the study, as Snakemake is given it; config/config.yaml if left out"
    parser.add_argument("--configfile", nargs="+", default=[DEFAULT_CONFIG], metavar="FILE", help=configs)
    parser.add_argument("--all", action="store_true", help="list every run that is running, stopped or failed")
    logs = f"where Slurm's logs lie, if not in {FOLDER} (`slurm-logdir` of the profile)"
    parser.add_argument("--slurm-logs", type=Path, default=FOLDER, metavar="FOLDER", help=logs)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--watch", action="store_true", help="say it again every few seconds, until all is done")
    form.add_argument("--json", action="store_true", help="say it as JSON, for scripts")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Say how a study stands; 0, or 1 after a mistake of the user's."""
    options = _parser().parse_args(arguments)
    try:
        origin = ", ".join(options.configfile)
        study = Study.from_config(combine(options.configfile, {}), origin)
        start = (
            f"start it with `snakemake --configfile {' '.join(options.configfile)} --cores N all`, or go where it is."
        )
        watcher = Watcher(study, RECORDS / study.name, options.slurm_logs, start)
    except UserError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(watcher.look().to_dict(), indent=1, ensure_ascii=False, allow_nan=False))
        return 0
    with contextlib.suppress(KeyboardInterrupt):
        _show(watcher, options.watch, options.all)
    return 0


def _show(watcher: Watcher, again: bool, everything: bool) -> None:
    from rich.console import Console

    from alloymtl.progress.view import lines, shown_in, table

    console = Console()
    if not console.is_terminal:
        for status in _looks(watcher, again):
            print("\n".join(lines(status, None if everything else shown_in(None))), flush=True)
            if again and not status.is_complete:
                print(flush=True)
    elif not again:
        console.print(table(watcher.look(), None if everything else shown_in(None)))
    else:
        from rich.live import Live

        with Live(console=console, auto_refresh=False) as live:
            for status in _looks(watcher, again):
                live.update(table(status, shown_in(console.height - len(status.by_method()))), refresh=True)


def _looks(watcher: Watcher, again: bool) -> Iterator[Status]:
    """The status now and, if asked for, again and again until all is done."""
    while True:
        start = time.monotonic()
        status = watcher.look()
        yield status
        if not again or status.is_complete:
            return
        time.sleep(max(REFRESH_SECONDS, (time.monotonic() - start) / LOOKING_SHARE))
