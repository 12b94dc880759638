"""Runs cases of the fuzz test in a process of their own: ``python fuzz_driver.py FOLDER PUBLIC COUNT SHARD OF``.

PUBLIC is the folder of the published tables, or empty. Case n is the same whatever the shard; ``FOLDER PUBLIC COUNT n``
runs that case alone and leaves its files. The last line of the output is what was found, as JSON.
"""

from __future__ import annotations

import contextlib
import csv
import faulthandler
import io
import json
import logging
import os
import re
import resource
import shutil
import sys
import time
import traceback
import unicodedata
import warnings
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import yaml

import fuzz_cases
from alloymtl.cli import main
from alloymtl.data.account import REJECT_COLUMNS
from fuzz_cases import Case

SEED = 5
HANGS_AFTER = 90  # seconds; a case takes some hundredths of one
LONGEST_MESSAGE = 1000
ADDRESSES = 8 << 30  # bytes
RESULTS = "results"
OUTPUTS = {"alloys": "alloys.parquet", "rejects": "rejects.csv", "report": "ingest.json"}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+|inf(inity)?|nan)([eE][+-]?\d+)?", re.IGNORECASE)


class Watch:
    """Notes whatever is written outside one folder while it is on; an audit hook, which can never be taken off."""

    PATHS: ClassVar = {
        "os.mkdir": (0,), "os.rename": (0, 1), "os.remove": (0,), "os.rmdir": (0,), "os.link": (0, 1),
        "os.symlink": (1,), "os.truncate": (0,), "os.chmod": (0,), "os.utime": (0,), "tempfile.mkstemp": (0,),
        "tempfile.mkdtemp": (0,), "shutil.copyfile": (1,), "shutil.move": (1,), "shutil.unpack_archive": (1,),
    }  # fmt: skip
    NEVER = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "socket.bind")

    def __init__(self) -> None:
        self.folder: str | None = None
        self.seen: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = set(mode or "") & set("wax+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            self._check(event, [path] if writes else [])
        elif event in self.PATHS:
            self._check(event, [arguments[place] for place in self.PATHS[event]])
        elif event in self.NEVER:
            self.seen.append(f"{event} {arguments!r:.200}")

    def _check(self, event: str, paths: list[Any]) -> None:
        for path in paths:
            if isinstance(path, int):
                continue
            real = os.path.realpath(os.fsdecode(path))
            if real != self.folder and not real.startswith(f"{self.folder}{os.sep}"):
                self.seen.append(f"{event} {real}")


def listing(folder: Path, but: str) -> dict[str, tuple[int, int]]:
    """All files below a folder with size and time of change, but those of one folder in it."""
    found = {}
    for base, folders, names in os.walk(folder):
        if Path(base) == folder and but in folders:
            folders.remove(but)
        for name in [*folders, *names]:
            facts = os.lstat(os.path.join(base, name))
            found[os.path.join(base, name)] = (facts.st_size, facts.st_mtime_ns)
    return found


def ingest(case: Case) -> tuple[Any, str]:
    """Run the step ``ingest``."""
    outputs = [f"{name}={RESULTS}/data/{file}" for name, file in OUTPUTS.items()]
    return run("ingest", {"data": case.data, "tasks": [case.task]}, ["--out", *outputs])


def check(case: Case) -> tuple[Any, str]:
    """Run the step ``check`` on what was ingested."""
    paths = ["--in", f"report={RESULTS}/data/ingest.json", "--out", f"checked={RESULTS}/data/checked.json"]
    return run("check", {"data": case.data, "rejects": f"{RESULTS}/data/rejects.csv"}, paths)


def run(step: str, spec: dict[str, Any], paths: list[str]) -> tuple[Any, str]:
    """Run a step as the workflow does."""
    Path("spec.json").write_text(json.dumps(spec), encoding="utf-8")
    return called([step, "--spec", "@spec.json", "--log", f"{RESULTS}/logs/{step}.log", *paths])


def called(arguments: list[str]) -> tuple[Any, str]:
    """Exit status of the command line and what it said on the terminal; an exception is a status of its own."""
    said = io.StringIO()
    before = listing(Path.cwd(), RESULTS)
    WATCH.folder = os.path.realpath(RESULTS)
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            status: Any = main(arguments)
    except BaseException:
        status = traceback.format_exc()
    finally:
        WATCH.folder = None
        for handler in list(logging.getLogger("alloymtl").handlers):
            logging.getLogger("alloymtl").removeHandler(handler)
            handler.close()
    if listing(Path.cwd(), RESULTS) != before:
        WATCH.seen.append("files beside the results have changed")
    return status, said.getvalue()


def wrong_elsewhere(case: Case) -> list[str]:
    """What is not as it should be when files are looked at that no config describes."""
    status, said = called(["inspect", case.task["sources"][0]["path"] or "raw"])
    if status == 1:
        return wrong_line(said) + wrong_message(said)
    if status != 0:
        return [f"inspect: {str(status)[-1500:]}"]
    try:
        proposed = yaml.safe_load(said)
    except yaml.YAMLError as error:
        return [f"inspect proposes no YAML: {error}"]
    is_proposal = isinstance(proposed, dict) if "No task can be proposed" not in said else proposed is None
    return [] if is_proposal else [f"inspect proposes {said[:300]!r}"]


def wrong_again(case: Case) -> list[str]:
    """Outputs that differ when the step is run once more."""
    before = {file: Path(RESULTS, "data", file).read_bytes() for file in OUTPUTS.values()}
    ingest(case)
    return [f"{file} differs" for file, text in before.items() if Path(RESULTS, "data", file).read_bytes() != text]


def wrong(case: Case, status: Any, said: str) -> list[str]:
    """What is not as it should be after a case."""
    found = [f"written outside the results: {seen}" for seen in WATCH.seen]
    WATCH.seen.clear()
    if status not in (0, 1):
        logs = [log.read_text(encoding="utf-8") for log in Path(RESULTS, "logs").glob("*.log")]
        return [
            *found,
            f"status {str(status)[:10]!r}: {(status if isinstance(status, str) else ''.join(logs))[-1500:]}",
        ]
    found += wrong_line(said)
    if case.ended is not None and status != case.ended:
        found.append(f"ended with {status} and not with {case.ended}: {said[:400]}")
    if status:
        found += wrong_message(said)
        if any(Path(RESULTS, "data", file).exists() for file in OUTPUTS.values()):
            found.append("there are outputs although the step failed")
        return found
    found += wrong_outputs(case)
    status, said = check(case)
    if status not in (0, 1) or (status == 1 and wrong_line(said) + wrong_message(said)) or (status == 0 and said):
        found.append(f"check ended with {status!r:.1500} and said {said[:300]!r}")
    return found


def wrong_line(said: str) -> list[str]:
    """What is not as it should be of what a step says on the terminal: one line, below a warning for each label."""
    found = []
    if said.startswith("warning: ") and not said.splitlines()[-1].startswith("error: "):
        said = said.partition("\n")[2]
    if "Traceback" in said:
        found.append("a traceback is shown")
    if said.count("\n") != 1 or not said.endswith("\n"):
        found.append(f"what is said is not one line: {said[:600]!r}")
    if any(not character.isprintable() for character in said.rstrip("\n")):
        found.append(f"what is said holds control characters: {said[:600]!r}")
    return found


def wrong_message(said: str) -> list[str]:
    """What is not as it should be of a mistake's one line."""
    found = []
    if not said.startswith("error: "):
        found.append(f"the message does not start with 'error: ': {said[:300]!r}")
    if len(said) > LONGEST_MESSAGE:
        found.append(f"the message has {len(said)} characters: {said[:300]!r}...")
    if not re.search(r"\b(raw|other)\b|tasks\.target\b|\bdata\.\w", said.split(": ", 1)[-1]):
        found.append(f"the message names neither a file nor a key: {said[:300]!r}")
    return found


def wrong_outputs(case: Case) -> list[str]:
    """What is not as it should be of the union data set, the rejected rows and the report."""
    found = []
    report = json.loads(Path(RESULTS, "data/ingest.json").read_text(encoding="utf-8"))
    (source,) = report["sources"]
    rows, rejected = source["rows"], source["rejected"]
    with open(f"{RESULTS}/data/rejects.csv", encoding="utf-8", newline="") as stream:
        header, *lines = csv.reader(stream)
    rejects = [dict(zip(REJECT_COLUMNS, line, strict=False)) for line in lines]
    if header != REJECT_COLUMNS or any(len(line) != len(header) for line in lines):
        return [f"rejects.csv is no table: {[line for line in lines if len(line) != len(header)][:2]!r:.500}"]
    if len(rejects) != rejected:
        found.append(f"{len(rejects)} rows in rejects.csv, {rejected} in the report")
    if rows != source["accepted"] + source["merged"] + rejected:
        found.append(f"rows do not add up: {source}")
    if case.rows is not None and rows != case.rows:
        found.append(f"{rows} rows where {case.rows} were written")
    for line in rejects:
        if empty := [key for key in ("file", "row", "task", "rule", "reason", "mend") if not line[key]]:
            found.append(f"a rejected row without {empty}: {line}")
        if risky := [cell for cell in line.values() if cell[:1] in tuple("=+-@\t\r") and not NUMBER.fullmatch(cell)]:
            found.append(f"cells that a spreadsheet would run: {risky!r:.300}")
        if any(len(cell) > 2 * LONGEST_MESSAGE for cell in line.values()):
            found.append("a rejected row that nobody can look at")
    if "twice" not in case.name and len({(line["file"], line["member"], line["row"]) for line in rejects}) < rejected:
        found.append("a row is listed twice in rejects.csv")
    first = case.task["sources"][0].get("header", 1) + 1
    if unjust := [line for line in rejects if int(line["row"]) - first in case.fine]:
        found.append(f"a good row is rejected: {unjust[0]}")
    found += wrong_counts(case, report)
    alloys = pd.read_parquet(f"{RESULTS}/data/alloys.parquet")
    fractions = alloys[[column for column in alloys if column.startswith("c:")]].to_numpy()
    if not np.allclose(fractions.sum(axis=1), 1, rtol=0, atol=1e-9) or (fractions < 0).any():
        found.append("fractions do not sum to one")
    labels = alloys["y:target"]
    if not np.isfinite(labels).all() or len(alloys) != source["accepted"]:
        found.append(
            f"{len(alloys)} alloys, {source['accepted']} accepted, of which {labels.isna().sum()} without label"
        )
    return found


def wrong_counts(case: Case, report: dict[str, Any]) -> list[str]:
    """Plain text files of which Python's own reader finds another number of rows."""
    found = []
    for reading in report["readings"]:
        content = case.files.get(unicodedata.normalize("NFC", reading["file"]))
        if reading["format"] != "delimited" or reading["member"] or content is None or len(reading["separator"]) > 1:
            continue
        encoding = {"utf-8": "utf-8-sig"}.get(reading["encoding"], reading["encoding"])
        text = io.StringIO(content.decode(encoding), newline="")
        for _ in range(reading["skipped"]):
            text.readline()
        counted = sum(1 for _ in csv.reader(text, delimiter=reading["separator"])) - 1
        if counted != reading["rows"]:
            found.append(f"{reading['file']}: {reading['rows']} rows read, {counted} counted")
    return found


def main_of(folder: Path, public: Path | None, count: int, shard: int, of: int) -> dict[str, Any]:
    """Run the cases of a shard (one case for ``of`` zero), and say what was found."""
    special = fuzz_cases.special_cases(public)
    bases = fuzz_cases.bases(public)[0]
    ended: Counter[str] = Counter()
    failures: list[str] = []
    slowest: list[tuple[float, str]] = []
    rows = 0
    before = None
    for number in [shard] if of == 0 else range(shard, count, of):
        if before is None and number >= of:  # the first case imports what all need
            before = peak()
        made = special[number]() if number < len(special) else fuzz_cases.random_case(Random(f"{SEED}-{number}"), bases)
        place = folder / f"case{number}"
        (place / "raw").mkdir(parents=True)
        for name, content in made.files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content)
        os.chdir(place)
        (folder / f"now{shard}").write_text(f"{number}: {made.name}", encoding="utf-8", errors="replace")
        faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
        started = time.monotonic()
        status, said = ingest(made)
        taken = time.monotonic() - started
        slowest = sorted([*slowest, (round(taken, 2), f"{number}: {made.name}")])[-8:]
        ended[str(status)[:9]] += 1
        if of == 0:
            print(made.name, said, json.dumps(made.task), sep="\n")
        wrongs = wrong(made, status, said)
        if number % 6 in (0, 1) or of == 0:
            wrongs += wrong_elsewhere(made)
        if status == 0 and number % 20 == 0:
            wrongs += wrong_again(made)
        faulthandler.cancel_dump_traceback_later()
        failures += [f"case {number} ({made.name}): {what}" for what in dict.fromkeys(wrongs)]
        if status == 0:
            report = json.loads(Path(RESULTS, "data/ingest.json").read_text(encoding="utf-8"))
            rows += report["sources"][0]["rows"]
        os.chdir(folder)
        if of:
            shutil.rmtree(place)
    return {"ended": ended, "failures": failures, "rows": rows, "slowest": slowest, "peak_mib": peak() - (before or 0)}


def peak() -> int:
    """The most memory that this process has held so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    folder, public, count, shard, *rest = sys.argv[1:]
    # Warnings of libraries are shown, as they would be in a step of its own; those for developers are not.
    warnings.simplefilter("always", UserWarning)
    warnings.simplefilter("always", RuntimeWarning)
    csv.field_size_limit(1 << 30)
    # A case that grows beyond all bounds fails, and does not take the machine with it.
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    WATCH = Watch()
    shown = main_of(Path(folder).resolve(), Path(public) if public else None, int(count), int(shard), int(*rest or [0]))
    print(json.dumps(shown))
