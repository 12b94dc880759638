"""Numbers of what more alloys of the largest task do to the others."""

from __future__ import annotations

from typing import Any

from alloymtl.experiment import Experiment
from alloymtl.paper.cells import spread
from alloymtl.paper.display import higher_is_better, metric_decimals
from alloymtl.paper.material import Material
from alloymtl.paper.numbers.store import Store
from alloymtl.paper.numbers.tests import key_of
from alloymtl.paper.spec import LEVELS, ordered
from alloymtl.run import Level
from alloymtl.task import Task
from alloymtl.training.dataset import majority


def levels(material: Material, store: Store) -> None:
    """Scores of each task but the largest by level of the largest, and the tests of each level against the smallest.

    ``levels`` holds, by experiment, one entry for each method and task: smallest, largest and best level, and the
    verdict at each level.
    """
    study = material.study
    store.facts["levels"], store.facts["reduced"] = {}, ""
    experiments = [study.experiments[name] for name in LEVELS if name in study.experiments]
    if not experiments:
        return
    largest = majority(material.split[material.split["split_seed"] == study.main.split_seeds[0]])
    store.facts["reduced"] = largest
    tasks = [task for task in study.tasks if task.name != largest]
    for experiment in experiments:
        sizes = ordered(experiment)
        found = [_task(material, experiment, m, t, sizes, store) for m in experiment.methods for t in tasks]
        if found and len(sizes) > 1:
            store.facts["levels"][experiment.name] = found


def _task(
    material: Material, experiment: Experiment, method: str, task: Task, ordered: list[Level], store: Store
) -> dict[str, Any]:
    metric = material.study.metrics(task)[0]
    values = {level: material.scores.of(experiment, method, level, task, metric) for level in ordered}
    decimals = metric_decimals(metric, [v.mean() for v in values.values()])
    key = key_of("level", experiment.name, method, task.name)
    for level, v in values.items():
        store.spread(f"{key}.{level}", *spread(v), decimals)
    verdicts = {}
    for level in ordered[1:]:
        test = material.level_test(experiment.name, method, level, task, metric)
        store.number(f"{key}.{level}.difference", test["mean_difference"], decimals)
        store.interval(f"{key}.{level}", test["ci_low"], test["ci_high"], decimals)
        store.probability(f"{key}.{level}.p", test["p_holm"])
        verdicts[str(level)] = str(test["verdict"])
    best = (max if higher_is_better(metric) else min)(values, key=lambda level: values[level].mean())
    return {
        "method": method,
        "task": task.name,
        "smallest": str(ordered[0]),
        "largest": str(ordered[-1]),
        "best": str(best),
        "verdicts": verdicts,
        "key": key,
    }
