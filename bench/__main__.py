"""Time all forms in turn, print the table, and write results/bench/engine.json. A slow engine is no error here."""

from __future__ import annotations

import argparse
import gc
import sys
from collections import defaultdict
from pathlib import Path

import scipy.linalg  # noqa: F401 (its BLAS is the one that compiled kernels call, and must be there to be limited)
import torch
from threadpoolctl import threadpool_limits

from alloymtl.files import write_json
from bench import processes, report
from bench.bound import BoundTurn
from bench.forms import FORMS, NAIVE, Form, bound_of, default_run, turn_of
from bench.processes import ROOT
from bench.rows import made_up

OUT = ROOT / "results" / "bench" / "engine.json"
_BOUND, _PRODUCTS = "(bound)", "(products)"  # no form has these names


def main() -> None:
    """Read the options, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Compare the engines' speed.")
    parser.add_argument("--rounds", type=int, default=30, help="how often each form takes its turn (30)")
    parser.add_argument("--quick", action="store_true", help="3 rounds, and a run of 5 epochs: a look, no measurement")
    names = [form.name for form in FORMS]
    parser.add_argument("--forms", nargs="+", choices=names, metavar="FORM", help=f"only these: {'; '.join(names)}")
    parser.add_argument("--out", type=Path, default=OUT, help="file to write (results/bench/engine.json)")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    rounds = 3 if options.quick else options.rounds
    forms = [form for form in FORMS if options.forms is None or form.name in options.forms or form is NAIVE]
    torch.set_num_threads(1)
    with threadpool_limits(limits=1):
        times, bound = take_turns(forms, rounds)
        content = {
            "rounds": rounds,
            "forms": report.of_forms(forms, times),
            "lower_bound": report.of_bound(times, times[_BOUND], times[_PRODUCTS], bound.flop),
            "whole_run": {} if options.forms else whole_run(5 if options.quick else None),
            "machine": report.machine(),
        }
    write_json(options.out, content)
    print(report.table(content))
    print(f"written to {options.out}")


def take_turns(forms: list[Form], rounds: int) -> tuple[dict[str, list[float]], BoundTurn]:
    """Microseconds a step of each form in each round in which it takes a turn, and the lower bound.

    A round holds a turn of each, but for those that are not in every round, so that what slows the machine down for a
    while slows all of them.
    """
    tell("making rows and compiling")
    data = made_up(default_run(NAIVE.method).tasks)
    bound = bound_of(data)
    turns = {form.name: turn_of(form, data) for form in forms}
    turns |= {_BOUND: bound, _PRODUCTS: bound_of(data, products_only=True)}
    every = {form.name: form.every for form in forms}
    for turn in turns.values():
        turn()
    times: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        tell(f"round {number + 1} of {rounds}")
        for name, turn in turns.items():
            if number % every.get(name, 1):
                continue
            gc.collect()  # of what others left behind
            times[name].append(turn())
    return times, bound


def whole_run(epochs: int | None) -> dict[str, object]:
    """A default run of hard sharing by the compiled engine; ``epochs`` makes it a shorter one."""
    run = default_run("hard", engine="compiled")
    every = run.training["max_epochs"]
    tell("filling the cache of compiled kernels")
    processes.warm_up(run)
    tell("the way to the first step")
    start = processes.start_up(run, times=3)
    tell(f"a whole run of {epochs or every} epochs")
    whole = processes.job(default_run("hard", engine="compiled", max_epochs=epochs or every, patience=every))
    return report.of_processes(whole, start, every)


def tell(what: str) -> None:
    """Say on the terminal what goes on."""
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
