"""Numbers of a study's design."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alloymtl.data.features import DESCRIPTORS
from alloymtl.paper.display import PARTITIONS
from alloymtl.paper.latex import Tex, shortest
from alloymtl.paper.material import Material
from alloymtl.paper.numbers.store import Store

CLUSTERED = "clustered"


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
    if study.split["kind"] == CLUSTERED:
        store.count("study.clusters", study.split["clusters"])
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
