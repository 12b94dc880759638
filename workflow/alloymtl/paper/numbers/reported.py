"""Numbers of the reported paper: its tables beside ours, the verdicts on its claims, and the checks of its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alloymtl.paper.display import higher_is_better
from alloymtl.paper.latex import Tex
from alloymtl.paper.material import Material
from alloymtl.paper.numbers.store import Store
from alloymtl.paper.numbers.tests import key_of
from alloymtl.paper.reported import Printed, printed
from alloymtl.paper.spec import shown_level

MAIN, LEVELS, MITIGATION, SMOOTHING, TAILS = 2, 5, 6, 7, 9  # tables of the reported paper
OF_EXPERIMENT = {"main": MAIN, "mitigation": MITIGATION, "fds": SMOOTHING, "soft": 8}
CLAIMS = {"confirmed": "confirmed", "contradicted": "contradicted", "undecided": "undecided"}
NOT_TESTABLE, RED_FLAG = "not testable here", "red flag"


def tables(material: Material, store: Store) -> None:
    """Reported means and SDs by experiment, method, task and metric, in the names of this study.

    ``reported_gain`` is the test of the largest reported gain of a remedy, ``reported_levels`` the reported best level
    of each task, ``reported_equal`` experiments and methods whose reported scores agree in every digit.
    """
    study = material.study
    store.facts |= {
        "reported": {name: [] for name in OF_EXPERIMENT},
        "reported_gain": None,
        "reported_levels": {},
        "reported_equal": [],
    }
    if material.reported is None:
        return
    for name, table in OF_EXPERIMENT.items():
        if name in study.experiments:
            store.facts["reported"][name] = [
                [method, task, metric] for method, task, metric in _of_experiment(material, name, table, store)
            ]
    _largest_gain(material, store)
    _best_levels(material, store)
    _equal(material, store)


def _of_experiment(material: Material, name: str, table: int, store: Store) -> Iterator[tuple[str, str, str]]:
    study = material.study
    experiment = study.experiments[name]
    for method in experiment.methods:
        for task in study.tasks:
            for metric in study.metrics(task):
                cell = material.reported.of(table, task.name, metric, method=method, level=shown_level(experiment))
                if cell.mean:
                    _add(store, key_of("reported", name, method, task.name, metric), cell)
                    yield method, task.name, metric


def _add(store: Store, key: str, cell: Printed) -> None:
    store.add(f"{key}.mean", float(cell.mean), printed(cell.mean))
    if cell.std:
        store.add(f"{key}.sd", float(cell.std), printed(cell.std))


def _largest_gain(material: Material, store: Store) -> None:
    """The largest reported change of a remedy against the baseline that this study tests it against too."""
    study = material.study
    best: dict[str, Any] | None = None
    for test in store.facts["tests"].get("mitigation", []):
        level = shown_level(study.experiments["mitigation"])
        cell = material.reported.of(MITIGATION, test["task"], test["metric"], method=test["method"], level=level)
        if cell.delta and cell.baseline == test["baseline"] and (best is None or float(cell.delta) > best["value"]):
            best = {"value": float(cell.delta), "text": cell.delta, "test": test["key"]}
    if best is not None:
        store.add("reported.gain", best["value"], Tex(rf"{printed(best['text'])}\,\%"))
        store.facts["reported_gain"] = best["test"]


def _best_levels(material: Material, store: Store) -> None:
    """The level at which the reported mean of a task is best, where levels of this study were reported."""
    for found in store.facts["levels"].get("imbalance", []):
        task = next(t for t in material.study.tasks if t.name == found["task"])
        metric = material.study.metrics(task)[0]
        levels = [found["smallest"], *found["verdicts"]]
        cells = {
            level: material.reported.of(LEVELS, task.name, metric, method=found["method"], level=level)
            for level in levels
        }
        cells = {level: cell for level, cell in cells.items() if cell.mean}
        if len(cells) < len(levels):
            continue
        for level, cell in cells.items():
            _add(store, key_of("reported.level", found["method"], task.name, level), cell)
        best = (max if higher_is_better(metric) else min)(cells, key=lambda level: cells[level].value)
        store.facts["reported_levels"][task.name] = str(best)


def _equal(material: Material, store: Store) -> None:
    """Groups of methods with the same reported means on every task, to the last printed digit."""
    study = material.study
    for name, table in (("mitigation", MITIGATION), ("fds", SMOOTHING)):
        experiment = study.experiments.get(name)
        if experiment is None:
            continue
        level = shown_level(experiment)
        cells = {
            method: [
                material.reported.of(table, t.name, study.metrics(t)[0], method=method, level=level).mean
                for t in study.tasks
            ]
            for method in experiment.methods
        }
        known = [n for n in range(len(study.tasks)) if any(row[n] for row in cells.values())]
        rows = {method: tuple(row[n] for n in known) for method, row in cells.items() if known}
        alike: dict[tuple[str, ...], list[str]] = {}
        for method, row in rows.items():
            if all(row):
                alike.setdefault(row, []).append(method)
        store.facts["reported_equal"] += [[name, *methods] for methods in alike.values() if len(methods) > 1]


def verdicts(material: Material, store: Store) -> None:
    """How many claims of the reported paper each verdict fell on, and how many findings of the audit are of which kind.

    ``audit`` holds them by whose numbers were checked, ``reported`` or the study's ``own``; ``flags`` names the checks
    that raised a red flag on the reported ones.
    """
    store.facts |= {"claims": {}, "audit": {}, "flags": []}
    if material.reported is None:
        return
    fell = list(material.claims["verdict"])
    store.count("claims.all", len(fell))
    for verdict in dict.fromkeys([*CLAIMS, NOT_TESTABLE, *fell]):
        n = fell.count(verdict)
        store.count(f"claims.{verdict.replace(' ', '_')}", n)
        store.facts["claims"][verdict] = n
    own = material.audit["where"].map(lambda where: where.startswith("study ") or "/level-" in where)
    flagged = material.audit[~own & (material.audit["verdict"] == RED_FLAG)]
    store.facts["flags"] = list(dict.fromkeys(flagged["check"]))
    for whose, mine in (("reported", material.audit[~own]), ("own", material.audit[own])):
        counts = mine["verdict"].value_counts()
        for number, (verdict, n) in enumerate(counts.items()):
            store.count(key_of("audit", whose, number), n)
            store.facts["audit"].setdefault(whose, {})[verdict] = int(n)
