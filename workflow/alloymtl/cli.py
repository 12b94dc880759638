"""The command line: ``python -m alloymtl STEP --spec JSON --in NAME=PATH ... --out NAME=PATH ... --log FILE``.

A step is a function ``(spec, inputs, outputs)``: the part of the study that decides its output, the paths it reads and
the paths it writes. Steps are imported only when called, so that each pays for the libraries it needs and no others.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alloymtl.errors import UserError

STEPS = {
    "describe": "alloymtl.describe:step",
    "simulate": "alloymtl.data.simulate:step",
    "ingest": "alloymtl.data.ingest:step",
    "check": "alloymtl.data.check:step",
    "features": "alloymtl.data.features:step",
    "split": "alloymtl.data.split:step",
    "splits": "alloymtl.data.splits:step",
    "train": "alloymtl.evaluation.job:step",
    "collect": "alloymtl.evaluation.collect:step",
    "compare": "alloymtl.evaluation.compare:step",
    "ship": "alloymtl.evaluation.records:step",
    "verify": "alloymtl.evaluation.verify:step",
    "verdict": "alloymtl.evaluation.verify:verdict",
    "conflict": "alloymtl.evaluation.conflict:step",
    "tails": "alloymtl.evaluation.tails:step",
    "synergy": "alloymtl.evaluation.synergy:step",
    "claims": "alloymtl.evaluation.claims:step",
    "audit": "alloymtl.evaluation.audit:step",
    "tables": "alloymtl.paper.tables:step",
    "figures": "alloymtl.paper.figures:step",
    "numbers": "alloymtl.paper.numbers:step",
    "render": "alloymtl.paper.render:step",
}
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
    parser = argparse.ArgumentParser(prog="python -m alloymtl", description="One step of the pipeline.")
    parser.add_argument("step", choices=sorted(STEPS), metavar="STEP", help=", ".join(sorted(STEPS)))
    spec = "the part of the study that decides the output, as JSON, or @ and the path of a file that holds it"
    parser.add_argument("--spec", default="{}", help=spec)
    parser.add_argument("--in", dest="inputs", nargs="*", default=[], metavar="NAME=PATH", help="files to read")
    parser.add_argument("--out", dest="outputs", nargs="*", default=[], metavar="NAME=PATH", help="files to write")
    parser.add_argument("--log", type=Path, help="file for the step's full log")
    return parser


class TerminalFormatter(logging.Formatter):
    """Plain messages; a warning says that it is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The message, with ``warning: `` before a warning."""
        return f"{'warning: ' * (record.levelno == logging.WARNING)}{record.getMessage()}"


def _start_log(path: Path | None) -> None:
    """Everything goes to the log file; progress and warnings go to the terminal too."""
    log.setLevel(logging.DEBUG)
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.INFO)
    terminal.setFormatter(TerminalFormatter())
    log.addHandler(terminal)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(path, mode="w", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(file)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; 0 if it ended well, 1 after a mistake of the user's, 2 after one of ours."""
    options = _parser().parse_args(arguments)
    _start_log(options.log)
    try:
        module, function = STEPS[options.step].split(":")
        step = getattr(importlib.import_module(module), function)
        step(_specification(options.spec), _paths(options.inputs), _paths(options.outputs))
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
