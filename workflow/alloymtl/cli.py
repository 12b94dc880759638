"""The command line: ``python -m alloymtl STEP --spec JSON --in NAME=PATH ... --out NAME=PATH ... --log FILE``.

Four words are for people: ``python -m alloymtl inspect FILE...`` proposes the config of files that are seen for the
first time, ``python -m alloymtl advise`` says what a study's data support, ``python -m alloymtl status`` how a study
stands while it is built, ``python -m alloymtl resources`` what its runs took, for a cluster.

A step is a function ``(spec, inputs, outputs)``: the part of the study that decides its output, the paths it reads and
the paths it writes. Steps are imported only when called, so that each pays for the libraries it needs and no others.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alloymtl.errors import UserError
from alloymtl.progress.run_log import ENDED_WELL

STEPS = {
    "describe": "alloymtl.describe:step",
    "simulate": "alloymtl.data.simulate:step",
    "ingest": "alloymtl.data.ingest:step",
    "check": "alloymtl.data.check:step",
    "features": "alloymtl.data.features:step",
    "split": "alloymtl.data.split:step",
    "splits": "alloymtl.data.splits:step",
    "leakage": "alloymtl.data.leakage:step",
    "profile": "alloymtl.data.profile:step",
    "train": "alloymtl.evaluation.job:step",
    "collect": "alloymtl.evaluation.collect:step",
    "compare": "alloymtl.evaluation.compare:step",
    "ship": "alloymtl.evaluation.records:step",
    "renew": "alloymtl.evaluation.renew:step",
    "verify": "alloymtl.evaluation.verify:step",
    "verdict": "alloymtl.evaluation.verify:verdict",
    "conflict": "alloymtl.evaluation.conflict:step",
    "tails": "alloymtl.evaluation.tails:step",
    "synergy": "alloymtl.evaluation.synergy:step",
    "affinity": "alloymtl.evaluation.affinity.step:step",
    "agreement": "alloymtl.evaluation.affinity.agreements:step",
    "benefit": "alloymtl.evaluation.affinity.pairings:step",
    "groupings": "alloymtl.evaluation.affinity.groupings:step",
    "advice": "alloymtl.evaluation.affinity.advice:step",
    "delta": "alloymtl.evaluation.balancing.delta_tables:step",
    "equivalence": "alloymtl.evaluation.balancing.equivalence:step",
    "norms": "alloymtl.evaluation.balancing.norms:step",
    "balancing_costs": "alloymtl.evaluation.balancing.costs:step",
    "claims": "alloymtl.evaluation.claims:step",
    "audit": "alloymtl.evaluation.audit:step",
    "tables": "alloymtl.paper.tables:step",
    "figures": "alloymtl.paper.figures:step",
    "numbers": "alloymtl.paper.numbers:step",
    "render": "alloymtl.paper.render:step",
}
INSPECT = "inspect"
COMMANDS = {
    "advise": "alloymtl.progress.advise:main",
    "status": "alloymtl.progress.status:main",
    "resources": "alloymtl.progress.resources:main",
}
EPILOG = (
    f"`python -m alloymtl {INSPECT} FILE...` proposes the config of files that are seen for the first time; "
    "`python -m alloymtl advise` says what a study's data support; `python -m alloymtl status` says how a study stands "
    "while it is built; `python -m alloymtl resources` says what its runs took, as lines for slurm/config.yaml."
)
log = logging.getLogger("alloymtl")


def _paths(pairs: Sequence[str]) -> dict[str, Path]:
    named = {}
    for pair in pairs:
        name, _, path = pair.partition("=")
        if not path:
            raise UserError(pair, "an input or output is written NAME=PATH.", "add the name.")
        named[name] = Path(path)
    return named


def _specification(text: str) -> Any:
    """What ``--spec`` gives. A large one comes as a file: a command has room for 128 kB, and is shown on errors."""
    return json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m alloymtl", description="One step of the pipeline.", epilog=EPILOG)
    parser.add_argument("step", choices=sorted(STEPS), metavar="STEP", help=", ".join(sorted(STEPS)))
    spec = "the part of the study that decides the output, as JSON, or @ and the path of a file that holds it"
    parser.add_argument("--spec", default="{}", help=spec)
    parser.add_argument("--in", dest="inputs", nargs="*", default=[], metavar="NAME=PATH", help="files to read")
    parser.add_argument("--out", dest="outputs", nargs="*", default=[], metavar="NAME=PATH", help="files to write")
    parser.add_argument("--log", type=Path, help="file for the step's full log")
    return parser


class LogFile(logging.FileHandler):
    """A log that may be cut short by a full disk: the step's own error says so, and not a traceback of logging."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Keep quiet about it."""


class TerminalFormatter(logging.Formatter):
    """Plain messages; a warning says that it is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The message, with ``warning: `` before a warning."""
        return f"{'warning: ' * (record.levelno == logging.WARNING)}{record.getMessage()}"


@contextmanager
def _logging_to(path: Path | None) -> Iterator[None]:
    """Everything goes to the log file; progress and warnings go to the terminal too."""
    log.setLevel(logging.DEBUG)
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.INFO)
    terminal.setFormatter(TerminalFormatter())
    handlers: list[logging.Handler] = [terminal]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(LogFile(path, mode="w", encoding="utf-8"))
        handlers[-1].setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for handler in handlers:
        log.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()


def _inspect(arguments: Sequence[str]) -> int:
    """Print the proposal for some files."""
    parser = argparse.ArgumentParser(prog="python -m alloymtl inspect", description="Propose the config of new files.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="a file, a folder, an archive or a pattern")
    options = parser.parse_args(arguments)
    try:
        print(importlib.import_module("alloymtl.data.inspection").inspect(options.files), end="")
    except UserError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return 1
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; 0 if it ended well, 1 after a mistake of the user's, 2 after one of ours."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == [INSPECT]:
        return _inspect(given[1:])
    if given and given[0] in COMMANDS:
        return _function(COMMANDS[given[0]])(given[1:])
    options = _parser().parse_args(given)
    with _logging_to(options.log):
        return _run(options)


def _function(place: str) -> Callable[..., Any]:
    """What ``module:function`` names."""
    module, function = place.split(":")
    return getattr(importlib.import_module(module), function)


def _run(options: argparse.Namespace) -> int:
    try:
        step = _function(STEPS[options.step])
        step(_specification(options.spec), _paths(options.inputs), _paths(options.outputs))
        log.debug(ENDED_WELL)
    except UserError as mistake:
        log.error("error: %s%s", mistake, f" (log: {options.log})" if options.log else "")
        return 1
    except Exception:
        if options.log is None:
            raise
        # A defect of the pipeline, not of the user: the whole story goes to the log, one line to the terminal.
        log.debug("the step failed unexpectedly", exc_info=True)
        log.error("error: step %s failed unexpectedly; the traceback is in %s", options.step, options.log)
        return 2
    return 0
