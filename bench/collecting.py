"""How fast records become tables: ``python -m bench.collecting`` writes results/bench/collecting.json.

Thousands of made-up runs in the shapes of the default study (``bench.runs``) are collected as the workflow does it, in
a process of its own. Beside it stands what it takes to read the same files and no more, so that a slow machine is seen
to be one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alloymtl.evaluation.manifest import TABLES
from bench.processes import ONE_THREAD, ROOT

OUT = ROOT / "results" / "bench" / "collecting.json"
RUNS, ROUNDS = 10_000, 3
SECONDS, MEMORY_MB = 20.0, 1000.0
"""At most so much for 10,000 runs, of which the experiment ``main`` keeps histories and predictions."""
BLOCK = 1 << 20


def main() -> None:
    """Read the options, make the runs, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m bench.collecting", description="Time the step `collect`.")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"how many ({RUNS:,}, which take 1.8 GB of $TMPDIR)")
    parser.add_argument("--keep", action="store_true", help="collect predictions of all runs, and not of 100")
    parser.add_argument("--out", type=Path, default=OUT, help="file to write (results/bench/collecting.json)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        content = measure(Path(folder), options.runs, keep=options.keep)
    # Only now: the memory of this process counts towards that of its children until they begin.
    from alloymtl.files import write_json
    from bench.report import machine

    write_json(options.out, {**content, "machine": machine()})
    print(table(content))
    print(f"written to {options.out}")


def measure(folder: Path, runs: int, *, keep: bool) -> dict[str, Any]:
    """Make the runs; then collect them, and read their files, in turns.

    Args:
        folder: an empty one.
        runs: about how many.
        keep: whether predictions of all runs are collected.
    """
    tell(f"making {runs:,} runs")
    spec = folder / "spec.json"
    process("bench.runs", str(folder / "runs"), str(spec), str(runs), *(["predictions"] if keep else []))
    outputs = [f"{name}={folder / name}.parquet" for name in TABLES]
    n, size = read_all(folder / "runs")
    seconds, memory, reading = [], [], []
    for number in range(ROUNDS):
        tell(f"round {number + 1} of {ROUNDS}")
        began = time.perf_counter()
        read_all(folder / "runs")
        reading.append(time.perf_counter() - began)
        took, most = process("alloymtl", "collect", "--spec", f"@{spec}", "--out", *outputs)
        seconds.append(took)
        memory.append(most)
    return {
        "runs": n,
        "predictions_kept": "of all runs" if keep else "of the experiment main",
        "bytes": size,
        "seconds": round(statistics.median(seconds), 2),
        "reading_seconds": round(statistics.median(reading), 2),
        "ratio_to_reading": round(statistics.median(s / r for s, r in zip(seconds, reading, strict=True)), 2),
        "peak_memory_mb": round(max(memory), 1),
    }


def read_all(folder: Path) -> tuple[int, int]:
    """Read every file below a folder; how many records and how many bytes there are."""
    records = size = 0
    for place, _, files in os.walk(folder):
        records += "record.json" in files
        for file in files:
            with open(os.path.join(place, file), "rb", buffering=0) as stream:
                while block := stream.read(BLOCK):
                    size += len(block)
    return records, size


def process(module: str, *arguments: str) -> tuple[float, float]:
    """Run a module: seconds that it took, and the most memory that it held, in MB.

    Raises:
        subprocess.CalledProcessError: it failed; its own message is on the terminal.
    """
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT / "workflow"), str(ROOT)])}
    command = [sys.executable, "-m", module, *arguments]
    began = time.perf_counter()
    child = subprocess.Popen(command, env={**os.environ, **ONE_THREAD, **paths}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command[:4])
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def table(content: Mapping[str, Any]) -> str:
    """The report as lines of text."""
    counted = content["runs"] >= RUNS * 0.99 and content["predictions_kept"] != "of all runs"
    lines = [
        (f"{content['runs']:,} runs, {content['bytes'] / 1e9:.1f} GB, to tables, s", content["seconds"], SECONDS),
        ("  most memory, MB", content["peak_memory_mb"], MEMORY_MB),
        ("  times reading the same files", content["ratio_to_reading"], None),
    ]
    width = max(len(title) for title, _, _ in lines)
    return "\n".join(
        f"{title:<{width}} {value:>9.2f} {_target(value, limit if counted else None)}".rstrip()
        for title, value, limit in lines
    )


def _target(value: float, limit: float | None) -> str:
    return "" if limit is None else f"<= {limit:g} {'met' if value <= limit else 'missed'}"


def tell(what: str) -> None:
    """Say on the terminal what goes on."""
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
