"""Numbers of scores, of paired tests and of what two remedies gain together, experiment by experiment.

Experiments other than the main one are told by each task's first metric, and at the level that their figures show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from alloymtl.evaluation.audit.arithmetic import detectable_effect
from alloymtl.experiment import Experiment
from alloymtl.paper.cells import spread
from alloymtl.paper.display import higher_is_better, metric_decimals
from alloymtl.paper.material import Material
from alloymtl.paper.numbers.store import Store
from alloymtl.paper.spec import shown_level
from alloymtl.task import Task

POWER = 0.8  # at which a test is said to find an effect
VERDICTS = ("better", "worse", "not shown", "identical")
SIGNS = ("above", "below", "around")
TRANSFER = "transfer"


def key_of(*parts: object) -> str:
    """Parts of a number's name, joined."""
    return ".".join(str(part) for part in parts)


def tasks_of(material: Material, experiment: Experiment) -> tuple[Task, ...]:
    """Tasks that an experiment says something of: all, but in a transfer those that are not its source."""
    tasks = material.study.tasks
    if experiment.name != TRANSFER:
        return tasks
    source = max(tasks, key=lambda task: material.ingest["labels"][task.name])
    return tuple(task for task in tasks if task is not source)


def scores(material: Material, store: Store) -> None:
    """Mean and SD over runs, and who is best on each task's first metric; of the main comparison every metric."""
    study = material.study
    store.facts["ranking"] = {}
    for experiment in study.experiments.values():
        ranking = store.facts["ranking"].setdefault(experiment.name, {})
        level = shown_level(experiment)
        for task in tasks_of(material, experiment):
            metrics = study.metrics(task)
            for metric in metrics if experiment is study.main else metrics[:1]:
                values = {m: material.scores.of(experiment, m, level, task, metric) for m in experiment.methods}
                decimals = metric_decimals(metric, [v.mean() for v in values.values()])
                for name, v in values.items():
                    store.spread(key_of("score", experiment.name, name, task.name, metric), *spread(v), decimals)
                if metric == metrics[0]:
                    order = sorted(values, key=lambda n: values[n].mean(), reverse=higher_is_better(metric))
                    ranking[task.name] = order


def tests(material: Material, store: Store) -> None:
    """Every test on the first metric of each task, and how often each verdict fell.

    ``tests`` holds them by experiment; ``gain_low`` and ``gain_high`` are their intervals turned so that a gain is
    positive. Tallies are named by experiment, baseline and method, as far as these are given.
    """
    store.facts["tests"], store.facts["tally"] = {}, {}
    store.percent("test.power", POWER)
    for experiment in material.study.experiments.values():
        found = list(_tests(material, experiment, store))
        store.facts["tests"][experiment.name] = found
        for scope, members in _scopes(experiment, found):
            _tally(store, scope, [t["verdict"] for t in members])
        _families(material, experiment, store)
    study = material.study
    leading = [t for t in store.facts["tests"][study.main.name] if t["baseline"] == study.baseline]
    for kind in ("regression", "classification"):
        _tally(store, f"kind.{kind}", [t["verdict"] for t in leading if t["kind"] == kind])
    further = list(_further(material))
    store.facts["further"] = further
    _tally(store, "further", [t["verdict"] for t in further])


def _tests(material: Material, experiment: Experiment, store: Store) -> Iterator[dict[str, Any]]:
    study, level = material.study, shown_level(experiment)
    for baseline, method in experiment.comparisons:
        for task in tasks_of(material, experiment):
            metric = study.metrics(task)[0]
            test = material.test(experiment.name, level, (baseline, method), task, metric)
            key = key_of("test", experiment.name, baseline, method, task.name)
            decimals = metric_decimals(metric, [test["mean_difference"]])
            store.number(f"{key}.difference", test["mean_difference"], decimals)
            store.interval(key, test["ci_low"], test["ci_high"], decimals)
            store.probability(f"{key}.p", test["p_holm"])
            ends = sorted(sign_of(metric) * float(test[end]) for end in ("ci_low", "ci_high"))
            named = {"experiment": experiment.name, "baseline": baseline, "method": method, "task": task.name}
            named |= {"kind": task.kind, "metric": metric, "verdict": str(test["verdict"]), "key": key}
            yield {**named, "gain_low": ends[0], "gain_high": ends[1]}


def sign_of(metric: str) -> int:
    """+1 where a larger value is better, else -1."""
    return 1 if higher_is_better(metric) else -1


def _scopes(experiment: Experiment, found: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Name and members of each group of tests that the text counts."""
    yield experiment.name, found
    for baseline in dict.fromkeys(t["baseline"] for t in found):
        of_baseline = [t for t in found if t["baseline"] == baseline]
        yield key_of(experiment.name, baseline), of_baseline
        for method in dict.fromkeys(t["method"] for t in of_baseline):
            yield key_of(experiment.name, baseline, method), [t for t in of_baseline if t["method"] == method]


def _tally(store: Store, scope: str, fell: Iterable[str]) -> None:
    fell = list(fell)
    counts = {"all": len(fell), **{verdict: fell.count(verdict) for verdict in VERDICTS}}
    store.facts["tally"][scope] = counts
    for verdict, n in counts.items():
        store.count(f"tally.{scope}+{verdict.replace(' ', '_')}", n)


def _families(material: Material, experiment: Experiment, store: Store) -> None:
    """Number of pairs behind a test, and of the tests that a correction covers."""
    table = material.comparisons
    level = str(shown_level(experiment))
    mine = table[(table["experiment"] == experiment.name) & (table["level"] == level)]
    if len(mine):
        pairs = int(mine["n_pairs"].iloc[0])
        store.count(f"test.{experiment.name}.pairs", pairs)
        effect = detectable_effect(pairs, material.study.evaluation["alpha"], POWER)
        store.number(f"test.{experiment.name}.detectable", effect, 1)
    for name, family in (("primary", mine[mine["primary"]]), ("secondary", mine[~mine["primary"]])):
        store.count(f"test.{experiment.name}.{name}", int(family["family"].max()) if len(family) else 0)


def _further(material: Material) -> Iterator[dict[str, Any]]:
    """Tests of the main comparison against its first baseline on the metrics that do not lead."""
    study = material.study
    for pair in study.main.comparisons:
        for task in study.tasks:
            for metric in study.metrics(task)[1:] if pair[0] == study.baseline else ():
                verdict = material.test(study.main.name, study.level, pair, task, metric)["verdict"]
                yield {"method": pair[1], "task": task.name, "metric": metric, "verdict": str(verdict)}


def synergies(material: Material, store: Store) -> None:
    """What pairs of remedies gain beyond the sum of their gains, on first metrics; its sign where the interval has one.

    ``above`` zero is more than the sum. Values are turned so that more is better.
    """
    study = material.study
    store.facts["synergies"] = []
    experiment = study.experiments.get("mitigation")
    if experiment is None:
        return
    table = material.synergy
    mine = table[table["experiment"] == experiment.name]
    if "level" in mine:
        mine = mine[mine["level"] == str(shown_level(experiment))]
    for task in study.tasks:
        metric = study.metrics(task)[0]
        for row in mine[(mine["task"] == task.name) & (mine["metric"] == metric)].itertuples():
            key = key_of("synergy", row.both, task.name)
            low, high = sorted(sign_of(metric) * end for end in (row.ci_low, row.ci_high))
            decimals = metric_decimals(metric, [row.value])
            store.number(f"{key}.value", sign_of(metric) * row.value, decimals)
            store.interval(key, low, high, decimals)
            named = {"first": row.first, "second": row.second, "method": row.both, "task": task.name}
            store.facts["synergies"].append({**named, "sign": sign(low, high), "key": key})
    count_signs(store, "synergy", store.facts["synergies"])


def sign(low: float, high: float) -> str:
    """Where an interval lies: ``above`` zero, ``below`` it, or ``around`` it."""
    return "above" if low > 0 else "below" if high < 0 else "around"


def count_signs(store: Store, scope: str, found: Iterable[dict[str, Any]]) -> None:
    """Name how many intervals there are (``<scope>+all``) and how many lie on each side of zero."""
    found = list(found)
    store.count(f"{scope}+all", len(found))
    for side in SIGNS:
        store.count(f"{scope}+{side}", sum(f["sign"] == side for f in found))
