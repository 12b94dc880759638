"""Step ``claims``: the verdict on every claim of the reported paper, by the rule that stands beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from alloymtl.evaluation.claims import diagnostics, facts, scores  # noqa: F401  (their kinds of rules register themselves)
from alloymtl.evaluation.claims.decide import CONFIRMED, all_of
from alloymtl.evaluation.claims.evidence import Evidence
from alloymtl.evaluation.claims.rules import Finding, judge
from alloymtl.evaluation.reported import Claim, read_claims
from alloymtl.files import write_csv

COLUMNS = ("id", "statement", "reported", "reproduced", "ci_low", "ci_high", "verdict", "why")
SHOWN = 3
SIMULATED = "The data are simulated, and so the verdict speaks of the simulation."


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write ``claims`` (CSV): one row per claim of the file ``reported``; none where a study names no paper.

    Verdicts: ``confirmed``, ``contradicted``, ``undecided`` (the interval allows both) and ``not testable here`` (the
    study lacks what the claim speaks of). A claim with several parts holds if all hold and falls with any;
    ``reproduced``, ``ci_low`` and ``ci_high`` are those of the part that decides, and ``why`` says how.

    Args:
        spec: the study, as ``alloymtl.study.Study.to_paper_dict`` says it.
        inputs: ``metrics`` and ``ingest``; of ``reported`` (the file of claims), ``split``, ``relations``,
            ``conflict``, ``similarity``, ``tails`` and ``synergy`` those that there are.
        outputs: ``claims``.

    Raises:
        UserError: the file of claims is wrong, or a cell of one of the study's experiments is missing.
    """
    rows: list[dict[str, str]] = []
    if "reported" in inputs:
        evidence = Evidence(spec, inputs)
        stated = read_claims(inputs["reported"])
        rows = [row(claim, evidence, stated.size_margin) for claim in stated.claims]
    write_csv(outputs["claims"], pd.DataFrame(rows, columns=list(COLUMNS)))


def row(claim: Claim, evidence: Evidence, size_margin: float) -> dict[str, str]:
    """One claim's row of the table."""
    findings = judge(evidence, claim.rule, size_margin, claim.where)
    verdict = all_of([f.verdict for f in findings])
    deciding = [f for f in findings if f.verdict == verdict]
    first = deciding[0]
    label = f"{first.label}: " if len(findings) > 1 and first.reproduced else ""
    return {
        "id": claim.id,
        "statement": claim.statement,
        "reported": claim.reported,
        "reproduced": f"{label}{first.reproduced}",
        "ci_low": first.low,
        "ci_high": first.high,
        "verdict": verdict,
        "why": " ".join(_why(findings, deciding, claim, evidence)),
    }


def _why(findings: list[Finding], deciding: list[Finding], claim: Claim, evidence: Evidence) -> list[str]:
    """Sentences that say how a verdict came about."""
    sentences = [f"{f.sentence()}." for f in deciding[:SHOWN]]
    if len(findings) > 1:
        holding = sum(f.verdict == CONFIRMED for f in findings)
        sentences.insert(0, f"{holding} of {len(findings)} parts hold.")
    if len(deciding) > SHOWN:
        sentences.append(f"And {len(deciding) - SHOWN} more.")
    if note := claim.rule.get("note"):
        sentences.append(note)
    return [*sentences, SIMULATED] if evidence.simulated else sentences
