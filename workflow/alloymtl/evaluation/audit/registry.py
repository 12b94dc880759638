"""The checks of the audit, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from alloymtl.evaluation.audit.tables import Audited, Row

OK = "ok"
NOTE = "note"
FLAG = "red flag"
Function = Callable[[Audited, str], Iterator[Row]]


@dataclass(frozen=True)
class Check:
    """A check: what it does, and whether it is made of printed tables alone."""

    function: Function
    printed_only: bool


CHECKS: dict[str, Check] = {}
"""Every check by the name that the audit shows."""


def check(name: str, printed_only: bool = False) -> Callable[[Function], Function]:
    """Register a check under its name.

    Args:
        name: as the audit shows it.
        printed_only: whether it looks for what only rounding, or leaving things out, can bring about.
    """

    def register(function: Function) -> Function:
        CHECKS[name] = Check(function, printed_only)
        return function

    return register


def run_all(audited: Audited) -> list[Row]:
    """Rows of all checks. Of a check that finds nothing amiss, one row says so; its single rows are left out."""
    rows = []
    for name, one in CHECKS.items():
        if one.printed_only and not audited.reported:
            continue
        found = list(one.function(audited, name))
        amiss = [row for row in found if row.verdict != OK]
        if amiss:
            rows += amiss
        elif len(found) == 1:
            rows += found
        else:
            tested = f"nothing amiss in {len(found)} cases." if found else "nothing found."
            rows.append(Row(name, audited.where(), "info", tested, OK, ""))
    return rows
