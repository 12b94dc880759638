"""A study small enough to be trained again and again, and how it is built: here, or as jobs of a Slurm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import checkout
from alloymtl.config import read

STUDY = {
    "study": "small",
    "simulation": {"rows": {"resistivity": 400, "hardness": 120, "amorphous": 130}, "pool": "bulk"},
    "tasks": {
        "resistivity": {"kind": "regression", "unit": "uohm_cm", "minimum": 0},
        "hardness": {"kind": "regression", "unit": "GPa", "minimum": 0},
        "amorphous": {"kind": "classification"},
    },
    "methods": {"hard": {"architecture": "hard"}, "structured": {"architecture": "structured"}},
    "training": {"max_epochs": 12, "patience": 12, "hidden": [16]},
    "experiments": {
        "main": {"methods": ["hard", "structured"], "comparisons": [["hard", "structured"]], "seeds": [1, 2]}
    },
}
RUNS = tuple(f"{method}/level-all/split-42/seed-{seed}" for method in ("hard", "structured") for seed in (1, 2))
METRICS = "results/small/metrics.parquet"


def _quick() -> dict[str, Any]:
    """The quick study, cut to the first four of its methods and one experiment."""
    config = read(checkout.REPOSITORY / "config" / "quick.yaml")
    methods = dict(list(config["methods"].items())[:4])
    kept = {key: config[key] for key in ("simulation", "tasks", "seeds", "training")}
    main = {"methods": list(methods), "comparisons": []}
    return {
        "study": "small",
        **kept,
        "methods": methods,
        "experiments": {"main": main},
    }


QUICK = _quick()
QUICK_RUNS = len(QUICK["methods"]) * len(QUICK["seeds"])
SLOW = 0.5
"""Seconds more for each of the twelve epochs: a run then lasts long enough to be hit in the middle."""


@dataclass(frozen=True)
class Builder:
    """How Snakemake is called: the words between the config and the targets."""

    name: str
    words: tuple[str, ...]

    def command(self, *more: str, retries: int = 2, target: str = METRICS) -> list[str]:
        """The arguments of Snakemake."""
        return ["--configfile", "small.yaml", *self.words, "--retries", str(retries), *more, "--", target]


LOCAL = Builder("local", ("--cores", "2", "--keep-going"))
# As on a cluster, but that nobody waits half a minute for a one-node queue.
SLURM = Builder(
    "slurm", ("--profile", "slurm", "--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "10")
)


class Project:
    """A checkout with the small study in it, its data made and nothing trained."""

    def __init__(self, folder: Path, builder: Builder) -> None:
        self.folder, self.builder = folder, builder
        self.log = folder / "snakemake.txt"

    def slow(self, seconds: float = SLOW) -> None:
        """From now on each epoch takes so much longer."""
        (self.folder / "pace").write_text(str(seconds))

    def quick(self) -> None:
        """From now on epochs take their time and no more."""
        (self.folder / "pace").unlink(missing_ok=True)

    def start(self, retries: int = 2) -> subprocess.Popen[bytes]:
        """Start to build the metrics."""
        checkpoints = {"ALLOYMTL_CHECKPOINT_SECONDS": "0.5"}
        return checkout.start(self.folder, self.log, *self.builder.command(retries=retries), **checkpoints)

    def build(self, *more: str, **how: Any) -> tuple[int, str]:
        """Build the metrics, or another target; exit status, and all that was said."""
        process = checkout.run(self.folder, *self.builder.command(*more, **how))
        return process.returncode, process.stdout + process.stderr

    def said(self) -> str:
        """What the Snakemake that was started has said so far."""
        return self.log.read_text(errors="replace")

    def run(self, run: str) -> Path:
        """Folder of a run."""
        return self.folder / "results/small/runs" / run

    def records(self) -> dict[str, bytes]:
        """The records that there are, by run."""
        paths = {run: self.run(run) / "record.json" for run in RUNS}
        return {run: path.read_bytes() for run, path in paths.items() if path.exists()}

    def start_until(self, *runs: str, seconds: float = SLOW) -> subprocess.Popen[bytes]:
        """Start to build the metrics, slowly, until some runs are in the middle at once."""
        self.slow(seconds)
        building = self.start()
        try:
            until(lambda: all(map(self.in_the_middle, runs)), 240, f"{', '.join(runs)} are being trained", building)
        except AssertionError as vain:
            raise AssertionError(f"{vain}\n{self.said()}") from None
        return building

    def in_the_middle(self, run: str) -> bool:
        """Whether a run is being trained and has a checkpoint."""
        return bool(list(self.run(run).glob("*.checkpoint.npz"))) and not (self.run(run) / "record.json").exists()

    def processes(self, run: str) -> list[int]:
        """The training processes of a run."""
        found = []
        for entry in os.listdir("/proc"):
            with suppress(OSError):
                words = Path("/proc", entry, "cmdline").read_bytes().decode(errors="replace").split("\0")
                here = os.path.realpath(f"/proc/{entry}/cwd") == os.path.realpath(self.folder)
                if here and words[1:4] == ["-m", "alloymtl", "train"] and any(f"{run}/record.json" in w for w in words):
                    found.append(int(entry))
        return found

    def metrics(self) -> bytes:
        """The metrics, as their file holds them."""
        return (self.folder / METRICS).read_bytes()

    def results(self) -> dict[str, bytes]:
        """All that must be the same whatever has happened: the metrics, and every table of each run."""
        root = self.folder / "results/small"
        files = [self.folder / METRICS, *(path for run in RUNS for path in self.run(run).glob("*.parquet"))]
        return {str(path.relative_to(root)): path.read_bytes() for path in files}

    def leftovers(self) -> list[str]:
        """Files in the folders of runs that a finished one does not have."""
        known = {"record.json", ".record.json", "predictions.parquet", "history.parquet", "relations.parquet"}
        return [str(path) for run in RUNS for path in self.run(run).iterdir() if path.name not in known]

    def epochs_resumed(self, run: str) -> bool:
        """Whether the last process of a run went on from a checkpoint, as its log has it."""
        method, level, split, seed = run.split("/")
        log = self.folder / f"results/small/logs/train/{method}/{level}-{split}-{seed}.log"
        return "resumes after epoch" in log.read_text()

    def seconds(self, run: str) -> float:
        """How long a finished run was trained, as its record has it."""
        return float(json.loads((self.run(run) / "record.json").read_text())["seconds"])


def lay_out(folder: Path, builder: Builder, study: Mapping[str, Any]) -> Project:
    """The project's files, a study and the faults' entrance."""
    folder.mkdir(exist_ok=True)
    checkout.lay_out(folder)
    (folder / "small.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    (folder / "workflow/sitecustomize.py").write_text(Path(__file__).with_name("fault_injection.py").read_text())
    return Project(folder, builder)


def until(condition, seconds: float, what: str, building: subprocess.Popen[bytes] | None = None) -> None:
    """Wait for something to come true; a test that waits in vain, or for a build that has ended, fails."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        assert building is None or building.poll() is None, f"the build has ended before {what}"
        time.sleep(0.05)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill Snakemake as a crash does: at once, and nothing of its children with it."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def finish(process: subprocess.Popen[bytes], project: Project, seconds: float = 300) -> str:
    """Wait for a good end; what was said."""
    try:
        status = process.wait(seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert status == 0, project.said()
    return project.said()
