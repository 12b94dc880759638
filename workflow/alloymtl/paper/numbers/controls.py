"""Numbers of the controls that tell an effect from its causes: loss weights, projection of gradients, another split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alloymtl.evaluation.samples import units
from alloymtl.evaluation.statistics import paired_t
from alloymtl.experiment import MAIN, Experiment
from alloymtl.paper.display import metric_decimals
from alloymtl.paper.material import Material
from alloymtl.paper.numbers.store import Store
from alloymtl.paper.numbers.tests import key_of, sign, sign_of
from alloymtl.paper.spec import MethodView, shown_level
from alloymtl.paper.wording.outcomes import OPEN, REDUCED, REMAINS, REMOVED
from alloymtl.task import Task

WEIGHTING = "weighting"
PROJECTION = "pcgrad_controls"
GROUPED = "grouped"
MIN_PAIRS = 2


def weights(material: Material, store: Store) -> None:
    """Is the loss of the joint network one of its loss weights? What other weights leave of it, task by task.

    The joint network is the first method of the experiment that the main comparison sets against its baseline. A loss
    is a task on which it is worse there, in the family of tests that the study is judged by; where the main comparison
    does not test the pair, on which it is worse in this experiment (``judged`` names the one that decides). For each
    loss and each variant of the joint network (``weights.cases``):

    - ``removed``: its interval against the baseline does not lie on the side of a loss, and that against the joint
      network lies on the side of a gain;
    - ``reduced``: the first lies on the side of a loss, the second on that of a gain;
    - ``remains``: the first lies on the side of a loss, the second not on that of a gain;
    - ``open``: neither.

    All are paired t-intervals that are not corrected for their number.
    """
    study = material.study
    store.facts["weights"] = None
    experiment = study.experiments.get(WEIGHTING)
    if experiment is None or not experiment.comparisons:
        return
    baseline = experiment.comparisons[0][0]
    found = {(t["baseline"], t["method"], t["task"]): t for t in store.facts["tests"][WEIGHTING]}
    tested = [method for first, method in experiment.comparisons if first == baseline]
    joint = next((m for m in study.main.methods if m in tested), tested[0])
    variants = [study.methods[m] for m in tested if m != joint]
    of_main = {(t["baseline"], t["method"], t["task"]): t for t in store.facts["tests"].get(MAIN, [])}
    judged = MAIN if all((baseline, joint, task.name) in of_main for task in study.tasks) else WEIGHTING
    tests = of_main if judged == MAIN else found
    lost = [task for task in study.tasks if tests[baseline, joint, task.name]["verdict"] == "worse"]
    cases = [
        _case(material, experiment, joint, variant, task, found[baseline, variant.name, task.name], store)
        for variant in variants
        for task in lost
    ]
    equal = next((m.name for m in variants if _only_equal(study.methods[joint], m)), None)
    store.facts["weights"] = {
        "baseline": baseline,
        "joint": joint,
        "judged": judged,
        "equal": equal,
        "lost": [task.name for task in lost],
        "cases": cases,
    }


def _only_equal(joint: MethodView, other: MethodView) -> bool:
    """Whether a method is the joint network with equal weights and no other change."""
    same = all(joint.parts[kind] == other.parts[kind] for kind in joint.parts if kind != "balancer")
    return same and joint.training == other.training and equal_weights(other) and not equal_weights(joint)


def equal_weights(method: MethodView) -> bool:
    """Whether all tasks of a method have the same loss weight."""
    return method.balancer == "none" or (
        method.balancer == "inverse_size" and method.parts["balancer"].options.get("power") == 0
    )


def _case(
    material: Material,
    experiment: Experiment,
    joint: str,
    variant: MethodView,
    task: Task,
    test: Mapping[str, Any],
    store: Store,
) -> dict[str, Any]:
    metric, level = material.study.metrics(task)[0], shown_level(experiment)
    runs = [
        units(material.scores.of(experiment, m, level, task, metric), experiment.replicates())
        for m in (variant.name, joint)
    ]
    named = {"method": variant.name, "task": task.name, "metric": metric, "test": test["key"]}
    worse = test["gain_high"] < 0
    if len(runs[0]) < MIN_PAIRS:
        return {**named, "outcome": REMAINS if worse else OPEN, "key": ""}
    t = paired_t(*runs, 1 - material.study.evaluation["alpha"])
    key = key_of("weights", variant.name, task.name)
    decimals = metric_decimals(metric, [t.mean_difference])
    store.number(f"{key}.difference", t.mean_difference, decimals)
    store.interval(key, t.ci_low, t.ci_high, decimals)
    low, high = sorted(sign_of(metric) * end for end in (t.ci_low, t.ci_high))
    gains = sign(low, high) == "above"
    outcome = (REDUCED if gains else REMAINS) if worse else (REMOVED if gains else OPEN)
    return {**named, "outcome": outcome, "key": key}


def projection(material: Material, store: Store) -> None:
    """What part each control of gradient projection plays, read from its options (``projection``).

    ``full`` is the method itself; others by the option in which they depart from it. ``equal`` has equal weights and no
    projection at all.
    """
    store.facts["projection"] = {}
    experiment = material.study.experiments.get(PROJECTION)
    if experiment is None:
        return
    methods = [material.study.methods[m] for m in experiment.methods]
    roles: dict[str, str] = {}
    for method in methods:
        options = method.parts["balancer"].options
        if method.balancer != "pcgrad":
            role = "equal" if equal_weights(method) else ""
        elif options.get("projection", "on") != "on":
            role = str(options["projection"])
        elif options.get("reduction", "sum") != "sum":
            role = str(options["reduction"])
        else:
            role = "raw" if options.get("power", 1) == 0 else "full"
        if role:
            roles.setdefault(role, method.name)
    store.facts["projection"] = roles


def splits(material: Material, store: Store) -> None:
    """Scores of the main comparison on the other split beside those of the study's own, and verdicts that differ.

    ``splits`` lists tests that both have, with both verdicts.
    """
    store.facts["splits"] = []
    control = store.facts["controls"].get(GROUPED)
    if control is None:
        return
    ours = {(t["baseline"], t["method"], t["task"]): t for t in store.facts["tests"][material.study.main.name]}
    theirs = control["tests"].get(material.study.main.name, [])
    store.facts["splits"] = [
        {"baseline": t["baseline"], "method": t["method"], "task": t["task"], "grouped": t["verdict"]}
        | {"verdict": ours[key]["verdict"]}
        for t in theirs
        if (key := (t["baseline"], t["method"], t["task"])) in ours
    ]
