"""What the size of a study costs before a run begins: ``python -m bench.planning`` writes results/bench/planning.json.

Two times of Snakemake itself. One is the dry run of a made-up study of 10,000 runs. The other is the start of one of
its jobs, which is made twice for every job on Slurm: it must cost no more than in a study of 100 runs. Beside it stands
the start of a workflow of a single rule, below which no workflow gets. Processor time is told too: on a busy machine it
is what can be compared.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from alloymtl.config import read
from bench.processes import ROOT

OUT = ROOT / "results" / "bench" / "planning.json"
LEVELS = (200, 500, 1000, 2000, "all")
METHODS = 10
SEEDS = {"small": 2, "large": 200}
"""Seeds of each method at each level: 100 and 10,000 runs."""
SECONDS, MEMORY_MB, RATIO = 30.0, 2000.0, 1.1
"""At most so much for planning 10,000 runs; and a job's start there, as a multiple of that among 100 runs."""
SPLIT_SEED = 42
ONE_RULE = 'rule one:\n    output: "{level}/{split_seed}/{seed}"\n    shell: "touch {output}"\n'


@dataclass(frozen=True)
class Taken:
    """What a process took: wall-clock and processor seconds, and the most memory that it held."""

    seconds: float
    cpu_seconds: float
    peak_memory_mb: float


def main() -> None:
    """Read the options, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m bench.planning", description="Time Snakemake's planning.")
    parser.add_argument("--rounds", type=int, default=3, help="how often the large study is planned (3)")
    parser.add_argument("--starts", type=int, default=7, help="how often each job is started (7)")
    parser.add_argument("--out", type=Path, default=OUT, help="file to write (results/bench/planning.json)")
    options = parser.parse_args()
    if min(options.rounds, options.starts) < 1:
        parser.error("--rounds, --starts: at least 1")
    with tempfile.TemporaryDirectory() as folder:
        content = measure(Path(folder), options.rounds, options.starts)
    # Only now: the memory of this process counts towards that of its children until they begin.
    from alloymtl.files import write_json

    write_json(options.out, content)
    print(table(content))
    print(f"written to {options.out}")


def measure(folder: Path, rounds: int, starts: int) -> dict[str, Any]:
    """Plan the large study; then start a job of the large, of the small and of a workflow of one rule, in turns.

    Args:
        folder: an empty one.
        rounds: how often the large study is planned.
        starts: how often each job is started.
    """
    configs = {}
    for size, seeds in SEEDS.items():
        configs[size] = folder / f"{size}.yaml"
        configs[size].write_text(yaml.safe_dump(study(size, seeds), sort_keys=False), encoding="utf-8")
    snakefile = folder / "one.smk"
    snakefile.write_text(ONE_RULE, encoding="utf-8")
    runs = {size: METHODS * len(LEVELS) * seeds for size, seeds in SEEDS.items()}
    plans = []
    for number in range(rounds):
        tell(f"planning {runs['large']:,} runs, {number + 1} of {rounds}")
        plans.append(snakemake(folder, ROOT / "Snakefile", "--configfile", configs["large"], "-n", "--", "all"))
    method = next(iter(study("large", 1)["methods"]))
    jobs = {size: job(folder, ROOT / "Snakefile", f"train_{method}", configs[size]) for size in SEEDS}
    jobs["one rule"] = job(folder, snakefile, "one", None)
    taken: dict[str, list[Taken]] = {name: [] for name in jobs}
    for number in range(starts):
        tell(f"starting jobs, {number + 1} of {starts}")
        for name, arguments in jobs.items():
            taken[name].append(snakemake(*arguments))
    return {
        "runs": runs,
        "planning": [asdict(one) for one in plans],
        "job_start": {name: [asdict(one) for one in of] for name, of in taken.items()},
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "snakemake": version("snakemake")},
    }


def study(name: str, seeds: int) -> dict[str, Any]:
    """The config of a study of some methods of the quick one, at each level and with so many seeds.

    Nothing is shipped of it, and it has no controls. Each method is in two experiments, as many of a real study are.
    """
    quick = read(ROOT / "config" / "quick.yaml")
    methods = dict(list(quick["methods"].items())[:METHODS])
    first, *others = methods
    shape = {"methods": list(methods), "levels": list(LEVELS)}
    experiments = {
        "main": {**shape, "comparisons": [[first, other] for other in others]},
        "again": {**shape, "comparisons": []},
    }
    own = {"study": name, "methods": methods, "experiments": experiments, "seeds": list(range(1, seeds + 1))}
    without = {key: quick[key] for key in ("simulation", "tasks", "training")}
    return {**without, **own, "split_seeds": [SPLIT_SEED]}


def job(folder: Path, snakefile: Path, rule: str, config: Path | None) -> list[Any]:
    """Arguments of ``snakemake`` below, as an executor starts a job on a node; it is planned there and not run."""
    wildcards = f"level=all,split_seed={SPLIT_SEED},seed=1"
    given = ["--target-jobs", f"{rule}:{wildcards}", "--allowed-rules", rule, "--mode", "remote", "--force", "--nolock"]
    configs = [] if config is None else ["--configfiles", config]
    return [folder, snakefile, *given, "--ignore-incomplete", "--force-use-threads", *configs, "-n"]


def snakemake(folder: Path, snakefile: Path, *arguments: str | Path) -> Taken:
    """Run Snakemake in a folder.

    Raises:
        subprocess.CalledProcessError: it failed; its own message is on the terminal.
    """
    command = [sys.executable, "-m", "snakemake", "--snakefile", snakefile, "--cores", "1", *arguments]
    return process(list(map(str, command)), folder)


def process(command: Sequence[str], folder: Path) -> Taken:
    """Run a command in a folder; see ``snakemake``."""
    with open(folder / "said", "w+b") as said:
        began = time.perf_counter()
        child = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            print(said.read().decode(errors="replace"), file=sys.stderr)
            raise subprocess.CalledProcessError(child.returncode, command[:4])
    memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    return Taken(round(seconds, 2), round(usage.ru_utime + usage.ru_stime, 2), round(memory, 1))


def table(content: dict[str, Any]) -> str:
    """The report as lines of text: of each time the least, and the spread that others have made of it."""
    plans, starts = content["planning"], content["job_start"]
    large, small, least = (min(one["cpu_seconds"] for one in starts[name]) for name in ("large", "small", "one rule"))
    memory = max(one["peak_memory_mb"] for one in plans)
    n, few = content["runs"]["large"], content["runs"]["small"]
    lines = [
        (f"dry run of {n:,} runs, s", *spread(plans, "seconds"), SECONDS),
        ("  of the processor, s", *spread(plans, "cpu_seconds"), None),
        ("  most memory, MB", memory, memory, MEMORY_MB),
        (f"start of a job among {n:,} runs, s of the processor", *spread(starts["large"], "cpu_seconds"), None),
        (f"  among {few:,} runs", *spread(starts["small"], "cpu_seconds"), None),
        ("  in a workflow of one rule", *spread(starts["one rule"], "cpu_seconds"), None),
        (f"  among {n:,} runs, times that among {few:,}", large / small, large / small, RATIO),
        ("  times that in a workflow of one rule", large / least, large / least, None),
    ]
    width = max(len(title) for title, *_ in lines)
    return "\n".join(
        f"{title:<{width}} {low:>9.2f} {_upto(low, high):<10} {_target(low, limit)}".rstrip()
        for title, low, high, limit in lines
    )


def spread(taken: Sequence[dict[str, float]], what: str) -> tuple[float, float]:
    """The least and the most of some times."""
    return min(one[what] for one in taken), max(one[what] for one in taken)


def _upto(low: float, high: float) -> str:
    return f"to {high:.2f}" if high > low else ""


def _target(value: float, limit: float | None) -> str:
    return "" if limit is None else f"<= {limit:g} {'met' if value <= limit else 'missed'}"


def tell(what: str) -> None:
    """Say on the terminal what goes on."""
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
