"""Rules on scores: differences of methods and levels over paired runs, and means over runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from alloymtl.evaluation.claims.decide import (
    NOT_TESTABLE,
    UNDECIDED,
    Estimate,
    by_size,
    inside,
    mean_estimate,
    relative_change,
    without_difference,
)
from alloymtl.evaluation.claims.evidence import Cell, Evidence, NotTestable
from alloymtl.evaluation.claims.rules import Finding, Rule, finding, kind, label_of, sign_of, size_of
from alloymtl.evaluation.metrics import HIGHER_IS_BETTER
from alloymtl.evaluation.statistics import holm


@kind(
    "experiment method task metric direction",
    "baseline baseline_experiment level baseline_level relative size rounding matched alpha printed",
)
def change(evidence: Evidence, rule: Rule, size_margin: float) -> list[Finding]:
    """Method minus baseline on a score, paired by run, with a claimed direction and, if given, a claimed size.

    ``baseline`` is the method itself if left out, for a change between two levels. With ``relative`` the change and the
    size are percentages of the baseline's mean (``decide.relative_change``). ``alpha`` is the level of significance
    that is claimed and sets the coverage of the interval. ``matched``: see ``decide.Size``. ``printed`` holds the
    reported scores of baseline and method, for the audit.
    """
    found = []
    for method, task, metric in _combinations(rule):
        try:
            found.append(_change(evidence, {**rule, "method": method, "task": task, "metric": metric}, size_margin))
        except NotTestable as reason:
            label = label_of({"method": method, "task": task, "metric": metric})
            found.append(Finding(NOT_TESTABLE, label, reason=str(reason)))
    return found


def _change(evidence: Evidence, rule: Rule, size_margin: float) -> Finding:
    ours, theirs = _pair(rule)
    x, b = evidence.samples([ours, theirs])
    alpha = rule.get("alpha", evidence.alpha)
    label = label_of(rule)
    estimate = relative_change(x, b, 1 - alpha) if rule.get("relative") else mean_estimate(x - b, 1 - alpha)
    if estimate is None:
        reason = "the baseline's interval reaches zero, so that a percentage of it means nothing"
        return Finding(UNDECIDED, label, f"{b.mean():.3f} to {x.mean():.3f}", reason=reason)
    verdict, reason = by_size(estimate.low, estimate.high, sign_of(rule), size_of(rule, size_margin))
    if alpha != evidence.alpha:
        reason += f", at {1 - alpha:.0%} coverage"
    pair = f" ({b.mean():.3f} to {x.mean():.3f})"
    return finding(verdict, label, estimate, reason, bool(rule.get("relative")), pair)


@kind("experiment method task metric margin", "baseline baseline_experiment level baseline_level side alpha printed")
def no_difference(evidence: Evidence, rule: Rule, size_margin: float) -> list[Finding]:
    """Method and baseline score the same: the paired interval lies within ``margin`` of zero.

    A difference that may be larger and is significant after Holm's correction over all parts contradicts the claim too
    (``decide.without_difference``). ``side: better`` bounds improvements alone, for a claim of no improvement.
    """
    cells = [{**rule, "method": m, "task": t, "metric": n} for m, t, n in _combinations(rule)]
    alpha = rule.get("alpha", evidence.alpha)
    estimates: list[tuple[Rule, Estimate | str]] = []
    for cell in cells:
        try:
            x, b = evidence.samples(list(_pair(cell)))
            estimates.append((cell, mean_estimate(x - b, 1 - alpha)))
        except NotTestable as reason:
            estimates.append((cell, str(reason)))
    corrected = iter(holm([e.p_value for _, e in estimates if isinstance(e, Estimate)]))
    found = []
    for cell, estimate in estimates:
        if isinstance(estimate, str):
            found.append(Finding(NOT_TESTABLE, label_of(cell), reason=estimate))
            continue
        low, high = -rule["margin"], rule["margin"]
        significant = bool(next(corrected) < alpha)
        if rule.get("side") == "better":
            improves = HIGHER_IS_BETTER[cell["metric"]]
            low, high = (-np.inf, high) if improves else (low, np.inf)
            significant &= (estimate.value > 0) == improves
        verdict, reason = without_difference(estimate.low, estimate.high, (low, high), significant)
        found.append(finding(verdict, label_of(cell), estimate, reason, False))
    return found


@kind("experiment method task metric value margin", "level")
def value(evidence: Evidence, rule: Rule, size_margin: float) -> list[Finding]:
    """The mean score of a method is the reported one: its interval lies within ``margin`` of it."""
    cell = Cell(rule["experiment"], rule["method"], rule.get("level"), rule["task"], rule["metric"])
    estimate = mean_estimate(evidence.samples([cell])[0], 1 - evidence.alpha)
    verdict, reason = inside(
        estimate.low, estimate.high, (rule["value"] - rule["margin"], rule["value"] + rule["margin"])
    )
    return [finding(verdict, label_of(rule), estimate, reason, False, signed=False)]


@kind("terms task metric direction")
def contrast(evidence: Evidence, rule: Rule, size_margin: float) -> list[Finding]:
    """A weighted sum of scores, paired by run, has the claimed sign.

    Each of ``terms`` has a ``weight``, an ``experiment``, a ``method`` and optionally a ``level``.
    """
    cells = [Cell(t["experiment"], t["method"], t.get("level"), rule["task"], rule["metric"]) for t in rule["terms"]]
    samples = evidence.samples(cells)
    total = sum(t["weight"] * x for t, x in zip(rule["terms"], samples, strict=True))
    estimate = mean_estimate(total, 1 - evidence.alpha)
    verdict, reason = by_size(estimate.low, estimate.high, sign_of(rule), None)
    named = " ".join(f"{t['weight']:+g} {t['method']}@{t.get('level', 'all')}" for t in rule["terms"])
    return [finding(verdict, f"{named}, {rule['metric']} of {rule['task']}", estimate, reason, False)]


@kind("experiment method baseline rivals metrics")
def balance(evidence: Evidence, rule: Rule, size_margin: float) -> list[Finding]:
    """A method gains more than each rival, in the mean over tasks of its gains relative to the baseline.

    A gain is the difference to the rival in percent of the baseline's mean score, its sign such that more is better; it
    is averaged over tasks in every run. ``metrics`` names the score of each task.
    """
    experiment, found = rule["experiment"], []
    for rival in rule["rivals"]:
        gains = []
        for task, metric in rule["metrics"].items():
            cells = [Cell(experiment, m, None, task, metric) for m in (rule["method"], rival, rule["baseline"])]
            x, other, base = evidence.samples(cells)
            if mean_estimate(base, 1 - evidence.alpha).low <= 0:
                raise NotTestable(f"{metric} of {task}: a percentage of a baseline that reaches zero means nothing")
            gains.append((x - other) / base.mean() * (1 if HIGHER_IS_BETTER[metric] else -1))
        estimate = mean_estimate(100 * np.mean(gains, axis=0), 1 - evidence.alpha)
        verdict, reason = by_size(estimate.low, estimate.high, 1, None)
        label = f"mean gain of {rule['method']} over {rival}"
        found.append(finding(verdict, label, estimate, reason, True))
    return found


def _combinations(rule: Rule) -> Iterator[tuple[str, str, str]]:
    """Every (method, task, metric) of a rule, each of which may be a list."""
    return product(*(v if isinstance(v := rule[key], list) else [v] for key in ("method", "task", "metric")))


def _pair(rule: Rule) -> tuple[Cell, Cell]:
    """The method's and the baseline's score."""
    task, metric, level = rule["task"], rule["metric"], rule.get("level")
    ours = Cell(rule["experiment"], rule["method"], level, task, metric)
    theirs = Cell(
        rule.get("baseline_experiment", rule["experiment"]),
        rule.get("baseline", rule["method"]),
        rule.get("baseline_level", level),
        task,
        metric,
    )
    return ours, theirs
