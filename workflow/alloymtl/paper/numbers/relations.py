"""Numbers of learned relations: how strong they are, what moves them, and whether they find what was planted."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from alloymtl.paper.cells import spread
from alloymtl.paper.latex import Tex, decimals_for, fixed
from alloymtl.paper.material import Material
from alloymtl.paper.numbers.store import Store
from alloymtl.paper.numbers.tests import key_of, sign
from alloymtl.paper.samples import interval
from alloymtl.paper.spec import shown_level

EXPERIMENT = "relations"
SMALLEST = 1e-4  # a strength below this is set as a power of ten


def relations(material: Material, store: Store) -> None:
    """Learned relations between different tasks: mean over all of them, range over runs, and the strongest one."""
    study = material.study
    store.facts["related"] = {}
    for method in material.related:
        values = {
            (receiver.name, source.name): material.relation(method, receiver, source)
            for receiver in study.tasks
            for source in study.tasks
            if receiver is not source
        }
        if not values:
            continue
        means = {pair: v.mean() for pair, v in values.items()}
        every = np.concatenate(list(values.values()))
        strongest, weakest = max(means, key=means.get), min(means, key=means.get)
        spread_of = [spread(v)[1] for v in values.values()]
        strengths = {
            "mean": every.mean(),
            "smallest": every.min(),
            "largest": every.max(),
            "strongest": means[strongest],
            "weakest": means[weakest],
            "sd": max(spread_of),
        }
        _add(store, f"relation.{method.name}", strengths, means.values())
        store.count(f"relation.{method.name}.pairs", len(values))
        store.facts["related"][method.name] = {
            "strongest": list(strongest),
            "weakest": list(weakest),
            "noisy": bool(max(spread_of) >= means[strongest] - means[weakest]),
        }


def variants(material: Material, store: Store) -> None:
    """Mean strength under each variant of penalty and weight decay, and whether settings move it more than tasks do.

    ``variants`` names the methods from the weakest mean to the strongest. ``settings_rule`` says whether the ratio of
    the strongest mean to the weakest is larger than that of the strongest relation to the weakest of any one method.
    """
    study = material.study
    store.facts["variants"], store.facts["settings_rule"] = [], False
    experiment = study.experiments.get(EXPERIMENT)
    if experiment is None or len(study.tasks) < 2:
        return
    level = shown_level(experiment)
    different = ~np.eye(len(study.tasks), dtype=bool)
    of_method = {
        method: material.strengths(experiment, method, level)[:, different]
        for method in experiment.methods
        if method in material.learners
    }
    if len(of_method) < 2:
        return
    means = {method: float(values.mean()) for method, values in of_method.items()}
    for method, values in of_method.items():
        runs = values.mean(axis=1)
        strengths = {"mean": means[method], "smallest": runs.min(), "largest": runs.max()}
        _add(store, f"variant.{method}", strengths, [means[method]])
    order = sorted(means, key=means.get)
    store.facts["variants"] = order
    across = _ratio(means[order[-1]], means[order[0]])
    within = max(_ratio(v.mean(axis=0).max(), v.mean(axis=0).min()) for v in of_method.values())
    store.facts["settings_rule"] = bool(across > within)
    for name, ratio in (("across", across), ("within", within)):
        if math.isfinite(ratio):
            decimals = 1 if ratio < 10 else 0
            text = Tex(rf"\num{{{ratio:.1e}}}") if ratio >= 1e4 else fixed(ratio, decimals)
            store.add(f"variant.{name}", ratio, text)


def _ratio(large: float, small: float) -> float:
    return float(large / small) if small > 0 else math.inf


def clusters(material: Material, store: Store) -> None:
    """Mean strength within and between clusters that share a function, their difference, and where its interval lies.

    ``clusters`` has an entry for each method of the main comparison that learned relations, where the study has
    clusters with both kinds of pairs.
    """
    study = material.study
    store.facts["clusters"] = []
    cluster = [study.clusters.get(task.name) for task in study.tasks]
    same = np.array([[a == b for b in cluster] for a in cluster])
    different = ~np.eye(len(study.tasks), dtype=bool)
    if not study.clusters or not (different & same).any() or same.all():
        return
    store.count("cluster.number", len(set(cluster)))
    for method in material.related:
        strengths = material.strengths(study.main, method.name, study.level)
        runs: dict[str, NDArray[np.float64]] = {
            "within": strengths[:, different & same].mean(axis=1),
            "between": strengths[:, different & ~same].mean(axis=1),
        }
        shown = interval(runs["within"] - runs["between"], study.main, study.evaluation["alpha"])
        if not math.isfinite(shown["ci_low"]):
            continue
        key = key_of("cluster", method.name)
        numbers = {"within": runs["within"].mean(), "between": runs["between"].mean()}
        numbers |= {"difference": shown["value"], "low": shown["ci_low"], "high": shown["ci_high"]}
        _add(store, key, numbers, [numbers["within"], numbers["between"]])
        where = sign(shown["ci_low"], shown["ci_high"])
        store.facts["clusters"].append({"method": method.name, "sign": where, "key": key})


def _add(store: Store, key: str, strengths: dict[str, float], sizes: Iterable[float]) -> None:
    """Name some strengths, with decimals that suit ``sizes``."""
    sizes = list(sizes)
    decimals = max(3, decimals_for(sizes, 2, most=6))
    tiny = 0 < min(sizes) < SMALLEST
    for name, value in strengths.items():
        value = float(value)
        text = Tex(rf"\num{{{value:.1e}}}") if tiny and value != 0 else fixed(value, decimals)
        store.add(f"{key}.{name}", value, text)
