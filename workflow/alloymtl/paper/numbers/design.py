"""Numbers of a study's design and of its data."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from alloymtl.data.features import DESCRIPTORS
from alloymtl.evaluation.audit.arithmetic import presence
from alloymtl.paper.display import PARTITIONS
from alloymtl.paper.latex import Tex, fixed, shortest
from alloymtl.paper.material import Material
from alloymtl.paper.numbers.store import Store
from alloymtl.paper.spec import PaperStudy

ALMOST_ALL = 0.99  # a share above this is not rounded to all


def settings(material: Material, store: Store) -> None:
    """The study's design: counts of tasks, methods and runs, split, significance, training, options of parts."""
    study = material.study
    cells = {cell for experiment in study.experiments.values() for cell in experiment.cells()}
    for key, number in {
        "tasks": len(study.tasks),
        "methods": len(study.main.methods),
        "methods_all": len({cell[0] for cell in cells}),
        "runs_each": len(study.main.replicates()),
        "runs": len(set(study.main.cells())),
        "runs_all": len(cells),
        "experiments": len(study.experiments),
        "seeds": len(study.main.seeds),
        "splits": len(study.main.split_seeds),
        "levels": len(study.main.levels),
        "elements": len(study.data["elements"]),
        "descriptors": len(DESCRIPTORS),
        "features": len(study.data["elements"]) + len(DESCRIPTORS),
        "decimals": study.data["decimals"],
        "strata": study.split["strata"],
    }.items():
        store.count(f"study.{key}", number)
    for number, seed in enumerate(study.main.seeds):
        store.add(f"seed.{number}", seed, Tex(seed))
    for number, seed in enumerate(study.main.split_seeds):
        store.add(f"split_seed.{number}", seed, Tex(seed))
    for experiment in study.experiments.values():
        store.count(f"experiment.{experiment.name}.runs_each", len(experiment.replicates()))
    held_out = study.split["validation"] + study.split["test"]
    for part, share in {**study.split, "train": 1 - held_out}.items():
        if part in PARTITIONS:
            store.percent(f"split.{part}", share)
    for level in dict.fromkeys(level for e in study.experiments.values() for level in e.levels if level != "all"):
        store.count(f"level.{level}", int(level))
    tolerance = study.data["composition_tolerance"]
    store.add("study.tolerance", tolerance, shortest(round(100 * tolerance, 6)))
    alpha = study.evaluation["alpha"]
    store.add("test.alpha", alpha, shortest(alpha))
    store.percent("test.confidence", 1 - alpha)
    store.add("study.threshold", study.evaluation["threshold"], shortest(study.evaluation["threshold"]))
    if study.simulation is not None:
        store.add("simulation.seed", study.simulation["seed"], Tex(study.simulation["seed"]))
    _options(store, "gradients", study.diagnostics.get("gradients", {}))
    for method in study.methods.values():
        _options(store, f"training.{method.name}", method.training)
        for kind, part in method.parts.items():
            _options(store, f"method.{method.name}.{kind}", part.options)
    first = study.main_methods[0].training
    store.facts["training_differs"] = {
        m.name: sorted(k for k, v in m.training.items() if v != first.get(k)) for m in study.methods.values()
    }


def _options(store: Store, prefix: str, options: Mapping[str, Any]) -> None:
    """Numeric options by name; those of a list by name and place."""
    for option, value in options.items():
        listed = isinstance(value, list)
        for key, number in {f"{option}.{n}": v for n, v in enumerate(value)}.items() if listed else [(option, value)]:
            if isinstance(number, (int, float)) and not isinstance(number, bool):
                store.add(f"{prefix}.{key}", number, shortest(number))


def data(material: Material, store: Store) -> None:
    """What ingestion read, merged and rejected; labels and members of class 1 of each task; how often batches hold it.

    ``scarce`` names the tasks that a uniform batch may well lack.
    """
    study, ingest = material.study, material.ingest
    for key in ("rows", "accepted", "merged", "rejected"):
        total = sum(source[key] for source in ingest["sources"])
        store.count(f"data.{key}", total)
        store.facts[key] = total
    store.count("data.alloys", ingest["alloys"])
    labels = {task.name: ingest["labels"][task.name] for task in study.tasks}
    most = max(labels.values())
    store.number("data.imbalance", most / min(labels.values()), 1)
    for task, n in labels.items():
        store.count(f"task.{task}.alloys", n)
        store.add(f"task.{task}.weight", most / n, fixed(most / n, 1))
    for task, classes in ingest["classes"].items():
        store.count(f"task.{task}.positive", classes["1"])
    store.facts["largest"], store.facts["smallest"] = max(labels, key=labels.get), min(labels, key=labels.get)
    reasons = sorted(ingest["reasons"].items(), key=lambda item: (-item[1], item[0]))
    store.facts["reasons"] = [reason for reason, n in reasons if n]
    for number, (_, n) in enumerate((r, n) for r, n in reasons if n):
        store.count(f"data.reason.{number}", n)
    _overlaps(study, ingest, store)
    _presence(material, store)


def _overlaps(study: PaperStudy, ingest: Mapping[str, Any], store: Store) -> None:
    shared = []
    for a, b in combinations([t.name for t in study.tasks], 2):
        n = ingest["overlap"].get(f"{a}|{b}", ingest["overlap"].get(f"{b}|{a}", 0))
        store.count(f"overlap.{a}.{b}", n)
        either = ingest["labels"][a] + ingest["labels"][b] - n
        store.add(f"overlap.{a}.{b}.share", n / either, Tex(rf"{100 * n / either:.2g}\,\%"))
        if n:
            shared.append([a, b, n])
    shared.sort(key=lambda pair: -pair[2])
    store.facts["overlaps"] = [pair[:2] for pair in shared]


def _presence(material: Material, store: Store) -> None:
    """How probable it is that a uniform batch holds a training row of a task, mean over splits, in whole per cent."""
    study = material.study
    size = study.main_methods[0].training["batch_size"]
    train = material.split[material.split["partition"] == "train"]
    store.facts["scarce"] = []
    for task in study.tasks:
        shares = []
        for seed in study.main.split_seeds:
            rows = train[train["split_seed"] == seed]
            total = rows["alloy"].nunique()
            shares.append(presence(int((rows["task"] == task.name).sum()), total, min(size, total)))
        share = float(np.mean(shares))
        text = rf"more than {100 * ALMOST_ALL:.0f}\,\%" if ALMOST_ALL < share < 1 else rf"{100 * share:.0f}\,\%"
        store.add(f"task.{task.name}.present", share, Tex(text))
        if share < ALMOST_ALL:
            store.facts["scarce"].append(task.name)
