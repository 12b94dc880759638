"""Step ``numbers``: every number that the paper's text says, by name, and the facts that decide its wording."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from alloymtl.data.features import DESCRIPTORS
from alloymtl.paper.cells import spread
from alloymtl.paper.display import PARTITIONS, higher_is_better, metric_decimals
from alloymtl.paper.latex import Tex, count, decimals_for, fixed, p_value, shortest
from alloymtl.paper.material import Material
from alloymtl.paper.spec import PaperStudy
from alloymtl.paper.store import Store


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write ``numbers`` (LaTeX) and ``numbers_json`` (the same, with facts).

    Raises:
        UserError: a cell of the matrix or a test is missing, or a number is NaN.
    """
    material = Material(PaperStudy.from_spec(spec), inputs)
    store = Store()
    for collect in COLLECTORS:
        collect(material, store)
    mark = "% Simulated data.\n" if material.study.simulated else ""
    header = f"% Numbers of study {material.study.name}. Made by `alloymtl numbers`.\n{mark}"
    store.write(outputs["numbers"], outputs["numbers_json"], header)


def settings(material: Material, store: Store) -> None:
    """The study's design: counts of tasks, methods and runs, split, significance, training, options of parts."""
    study = material.study
    for key, number in {
        "tasks": len(study.tasks),
        "methods": len(study.main.methods),
        "runs_each": len(study.main.replicates()),
        "runs": len(study.main.methods) * len(study.main.levels) * len(study.main.replicates()),
        "seeds": len(study.main.seeds),
        "splits": len(study.main.split_seeds),
        "elements": len(study.data["elements"]),
        "descriptors": len(DESCRIPTORS),
        "features": len(study.data["elements"]) + len(DESCRIPTORS),
        "decimals": study.data["decimals"],
        "strata": study.split["strata"],
    }.items():
        store.add(f"study.{key}", number, count(number))
    for number, seed in enumerate(study.main.seeds):
        store.add(f"seed.{number}", seed, Tex(seed))
    for number, seed in enumerate(study.main.split_seeds):
        store.add(f"split_seed.{number}", seed, Tex(seed))
    held_out = study.split["validation"] + study.split["test"]
    for part, share in {**study.split, "train": 1 - held_out}.items():
        if part in PARTITIONS:
            store.add(f"split.{part}", share, _percent(share))
    tolerance = study.data["composition_tolerance"]
    for place, level in enumerate(study.main.levels):
        if level != "all":
            store.add(f"level.{place}", int(level), count(int(level)))
    store.add("study.levels", len(study.main.levels), count(len(study.main.levels)))
    store.add("study.tolerance", tolerance, shortest(round(100 * tolerance, 6)))
    alpha = study.evaluation["alpha"]
    store.add("test.alpha", alpha, shortest(alpha))
    store.add("test.confidence", 1 - alpha, _percent(1 - alpha))
    store.add("study.threshold", study.evaluation["threshold"], shortest(study.evaluation["threshold"]))
    if study.simulation is not None:
        store.add("simulation.seed", study.simulation["seed"], Tex(study.simulation["seed"]))
    for method in study.main_methods:
        _options(store, f"training.{method.name}", method.training)
        for kind, part in method.parts.items():
            _options(store, f"method.{method.name}.{kind}", part.options)
    first = study.main_methods[0].training
    store.facts["training_differs"] = {
        m.name: sorted(k for k, v in m.training.items() if v != first.get(k)) for m in study.main_methods
    }


def _options(store: Store, prefix: str, options: Mapping[str, Any]) -> None:
    """Numeric options by name; those of a list by name and place."""
    for option, value in options.items():
        listed = isinstance(value, list)
        for key, number in {f"{option}.{n}": v for n, v in enumerate(value)}.items() if listed else [(option, value)]:
            if isinstance(number, (int, float)) and not isinstance(number, bool):
                store.add(f"{prefix}.{key}", number, shortest(number))


def data(material: Material, store: Store) -> None:
    """What ingestion read, merged and rejected, and how many labels and members of class 1 each task has."""
    study, ingest = material.study, material.ingest
    names = ("rows", "accepted", "merged", "rejected")
    for key in names:
        total = sum(source[key] for source in ingest["sources"])
        store.add(f"data.{key}", total, count(total))
    store.add("data.alloys", ingest["alloys"], count(ingest["alloys"]))
    labels = {task.name: ingest["labels"][task.name] for task in study.tasks}
    most = max(labels.values())
    store.add("data.imbalance", most / min(labels.values()), fixed(most / min(labels.values()), 1))
    for task, n in labels.items():
        store.add(f"task.{task}.alloys", n, count(n))
        store.add(f"task.{task}.weight", most / n, fixed(most / n, 1))
    for task, classes in ingest["classes"].items():
        store.add(f"task.{task}.positive", classes["1"], count(classes["1"]))
    store.facts["largest"], store.facts["smallest"] = max(labels, key=labels.get), min(labels, key=labels.get)
    reasons = sorted(ingest["reasons"].items(), key=lambda item: (-item[1], item[0]))
    store.facts["reasons"] = [reason for reason, n in reasons if n]
    for number, (_, n) in enumerate((r, n) for r, n in reasons if n):
        store.add(f"data.reason.{number}", n, count(n))
    store.facts["merged"] = sum(source["merged"] for source in ingest["sources"])
    store.facts["rejected"] = sum(source["rejected"] for source in ingest["sources"])
    _overlaps(study, ingest["overlap"], store)


def _overlaps(study: PaperStudy, overlap: Mapping[str, int], store: Store) -> None:
    shared = []
    for a, b in combinations([t.name for t in study.tasks], 2):
        n = overlap.get(f"{a}|{b}", overlap.get(f"{b}|{a}", 0))
        store.add(f"overlap.{a}.{b}", n, count(n))
        if n:
            shared.append([a, b, n])
    shared.sort(key=lambda pair: -pair[2])
    store.facts["overlaps"] = [pair[:2] for pair in shared]


def scores(material: Material, store: Store) -> None:
    """Mean and SD over runs of every metric of the main comparison, and who is best on each task's first metric."""
    study = material.study
    store.facts["ranking"] = {}
    for task in study.tasks:
        for metric in study.metrics(task):
            values = {
                m.name: material.scores.of(study.main, m.name, study.level, task, metric) for m in study.main_methods
            }
            decimals = metric_decimals(metric, [v.mean() for v in values.values()])
            for name, v in values.items():
                _spread(store, f"score.{task.name}.{metric}.{name}", v, decimals)
            if metric == study.metrics(task)[0]:
                order = sorted(values, key=lambda n: values[n].mean(), reverse=higher_is_better(metric))
                store.facts["ranking"][task.name] = order


def _spread(store: Store, key: str, values: np.ndarray, decimals: int) -> None:
    mean, sd = spread(values)
    store.add(f"{key}.mean", mean, fixed(mean, decimals))
    store.add(f"{key}.sd", sd, fixed(sd, decimals))


def tests(material: Material, store: Store) -> None:
    """Every test of the main comparison on the first metric of each task, and how often each verdict fell."""
    study = material.study
    store.facts["tests"] = []
    for pair in study.main.comparisons:
        for task in study.tasks:
            metric = study.metrics(task)[0]
            found = material.test(study.main.name, study.level, pair, task, metric)
            key = f"test.{pair[0]}.{pair[1]}.{task.name}"
            decimals = metric_decimals(metric, [found["mean_difference"]])
            for name, column in {"difference": "mean_difference", "low": "ci_low", "high": "ci_high"}.items():
                store.add(f"{key}.{name}", float(found[column]), fixed(found[column], decimals))
            store.add(
                f"{key}.size", abs(float(found["mean_difference"])), fixed(abs(found["mean_difference"]), decimals)
            )
            store.add(f"{key}.p", float(found["p_holm"]), _p_relation(found["p_holm"]))
            store.facts["tests"].append(
                {"baseline": pair[0], "method": pair[1], "task": task.name, "kind": task.kind, "metric": metric}
                | {"verdict": found["verdict"], "key": key}
            )
    _tally(material, store)
    main = material.comparisons[material.comparisons["experiment"] == study.main.name]
    if len(main):
        store.add("test.pairs", int(main["n_pairs"].iloc[0]), count(int(main["n_pairs"].iloc[0])))
    for name, family in (("primary", main[main["primary"]]), ("secondary", main[~main["primary"]])):
        size = int(family["family"].max()) if len(family) else 0
        store.add(f"test.{name}", size, count(size))


def _tally(material: Material, store: Store) -> None:
    """How many tests against the first baseline fell which way.

    On the leading metric in all (``all``) and by kind of task, and on the other metrics (``further``).
    """
    study = material.study
    leading = [t for t in store.facts["tests"] if t["baseline"] == study.baseline]
    verdicts = {"all": [t["verdict"] for t in leading]}
    verdicts |= {k: [t["verdict"] for t in leading if t["kind"] == k] for k in ("regression", "classification")}
    store.facts["further"] = [
        {
            "method": pair[1],
            "task": task.name,
            "metric": metric,
            "verdict": material.test(study.main.name, study.level, pair, task, metric)["verdict"],
        }
        for pair in study.main.comparisons
        for task in study.tasks
        for metric in study.metrics(task)[1:]
        if pair[0] == study.baseline
    ]
    verdicts["further"] = [t["verdict"] for t in store.facts["further"]]
    store.facts["tally"] = {}
    for kind, fell in verdicts.items():
        counts = {"all": len(fell), **{verdict: fell.count(verdict) for verdict in VERDICTS}}
        store.facts["tally"][kind] = counts
        for verdict, n in counts.items():
            store.add(f"tally.{kind}.{verdict.replace(' ', '_')}", n, count(n))


VERDICTS = ("better", "worse", "not shown", "identical")


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
        decimals = max(3, decimals_for(means.values(), 2, most=6))
        every = np.concatenate(list(values.values()))
        strongest = max(means, key=means.get)
        weakest = min(means, key=means.get)
        for name, number in {
            "mean": every.mean(),
            "smallest": every.min(),
            "largest": every.max(),
            "strongest": means[strongest],
            "weakest": means[weakest],
        }.items():
            store.add(f"relation.{method.name}.{name}", float(number), fixed(number, decimals))
        spread_of = [spread(v)[1] for v in values.values()]
        store.add(f"relation.{method.name}.sd", max(spread_of), fixed(max(spread_of), decimals))
        store.add(f"relation.{method.name}.pairs", len(values), count(len(values)))
        store.facts["related"][method.name] = {
            "strongest": list(strongest),
            "weakest": list(weakest),
            "noisy": bool(max(spread_of) >= means[strongest] - means[weakest]),
        }


def _percent(share: float) -> Tex:
    return Tex(rf"{shortest(round(100 * share, 6))}\,\%")


def _p_relation(value: float) -> Tex:
    r"""A p-value with its sign of relation, for use in ``$p\val{...}$``: ``<0.001`` or ``=0.02``."""
    text = p_value(value)
    return text if "<" in text else Tex(f"={text}")


COLLECTORS: tuple[Callable[[Material, Store], None], ...] = (settings, data, scores, tests, relations)
