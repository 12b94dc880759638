"""What judges a claim: kinds of rules by name, and the findings that they make from confidence intervals alone.

A new kind is one function with ``@kind``, in ``scores``, ``diagnostics`` or ``facts``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from alloymtl.errors import UserError, suggestion
from alloymtl.evaluation.claims.decide import NOT_TESTABLE, Estimate, Size
from alloymtl.evaluation.claims.evidence import Evidence, NotTestable
from alloymtl.evaluation.metrics import HIGHER_IS_BETTER

Rule = Mapping[str, Any]
DIRECTIONS = ("better", "worse", "higher", "lower")
# Two printed scores of three decimals are off by half a unit each; a printed percentage by half of its last digit.
ROUNDING = 0.001
ROUNDING_PERCENT = 0.05


@dataclass(frozen=True)
class Finding:
    """One part of a claim judged: ``low`` to ``high`` is the interval of what ``reproduced`` says, as text."""

    verdict: str
    label: str
    reproduced: str = ""
    low: str = ""
    high: str = ""
    reason: str = ""

    def sentence(self) -> str:
        """What was found, in one sentence without its full stop."""
        interval = f" [{self.low}, {self.high}]" if self.low else ""
        found = f": {self.reproduced}{interval}" if self.reproduced else ""
        return f"{self.label}{found}; {self.reason}"


Judge = Callable[[Evidence, Rule, float], list[Finding]]
KINDS: dict[str, tuple[Judge, frozenset[str], frozenset[str]]] = {}
"""Function, required and optional parameters of each kind."""


def kind(required: str, optional: str = "") -> Callable[[Judge], Judge]:
    """Register a kind of rule under the name of its function; every rule may have a ``note`` too."""

    def register(judge: Judge) -> Judge:
        words = frozenset(required.split()), frozenset(optional.split()) | {"note"}
        KINDS[judge.__name__.removesuffix("_")] = (judge, *words)
        return judge

    return register


def judge(evidence: Evidence, rule: Rule, size_margin: float, where: str) -> list[Finding]:
    """Findings on all parts of a claim; a part that the study cannot test is one of them.

    Args:
        evidence: the study.
        rule: ``kind`` and its parameters; lists for ``method``, ``task`` and ``metric`` stand for all combinations.
        size_margin: share of a claimed size by which an interval may miss it and leave the claim open.
        where: the claim, for messages.

    Raises:
        UserError: an unknown kind or parameter, a missing parameter, or a missing cell of an experiment.
    """
    check(rule, where)
    function = KINDS[rule["kind"]][0]
    try:
        return function(evidence, rule, size_margin)
    except NotTestable as reason:
        return [Finding(NOT_TESTABLE, label_of(rule), reason=str(reason))]


def check(rule: Rule, where: str) -> None:
    """Make sure that a rule, and every part of it, can be judged.

    Raises:
        UserError: an unknown kind, parameter or direction, or a missing parameter.
    """
    if rule.get("kind") not in KINDS:
        raise UserError(where, f"no kind of rule {rule.get('kind')!r}.", suggestion(str(rule.get("kind")), list(KINDS)))
    _, required, optional = KINDS[rule["kind"]]
    given = set(rule) - {"kind"}
    for name in sorted(required - given):
        raise UserError(where, f"its rule lacks the parameter {name!r}.", "add it.")
    for name in sorted(given - required - optional):
        raise UserError(where, f"its rule has an unknown parameter {name!r}.", suggestion(name, [*required, *optional]))
    if rule.get("direction", DIRECTIONS[0]) not in DIRECTIONS:
        raise UserError(where, f"no direction {rule['direction']!r}.", suggestion(rule["direction"], DIRECTIONS))
    for part in rule.get("parts", ()):
        check(part, where)


@kind("parts")
def all_(evidence: Evidence, rule: Rule, size_margin: float) -> list[Finding]:
    """All parts, each a rule of its own, must hold."""
    return [found for part in rule["parts"] for found in judge(evidence, part, size_margin, "")]


def sign_of(rule: Rule) -> int:
    """Claimed sign of a change of the score."""
    if rule["direction"] in ("higher", "lower"):
        return 1 if rule["direction"] == "higher" else -1
    return 1 if (rule["direction"] == "better") == HIGHER_IS_BETTER[rule["metric"]] else -1


def size_of(rule: Rule, size_margin: float) -> Size | None:
    """Claimed size of a change; None where only a direction is claimed."""
    if "size" not in rule:
        return None
    rounding = rule.get("rounding", ROUNDING_PERCENT if rule.get("relative") else ROUNDING)
    return Size(rule["size"], rounding, size_margin, rule.get("matched", False))


def label_of(rule: Rule) -> str:
    """What a rule speaks of, in a few words."""

    def shown(key: str) -> str:
        return ", ".join(v) if isinstance(v := rule.get(key, ""), list) else v

    against = f" against {rule['baseline']}" if rule.get("baseline", rule.get("method")) != rule.get("method") else ""
    if "baseline_level" in rule:
        against += f" at level {rule.get('level', 'all')} against level {rule['baseline_level']}"
    elif "level" in rule:
        against += f" at level {rule['level']}"
    score = f"{shown('metric')} of {shown('task')}" if "metric" in rule and "task" in rule else ""
    return ", ".join(part for part in (f"{shown('method')}{against}", score) if part) or rule["kind"]


def finding(
    verdict: str, label: str, estimate: Estimate, reason: str, percent: bool, added: str = "", signed: bool = True
) -> Finding:
    """A finding with its numbers as text: percentages to two decimals, all else to four."""
    sign, unit, coarse, fine = "+" if signed else "", " %" if percent else "", *((1, 2) if percent else (3, 4))
    shown = format(round(estimate.value, coarse) + 0.0, f"{sign}.{coarse}f") + unit + added  # + 0.0: no minus zero
    low, high = (format(round(v, fine) + 0.0, f".{fine}f") for v in (estimate.low, estimate.high))
    runs = f" (n = {estimate.n})" if estimate.n else ""
    return Finding(verdict, label, shown, low, high, reason + runs)
