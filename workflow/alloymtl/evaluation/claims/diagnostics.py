"""Rules on diagnostics: learned relations, gradients, backbones, large errors, joint gains of remedies."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, permutations

import numpy as np

from alloymtl.evaluation.claims.decide import Estimate, by_size, inside, mean_estimate
from alloymtl.evaluation.claims.evidence import Evidence, NotTestable
from alloymtl.evaluation.claims.rules import Finding, Rule, finding, kind, label_of, sign_of, size_of

MEAN = ("mean", "ci_low", "ci_high")


@kind("experiment method within", "level tasks")
def strength(evidence: Evidence, rule: Rule, size_margin: float) -> list[Finding]:
    """The learned relation of every ordered pair of different tasks lies within two bounds, in the mean over runs."""
    experiment = evidence.experiment(rule["experiment"])
    tasks = rule.get("tasks", list(evidence.kinds))
    evidence.known(experiment, [rule["method"]], tasks)
    level, found = str(evidence.level(experiment, rule.get("level"))), []
    for source, receiver in permutations(tasks, 2):
        where = {"method": rule["method"], "level": level, "task": receiver, "source": source}
        values = evidence.per_run("relations", experiment, where, "strength")
        estimate = mean_estimate(values, 1 - evidence.alpha)
        verdict, reason = inside(estimate.low, estimate.high, tuple(rule["within"]))
        label = f"strength of {source} -> {receiver}"
        found.append(finding(verdict, label, estimate, reason, False, signed=False))
    if not found:
        raise NotTestable("a single task has no relation")
    return found


@kind("experiment method within", "level pairs measure")
def cosine(evidence: Evidence, rule: Rule, size_margin: float) -> list[Finding]:
    """The mean cosine between the gradients of two tasks lies within two bounds.

    ``pairs`` lists pairs of tasks, every pair if left out; ``measure`` is ``minibatch`` (what is seen during training),
    ``large`` or ``corrected`` (without the noise of batches). If another measure than the claimed one is there, the
    reason gives it: the noise of small batches pulls a cosine towards zero.
    """
    experiment = evidence.experiment(rule["experiment"])
    pairs = rule.get("pairs", list(combinations(evidence.kinds, 2)))
    evidence.known(experiment, [rule["method"]], [task for pair in pairs for task in pair])
    level, found = str(evidence.level(experiment, rule.get("level"))), []
    measure = rule.get("measure", "minibatch")
    order = list(evidence.kinds)
    for pair in pairs:
        first, second = sorted(pair, key=order.index)
        where = {"method": rule["method"], "level": level, "first": first, "second": second}
        row = evidence.row("conflict", {**where, "measure": measure}, MEAN, complete=False)
        estimate = Estimate(row["mean"], row["ci_low"], row["ci_high"], np.nan, 0)
        verdict, reason = inside(estimate.low, estimate.high, tuple(rule["within"]))
        if measure != "corrected":
            reason += _corrected(evidence, where)
        label = f"{measure} cosine of {first} and {second}"
        found.append(finding(verdict, label, estimate, reason, False))
    if not found:
        raise NotTestable("a single task has no pair")
    return found


def _corrected(evidence: Evidence, where: Mapping[str, str]) -> str:
    try:
        row = evidence.row("conflict", {**where, "measure": "corrected"}, MEAN, complete=False)
    except NotTestable:
        return ""
    return f" (without the noise of batches {row['mean']:+.3f} [{row['ci_low']:.3f}, {row['ci_high']:.3f}])"


@kind("experiment method within", "level measure")
def similarity(evidence: Evidence, rule: Rule, size_margin: float) -> list[Finding]:
    """The likeness of the tasks' backbones, the mean over pairs of tasks, lies within two bounds."""
    experiment = evidence.experiment(rule["experiment"])
    evidence.known(experiment, [rule["method"]])
    level = str(evidence.level(experiment, rule.get("level")))
    measure = rule.get("measure", "weight_cosine")
    where = {"method": rule["method"], "level": level, "measure": measure}
    estimate = mean_estimate(evidence.per_run("similarity", experiment, where, "value"), 1 - evidence.alpha)
    verdict, reason = inside(estimate.low, estimate.high, tuple(rule["within"]))
    return [finding(verdict, f"{measure} of {rule['method']}", estimate, reason, False, signed=False)]


@kind("experiment method baseline task metric direction", "level relative size rounding matched printed")
def tail(evidence: Evidence, rule: Rule, size_margin: float) -> list[Finding]:
    """Method against baseline on a metric of large errors, with the bootstrap interval over test alloys."""
    experiment = evidence.experiment(rule["experiment"])
    evidence.known(experiment, [rule["method"], rule["baseline"]], [rule["task"]])
    if evidence.kinds[rule["task"]] != "regression":
        raise NotTestable(f"{rule['task']!r} is no regression task here")
    level = str(evidence.level(experiment, rule.get("level")))
    where = {"method": rule["method"], "level": level, "task": rule["task"], "metric": rule["metric"]}
    relative = bool(rule.get("relative"))
    columns = ("ratio", "ratio_low", "ratio_high") if relative else ("difference", "diff_low", "diff_high")
    row = evidence.row("tails", where, columns)
    if "baseline" in row and row["baseline"] != rule["baseline"]:
        raise NotTestable(f"large errors of {rule['method']!r} are compared with those of {row['baseline']!r}")
    numbers = [100 * (row[name] - 1) if relative else row[name] for name in columns]
    estimate = Estimate(*numbers, np.nan, 0)
    verdict, reason = by_size(estimate.low, estimate.high, sign_of(rule), size_of(rule, size_margin))
    return [finding(verdict, label_of(rule), estimate, f"{reason} (over test alloys)", relative)]


@kind("experiment first second both task metric direction", "level")
def synergy(evidence: Evidence, rule: Rule, size_margin: float) -> list[Finding]:
    """What two remedies together gain beyond the sum of their single gains has the claimed sign."""
    experiment = evidence.experiment(rule["experiment"])
    evidence.known(experiment, [rule["first"], rule["second"], rule["both"]], [rule["task"]])
    where = {key: rule[key] for key in ("both", "experiment", "first", "second", "task", "metric")}
    table = evidence.table("synergy", [*where, "value", "ci_low", "ci_high"])
    if "level" in table:
        where["level"] = str(evidence.level(experiment, rule.get("level")))
    row = evidence.row("synergy", where, ("value", "ci_low", "ci_high"))
    estimate = Estimate(row["value"], row["ci_low"], row["ci_high"], np.nan, 0)
    verdict, reason = by_size(estimate.low, estimate.high, sign_of(rule), None)
    label = f"synergy of {rule['first']} and {rule['second']}, {rule['metric']} of {rule['task']}"
    return [finding(verdict, label, estimate, reason, False)]
