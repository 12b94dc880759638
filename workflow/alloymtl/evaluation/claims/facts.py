"""Rules on facts of the set-up, which have no interval: they are as reported or they are not."""

from __future__ import annotations

from collections.abc import Callable

from alloymtl.errors import UserError, suggestion
from alloymtl.evaluation.claims.decide import CONFIRMED, CONTRADICTED
from alloymtl.evaluation.claims.evidence import Evidence, NotTestable
from alloymtl.evaluation.claims.rules import Finding, Rule, kind


@kind("fact value", "tolerance task other")
def fact(evidence: Evidence, rule: Rule, size_margin: float) -> list[Finding]:
    """A fact of the set-up, compared with that of the study; the names are those of ``FACTS``."""
    if rule["fact"] not in FACTS:
        raise UserError(f"rule fact: {rule['fact']}", "no such fact.", suggestion(rule["fact"], list(FACTS)))
    found, same = FACTS[rule["fact"]](evidence, rule)
    verdict = CONFIRMED if same else CONTRADICTED
    reason = "the study has what was reported" if same else "the study has something else"
    return [Finding(verdict, rule["fact"], found, reason=reason)]


def _alloys(evidence: Evidence, rule: Rule) -> tuple[str, bool]:
    n = evidence.ingest["alloys"]
    return f"{n:,}", n == rule["value"]


def _labels(evidence: Evidence, rule: Rule) -> tuple[str, bool]:
    counts = {task: _count(evidence, task) for task in rule["value"]}
    return ", ".join(f"{task} {n:,}" for task, n in counts.items()), counts == rule["value"]


def _features(evidence: Evidence, rule: Rule) -> tuple[str, bool]:
    found = evidence.features
    return " + ".join(f"{n} {sort}" for sort, n in found.items()), found == rule["value"]


def _split(evidence: Evidence, rule: Rule) -> tuple[str, bool]:
    """Shares of the partitions; a whole number of labels of each task can miss them by less than two."""
    shares, same = rule["value"], True
    totals = dict.fromkeys(shares, 0)
    for counts in evidence.partitions.values():
        n = sum(counts.values())
        same &= all(abs(counts[p] - share * n) < 2 for p, share in shares.items())
        totals = {p: totals[p] + counts[p] for p in shares}
    n = sum(totals.values())
    return " / ".join(f"{totals[p] / n:.1%} {p}" for p in shares), same


def _ratio(evidence: Evidence, rule: Rule) -> tuple[str, bool]:
    ratio = _count(evidence, rule["task"]) / _count(evidence, rule["other"])
    return f"{ratio:.1f}", abs(ratio - rule["value"]) <= rule.get("tolerance", 0)


def _seeds(evidence: Evidence, rule: Rule) -> tuple[str, bool]:
    """Every reported seed is one of the study's; more of them change nothing about these."""
    seeds = evidence.experiment("main").seeds
    more = f" and {len(seeds) - 5} more" if len(seeds) > 5 else ""
    return ", ".join(map(str, seeds[:5])) + more, set(rule["value"]) <= set(seeds)


def _count(evidence: Evidence, task: str) -> int:
    if task not in evidence.kinds:
        raise NotTestable(f"the study has no task {task!r}")
    return evidence.ingest["labels"][task]


FACTS: dict[str, Callable[[Evidence, Rule], tuple[str, bool]]] = {
    "alloys": _alloys,
    "labels": _labels,
    "features": _features,
    "split": _split,
    "ratio": _ratio,
    "seeds": _seeds,
}
"""Facts of the set-up: what the study has, as text, and whether it is what was reported."""
