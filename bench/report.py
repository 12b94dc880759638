"""What was measured: as a table on the terminal, and as a file."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from bench.forms import BOUND_TARGET, HARD, NAIVE, Form
from bench.processes import Process

RUN_SECONDS, START_SECONDS, MEMORY_MB = 45.0, 2.0, 500.0
"""At most so much for a default run of 200 epochs, for the way to its first step, and of memory."""
LIBRARIES = ("numpy", "scipy", "numba", "torch", "torchjd")


def of_forms(forms: Sequence[Form], times: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    """Median time of each form, and the median over rounds of how many times faster than the naive loop it was.

    Args:
        forms: the forms; the naive loop is among them.
        times: of each form by name, microseconds a step in each round in which it took a turn.
    """
    lines = []
    for form in forms:
        ratios = np.asarray(times[NAIVE.name])[:: form.every] / np.asarray(times[form.name])
        low, ratio, high = np.percentile(ratios, [25, 50, 75])
        lines.append(
            {
                "form": form.name,
                "rounds": len(ratios),
                "us_per_step": round(float(np.median(times[form.name])), 1),
                "ratio_to_naive": round(float(ratio), 2),
                "quartiles": [round(float(low), 2), round(float(high), 2)],
                "target": form.target,
                "met": None if form.target is None else bool(ratio >= form.target),
            }
        )
    return lines


def of_bound(
    times: Mapping[str, Sequence[float]], bound: Sequence[float], products: Sequence[float], flop: float
) -> dict:
    """The lower bound, and the median over rounds of how many times as long a step of hard sharing took.

    Args:
        times: of each form by name, microseconds a step in each round.
        bound: likewise of matrix products and Adam.
        products: likewise of the products alone.
        flop: floating-point operations of a step's products.
    """
    found = {
        "us_per_step": round(float(np.median(bound)), 1),
        "products_us": round(float(np.median(products)), 1),
        "products_megaflop": round(flop / 1e6, 2),
    }
    if HARD.name in times:
        ratio = float(np.median(np.asarray(times[HARD.name]) / np.asarray(bound)))
        found |= {"ratio_of_hard": round(ratio, 2), "target": BOUND_TARGET, "met": ratio <= BOUND_TARGET}
    return found


def of_processes(whole: Process, start: Process, epochs: int) -> dict[str, Any]:
    """Times and memory of a whole run.

    Args:
        whole: the run.
        start: the way to its first step.
        epochs: epochs of a default run; of a shorter one the time says nothing about the target.
    """
    found: dict[str, Any] = {name: round(value, 2) for name, value in vars(whole).items()}
    found |= {"start_up_seconds": round(start.seconds, 2)}
    limits = {"start_up_seconds": START_SECONDS, "peak_memory_mb": MEMORY_MB}
    if whole.epochs == epochs:
        limits["seconds"] = RUN_SECONDS
    return {**found, "targets": limits, "met": {name: found[name] <= limit for name, limit in limits.items()}}


def machine() -> dict[str, Any]:
    """The processor, its cores, and the versions of what computes."""
    model = platform.processor() or platform.machine()
    described = Path("/proc/cpuinfo")
    if described.is_file():
        lines = described.read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    pools = [
        {key: pool.get(key) for key in ("internal_api", "version", "architecture", "num_threads")}
        for pool in threadpool_info()
    ]
    versions = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    return {"processor": model, "cores": os.cpu_count(), "versions": versions, "thread_pools": pools}


def table(content: Mapping[str, Any]) -> str:
    """The report as lines of text."""
    rows = [("form", "us/step", "ratio", "target", "")]
    most = max(line["rounds"] for line in content["forms"])
    for line in content["forms"]:
        target = "" if line["target"] is None else f">= {line['target']:g}"
        form = line["form"] if line["rounds"] == most else f"{line['form']} ({line['rounds']} of {most} rounds)"
        rows.append((form, f"{line['us_per_step']:.1f}", f"{line['ratio_to_naive']:.2f}", target, _word(line["met"])))
    bound = content["lower_bound"]
    rows.append(("lower bound: products and Adam", f"{bound['us_per_step']:.1f}", "", "", ""))
    if "target" in bound:
        target = f"<= {bound['target']:g}"
        rows.append(("hard, times the lower bound", "", f"{bound['ratio_of_hard']:.2f}", target, _word(bound["met"])))
    whole = content["whole_run"]
    if whole:
        names = {
            "seconds": f"whole run of {whole['epochs']} epochs, s",
            "start_up_seconds": "start-up to first step, s",
            "peak_memory_mb": "peak memory of the run, MB",
        }
        for key, title in names.items():
            limit = whole["targets"].get(key)
            target = "" if limit is None else f"<= {limit:g}"
            rows.append((title, "", f"{whole[key]:.2f}", target, _word(whole["met"].get(key))))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(row[c].rjust(widths[c]) for c in (1, 2, 3)), row[4]]).rstrip()
        for row in rows
    )


def _word(met: bool | None) -> str:
    return "" if met is None else "met" if met else "missed"
