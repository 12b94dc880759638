"""How fast raw tables become features: ``python -m bench.data`` writes results/bench/data.json.

Steps run as the workflow runs them, one process each on one thread. Beside them stands what pandas needs to read the
same file, so that a slow machine is seen to be one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from alloymtl.config import read
from alloymtl.files import write_json
from alloymtl.study import Study
from bench.processes import ONE_THREAD, ROOT
from bench.report import machine

OUT = ROOT / "results" / "bench" / "data.json"
ROWS = 1_000_000
SECONDS, MEMORY_MB, SPLIT_SECONDS = 60.0, 3000.0, 10.0
"""At most so much for a million rows to features, of memory for it, and for the default study from raw to split."""
ELEMENTS = ("Al", "Ti", "Cr", "Fe", "Co", "Ni", "Cu", "Zr", "Mo", "W", "Mn", "Si", "Mg", "Re", "Ta")
OTHERS = 9  # columns that the study has no use for; with the elements and the label 25
PRESENT = 4  # elements of an alloy
BLOCK = 50_000  # rows that are made up at once


@dataclass(frozen=True)
class Step:
    """A process: how long it took, and the most memory that it held."""

    name: str
    seconds: float
    peak_memory_mb: float


def main() -> None:
    """Read the options, measure, report."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.data", description="Time the way from raw tables to features."
    )
    parser.add_argument("--rows", type=int, default=ROWS, help=f"rows of the large table ({ROWS:,})")
    parser.add_argument("--out", type=Path, default=OUT, help="file to write (results/bench/data.json)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        content = {"large": large(options.rows), "default": default(), "machine": machine()}
    write_json(options.out, content)
    print(table(content))
    print(f"written to {options.out}")


def large(rows: int) -> dict[str, Any]:
    """A made-up table of so many rows and 25 columns, from CSV to features, and pandas reading it."""
    tell(f"writing {rows:,} rows")
    write_table(Path("large.csv"), rows)
    source = {"path": "large.csv", "label": "HV", "composition": {"basis": "at.%"}}
    config = {
        "study": "large",
        "data": {"elements": list(ELEMENTS)},
        "tasks": {"hardness": {"kind": "regression", "unit": "HV", "sources": [source]}},
        "methods": {"independent": {"architecture": "independent"}},
        "experiments": {"main": {"methods": ["independent"], "comparisons": []}},
    }
    study = Study.from_config(config)
    done = [ingest(study), features(study)]
    tell("pandas reading the same file")
    pandas = process("pandas.read_csv", [sys.executable, "-c", "import pandas; pandas.read_csv('large.csv')"])
    return {"rows": rows, "bytes": Path("large.csv").stat().st_size, **summed(done), "pandas": asdict(pandas)}


def default() -> dict[str, Any]:
    """The default study from its raw tables to its split."""
    study = Study.from_config(read(ROOT / "config" / "config.yaml"))
    outputs = {task: f"{study.raw}/{task}.csv" for task in study.simulation["rows"]}
    tell("the default study's raw tables")
    step("simulate", dict(study.simulation), {}, {**outputs, "truth": f"{study.raw}/truth.json"})
    tasks = [{"name": task.name, "kind": task.kind} for task in study.tasks]
    spec = {"split": study.split, "tasks": tasks, "seed": study.split_seeds[0]}
    root = study.root
    checked = {"data": study.data, "rejects": f"{root}/rejects.csv"}
    done = [
        ingest(study),
        step("check", checked, {"report": f"{root}/ingest.json"}, {"checked": f"{root}/checked.json"}),
        features(study),
        step("split", spec, {"features": f"{root}/features.parquet"}, {"split": f"{root}/split.parquet"}),
    ]
    return {"rows": sum(study.simulation["rows"].values()), **summed(done)}


def write_table(path: Path, rows: int) -> None:
    """Write a table of distinct alloys: a name, element columns in at.%, a hardness, and columns of no use.

    It is written block by block: the memory of this process counts towards that of its children until they begin.
    """
    rng = np.random.default_rng(0)
    blocks = [range(start, min(start + BLOCK, rows)) for start in range(0, rows, BLOCK)]
    with pa.csv.CSVWriter(path, _block(rng, blocks[0]).schema) as writer:
        for block in blocks:
            writer.write_table(_block(rng, block))


def _block(rng: np.random.Generator, numbers: range) -> pa.Table:
    rows = len(numbers)
    places = np.argsort(rng.random((rows, len(ELEMENTS))), axis=1)[:, :PRESENT]
    shares = np.round(rng.dirichlet(np.full(PRESENT, 2.0), rows) * 10_000)
    shares[:, 0] += 10_000 - shares.sum(axis=1)
    amounts = np.zeros((rows, len(ELEMENTS)))
    np.put_along_axis(amounts, places, shares / 100, axis=1)
    columns = dict(zip(ELEMENTS, amounts.T, strict=True))
    columns |= {f"reading {number}": np.round(rng.random(rows), 4) for number in range(OTHERS - 1)}
    names = pa.array([f"S{number:07d}" for number in numbers])
    return pa.table({"sample": names, **columns, "HV": np.round(rng.gamma(4.0, 120.0, rows), 1)})


def ingest(study: Study) -> Step:
    """The step of that name."""
    spec = {"data": study.data, "tasks": [task.to_ingest_dict() for task in study.tasks]}
    names = {"alloys": "alloys.parquet", "rejects": "rejects.csv", "report": "ingest.json"}
    return step("ingest", spec, {}, {name: f"{study.root}/{file}" for name, file in names.items()})


def features(study: Study) -> Step:
    """The step of that name."""
    spec = {"elements": study.data["elements"], "tasks": [task.name for task in study.tasks]}
    outputs = {"features": f"{study.root}/features.parquet"}
    return step("features", spec, {"alloys": f"{study.root}/alloys.parquet"}, outputs)


def step(name: str, spec: Mapping[str, Any], inputs: Mapping[str, str], outputs: Mapping[str, str]) -> Step:
    """Run a step of the pipeline."""
    tell(name)
    pairs = {"--in": inputs, "--out": outputs}
    given = [word for option, named in pairs.items() for word in (option, *(f"{k}={v}" for k, v in named.items()))]
    return process(name, [sys.executable, "-m", "alloymtl", name, "--spec", json.dumps(spec), *given])


def process(name: str, command: Sequence[str]) -> Step:
    """Run a command on one thread.

    Raises:
        subprocess.CalledProcessError: it failed; its own message is on the terminal.
    """
    paths = {"PYTHONPATH": str(ROOT / "workflow")}
    began = time.perf_counter()
    child = subprocess.Popen(command, env={**os.environ, **ONE_THREAD, **paths}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command[:4])
    return Step(name, round(seconds, 2), round(usage.ru_maxrss / 1024, 1))


def summed(done: Sequence[Step]) -> dict[str, Any]:
    """Seconds of all processes, the most memory of any, and each by itself."""
    return {
        "seconds": round(sum(one.seconds for one in done), 2),
        "peak_memory_mb": max(one.peak_memory_mb for one in done),
        "steps": [asdict(one) for one in done],
    }


def table(content: Mapping[str, Any]) -> str:
    """The report as lines of text."""
    big, small = content["large"], content["default"]
    ratio = big["seconds"] / big["pandas"]["seconds"]
    lines = [
        (f"{big['rows']:,} rows x 25 columns, CSV to features, s", big["seconds"], SECONDS),
        ("  most memory, MB", big["peak_memory_mb"], MEMORY_MB),
        ("  times pandas.read_csv of the same file", round(ratio, 2), None),
        (f"default study, {small['rows']:,} rows, raw to split, s", small["seconds"], SPLIT_SECONDS),
    ]
    width = max(len(title) for title, _, _ in lines)
    return "\n".join(
        f"{title:<{width}} {value:>9.2f} {_target(value, limit)}".rstrip() for title, value, limit in lines
    )


def _target(value: float, limit: float | None) -> str:
    return "" if limit is None else f"<= {limit:g} {'met' if value <= limit else 'missed'}"


def tell(what: str) -> None:
    """Say on the terminal what goes on."""
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
