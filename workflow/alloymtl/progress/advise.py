"""``python -m alloymtl advise``: what a study's own data support, from networks that are trained to find out."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from alloymtl.config import REMOVABLE, combine, merge, read, validate
from alloymtl.data.elements import check_elements
from alloymtl.errors import UserError
from alloymtl.evaluation.metrics import check_metrics
from alloymtl.files import write_text
from alloymtl.method import check_stages
from alloymtl.progress.launch import DEFAULT_CONFIG, watch
from alloymtl.sources import ROOT
from alloymtl.study import Study

ADVICE = "advice"
"""Name of the control study, of its experiment, and of the target that builds both."""
SHIPPED = ROOT.parent / "config" / "advice.yaml"
NUMBERS = ("number", "low", "high")


def overlay(content: Mapping[str, Any], shipped: Mapping[str, Any], epochs: int | None) -> dict[str, Any]:
    """What lies beneath a study's config for advice, beside the shipped file.

    The study's own methods are left out of the control, where one of them may be what a method of the advice is too,
    but for those that the study's config asks for there. A study without methods or experiments is given some.

    Args:
        content: the study's config.
        shipped: config/advice.yaml.
        epochs: upper bound of epochs, in the place of the study's.
    """
    own = content.get("controls", {}).get(ADVICE) or {}
    asked = {m for e in (own.get("experiments") or {}).values() if e for m in e.get("methods", ())}
    control = shipped["controls"][ADVICE]
    known = (content.get("methods") or {}).keys() - asked
    made: dict[str, Any] = {"methods": dict.fromkeys(sorted(known))}
    if epochs is not None:
        made["training"] = {"max_epochs": epochs}
    missing: dict[str, Any] = {}
    name, method = next(iter(control["methods"].items()))
    if "methods" not in content and "experiments" not in content:
        missing["methods"] = {name: method}
        missing["experiments"] = {"main": {"methods": [name], "comparisons": []}}
    return {**missing, "controls": {ADVICE: made}}


def plan(files: Sequence[str], epochs: int | None) -> tuple[Study, Path]:
    """The study with its control, checked, and the config file that was written to lie beneath its own.

    Raises:
        UserError: see ``config.validate`` and ``Study``; the study has one task, or a raw file is missing.
    """
    content, origin, shipped = combine(files, {}), ", ".join(files), read(SHIPPED)
    beneath = overlay(_plain(content, origin), shipped, epochs)
    full = validate(merge({key: value for key, value in beneath.items() if key != "controls"}, content), origin)
    if len(full["tasks"]) < 2:
        raise UserError(f"{origin}: tasks", "there is one, and advice is about several.", "add a task.")
    place = Path("results", full["study"], "advice.yaml")
    start = "# Written by `python -m alloymtl advise`, which gives it to Snakemake before the study's own config.\n"
    included = {"include": [os.path.relpath(SHIPPED, place.parent)], **beneath}
    write_text(place, start + yaml.safe_dump(included, allow_unicode=True, sort_keys=False))
    study = Study.from_config(combine([place, *files], {}), origin)
    where = f"{origin}: controls.{ADVICE}"
    control = study.controls[ADVICE]
    check_elements(study.data["elements"], origin)
    check_metrics(control.evaluation, where)
    check_stages(control.trained, [task.name for task in control.tasks], where)
    study.check_sources()
    return study, place


def _plain(content: Mapping[str, Any], origin: str) -> Mapping[str, Any]:
    """A config whose sections of named things are such: what else is wrong with it, validation tells."""
    for section in REMOVABLE:
        if not isinstance(content.get(section, {}), Mapping):
            raise UserError(f"{origin}: {section}", "these are no named entries.", "config/README.md has an example.")
    return content


def lines(path: Path) -> list[dict[str, Any]]:
    """The table of an advice as plain values; None for what is no number."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = {name: (lambda text: float(text) if text else None) for name in NUMBERS} | {"n": int}
    return [{key: numbers.get(key, str)(text) for key, text in row.items()} for row in rows]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m alloymtl advise",
        description="What a study's own data support: tasks alone or together, in groups, with which balancer, or that "
        "nobody can tell. It trains networks for this, with the study's own settings; each line has its number.",
    )
    configs = "the study, as Snakemake is given it; config/config.yaml if left out"
    parser.add_argument("--configfile", nargs="+", default=[DEFAULT_CONFIG], metavar="FILE", help=configs)
    parser.add_argument("--cores", default="all", metavar="N", help="networks to train at once; all if left out")
    fewer = "train for at most so many epochs, not as many as the study; advice is then about such networks"
    parser.add_argument("--epochs", type=int, metavar="N", help=fewer)
    parser.add_argument("--json", action="store_true", help="print the lines as JSON, for scripts")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Train what is missing and print the advice; 0, 1 after a mistake of the user's, or Snakemake's exit status."""
    options = _parser().parse_args(arguments)
    try:
        if not Path("Snakefile").is_file():
            raise UserError(os.getcwd(), "there is no Snakefile in this folder.", "go to the project's folder.")
        if options.cores != "all" and not (options.cores.isdecimal() and int(options.cores)):
            raise UserError("--cores", f"{options.cores!r} is no number of cores.", "write 1 or more, or all.")
        if options.epochs is not None and options.epochs < 1:
            raise UserError("--epochs", f"{options.epochs} epochs train nothing.", "write 1 or more.")
        study, beneath = plan(options.configfile, options.epochs)
    except UserError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return 1
    from rich.console import Console

    control = study.controls[ADVICE]
    runs, files = control.runs(), [str(beneath), *options.configfile]
    done = sum(Path(control.root, "runs", run.folder, "record.json").is_file() for run in runs)
    told = f"advice on {study.name}: {len(runs)} runs, {done} of them there already"
    status = f"how they stand: python -m alloymtl status --configfile {' '.join(files)}"
    print(told, status, sep="\n", file=sys.stderr, flush=True)
    words = ["--configfile", *files, "--cores", options.cores, "--", ADVICE]
    failed = watch([sys.executable, "-m", "snakemake", *words], Console(stderr=True))
    if failed:
        return failed
    if options.json:
        print(json.dumps(lines(Path(control.root, "advice.csv")), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print(Path(control.root, "advice.txt").read_text(encoding="utf-8"), end="")
    return 0
