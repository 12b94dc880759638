"""A small study on balancing whose every value a test sets: two tasks, a few methods, one split."""

from __future__ import annotations

from itertools import product

import pandas as pd

from alloymtl.files import write_parquet

SEEDS = (1, 2, 3, 4, 5)
TASKS = {"strength": "regression", "glass": "classification"}
EVALUATION = {
    "regression": ["rmse_z"],
    "classification": ["f1"],
    "alpha": 0.05,
    "equivalence_margin": 1.0,
    "threshold": 0.5,
}
PLAIN = {"architecture": "hard", "loss": "mse", "smoothing": "none", "sampler": "uniform", "optimiser": "adam"}
RUN = ["method", "level", "split_seed", "seed"]


def method(balancer="none", options=None, **parts):
    """A method as a study is described to steps."""
    made = {kind: {"name": name, "options": {}} for kind, name in {**PLAIN, **parts}.items()}
    return {"title": balancer, **made, "balancer": {"name": balancer, "options": options or {}}, "training": {}}


METHODS = {
    "single": method(architecture="independent"),
    "plain": method(),
    "search": method("grid_search"),
    "scaled": method("gradient_norm", {"smoothing": 0.0}),
    "smoothed": method("gradient_norm", {"smoothing": 0.9}),
    "slaw": method("slaw"),
}


def experiment(name, methods, levels=("all",), seeds=SEEDS, keep=()):
    """An experiment as a study is described to steps."""
    base = {"name": name, "methods": list(methods), "comparisons": [], "levels": list(levels)}
    return {**base, "split_seeds": [0], "seeds": list(seeds), "keep": list(keep)}


def spec(*experiments, methods=METHODS, **evaluation):
    """A study of these experiments."""
    tasks = [{"name": name, "kind": kind} for name, kind in TASKS.items()]
    return {
        "tasks": tasks,
        "experiments": list(experiments),
        "methods": methods,
        "evaluation": EVALUATION | evaluation,
    }


def metrics(path, value, experiments):
    """Write the table ``metrics``; ``value(method, level, seed, task)`` gives each first metric on the test rows."""
    cells = dict.fromkeys(
        (m, str(level), seed) for e in experiments for m, level, seed in product(e["methods"], e["levels"], e["seeds"])
    )
    rows = [
        {"method": m, "level": level, "split_seed": 0, "seed": seed, "task": task, "partition": "test"}
        | {"metric": EVALUATION[kind][0], "value": float(value(m, level, seed, task))}
        for m, level, seed in cells
        for task, kind in TASKS.items()
    ]
    write_parquet(path, pd.DataFrame(rows))
    return path


def run(step, spec, inputs, outputs, folder):
    """The tables that a step writes, by name."""
    paths = {name: folder / f"made_{name}.parquet" for name in outputs}
    step(spec, inputs, paths)
    return {name: pd.read_parquet(path) for name, path in paths.items()}
