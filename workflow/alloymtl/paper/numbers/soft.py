"""Numbers of soft sharing: how alike the backbones become, and what happens to the largest errors."""

from __future__ import annotations

import math
from typing import Any

from alloymtl.paper.latex import Tex
from alloymtl.paper.material import Material
from alloymtl.paper.numbers.store import Store
from alloymtl.paper.numbers.tests import count_signs, key_of
from alloymtl.paper.spec import shown_level

EXPERIMENT = "soft"
ARCHITECTURE, COUPLING = "soft", "coupling"
MEASURES = ("weight_cosine", "cka")
MAXIMUM = "max_error_z"


def soft_methods(material: Material) -> list[str]:
    """Methods of the experiment that give each task its own backbone, from the weakest coupling to the strongest."""
    study = material.study
    experiment = study.experiments.get(EXPERIMENT)
    methods = [study.methods[m] for m in (experiment.methods if experiment else ())]
    soft = [m for m in methods if m.architecture == ARCHITECTURE]
    return [m.name for m in sorted(soft, key=lambda m: m.parts["architecture"].options.get(COUPLING, 0.0))]


def similarities(material: Material, store: Store) -> None:
    """Similarity of two backbones under the weakest and the strongest coupling: mean over pairs of tasks and runs."""
    soft = soft_methods(material)
    store.facts["soft"] = soft
    store.facts["similar"] = []
    if not soft or len(material.study.tasks) < 2:
        return
    table = material.similarity
    level = str(shown_level(material.study.experiments[EXPERIMENT]))
    for method in soft:
        for measure in MEASURES:
            mine = table[(table["method"] == method) & (table["level"] == level) & (table["measure"] == measure)]
            value = float(mine["value"].mean())
            if math.isfinite(value):
                store.add(key_of("similarity", method, measure), value, Tex(_near_one(value)))
                store.facts["similar"].append([method, measure])


def _near_one(value: float) -> str:
    """A similarity with three decimals, or as many more as it takes to tell it from 1."""
    decimals = 3
    while value < 1 and float(f"{value:.{decimals}f}") == 1 and decimals < 6:
        decimals += 1
    return f"{value:.{decimals}f}".replace("-", r"\ensuremath{-}")


def tails(material: Material, store: Store) -> None:
    """Changes of the largest errors against the baseline, and where their bootstrap intervals lie.

    ``tails`` lists every method of the experiment, task and metric; ``above`` zero is a larger error. ``maxima`` names,
    for each task, the method with the smallest largest error among those with a baseline.
    """
    study = material.study
    store.facts["tails"], store.facts["maxima"] = [], []
    experiment = study.experiments.get(EXPERIMENT)
    if experiment is None or not study.of_kind("regression"):
        return
    table = material.tails
    table = table[table["level"] == str(shown_level(experiment))]
    for method in soft_methods(material):
        for row in table[table["method"] == method].itertuples():
            key = key_of("tail", method, row.task, row.metric)
            for name, value in {"value": row.value, "difference": row.difference}.items():
                store.number(f"{key}.{name}", value, 3)
            store.interval(key, row.diff_low, row.diff_high, 3)
            side = "above" if row.diff_low > 0 else "below" if row.diff_high < 0 else "around"
            named = {"method": method, "task": row.task, "metric": row.metric, "value": row.value}
            named["baseline"] = row.baseline
            store.facts["tails"].append({**named, "sign": side, "key": key})
    count_signs(store, "tail", store.facts["tails"])
    for task in study.of_kind("regression"):
        mine: list[dict[str, Any]] = [
            t for t in store.facts["tails"] if t["task"] == task.name and t["metric"] == MAXIMUM
        ]
        if mine:
            store.facts["maxima"].append(min(mine, key=lambda t: t["value"]))
