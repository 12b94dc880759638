"""From the amounts of a raw table to atomic fractions of the study's elements."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alloymtl.data import elements as tables
from alloymtl.data.raw import RawTable
from alloymtl.data.rows.amounts import BASES, Amounts, read_amounts
from alloymtl.data.rows.rules import Checked, Rule, screen
from alloymtl.data.rows.screening import Reason, Screening

EMPTY = Reason("composition.empty", "empty composition", "fill in the composition, or remove the row.")
TOO_LARGE = Reason("composition.number", "amounts are too large to be added", "correct the row.")
NOISE = 1e-9  # of the sum of printed decimals; far below any tolerance that is meant


@dataclass(frozen=True)
class Compositions:
    """Compositions of the rows of a raw table, of use where the row was not rejected.

    ``fractions`` (rows, elements of the study), each row of them summing to one; ``traces``: mask (rows,) of rows that
    held small amounts of other elements, which were left out.
    """

    fractions: np.ndarray
    traces: np.ndarray


def read_fractions(
    table: RawTable,
    composition: Mapping[str, Any],
    data: Mapping[str, Any],
    taken: Collection[str],
    screening: Screening,
    key: str,
) -> Compositions:
    """Compositions of the rows of a table that holds amounts; rows that fail are rejected.

    Args:
        table: the raw table.
        composition: the source's ``composition`` section.
        data: the config's ``data`` section.
        taken: columns that are something else, such as the label, whatever their names.
        screening: takes the rows that fail.
        key: config key of the ``composition`` section, for messages.

    Raises:
        UserError: a column is missing, or no column holds an element.
    """
    amounts = read_amounts(table, composition, data, taken, screening, key)
    total, weights = BASES[composition["basis"]]
    traces = _reject_others(amounts, weights, data, screening, key)
    _check_sums(amounts, total, data["composition_tolerance"], screening, key)
    return Compositions(_fractions(_aligned(amounts, data["elements"]), weights, data["elements"]), traces)


def _check_sums(amounts: Amounts, total: float | None, tolerance: float, screening: Screening, key: str) -> None:
    with np.errstate(over="ignore"):
        sums = amounts.values.sum(axis=1)
    column, cells = amounts.summed or ("sum of the element columns", np.array([f"{s:.6g}" for s in sums], dtype=object))
    rules = [Rule(EMPTY, lambda sums: sums > 0), Rule(TOO_LARGE, np.isfinite)]
    if total is not None:
        reason = Reason(
            "composition.sum",
            f"amounts do not sum to {total:g} (within {total * tolerance:g})",
            f"correct the row, set {key}.basis, or widen data.composition_tolerance.",
        )
        rules.append(Rule(reason, lambda sums: ~((sums / total - 1).abs() > tolerance + NOISE)))
    screen([Checked(column, sums, cells, rules)], screening)


def _reject_others(
    amounts: Amounts, weights: bool, data: Mapping[str, Any], screening: Screening, key: str
) -> np.ndarray:
    """Reject the rows with more than traces of elements outside the study; mask (rows,) of those with traces."""
    others = [number for number, symbol in enumerate(amounts.symbols) if symbol not in data["elements"]]
    held = (amounts.values[:, others] > 0).any(axis=1)
    if not others or not held.any():
        return np.zeros(len(held), dtype=bool)
    moles = _moles(amounts.values, weights, amounts.symbols)
    with np.errstate(over="ignore", invalid="ignore"):
        share = moles[:, others].sum(axis=1) / moles.sum(axis=1)
    limit = data["traces"]
    above = held & ~(100 * share <= limit)
    mend = "add the element to data.elements, set data.other_elements: reject, or raise data.traces"
    if not amounts.named:
        mend += f"; if the column is no element, name those that are in {key}.columns"
    text = "element outside data.elements" + (f" (over {limit:g} at.% of them)" if limit else "")
    reason = Reason("composition.other", text, f"{mend}.", invalid=data["other_elements"] == "stop")
    for number in others:
        present = above & (amounts.values[:, number] > 0)
        column = amounts.columns[number]
        shown = f"{column}: {amounts.symbols[number]}" if amounts.named else column
        screening.reject(present, reason, shown, amounts.cells[number])
    return held & ~above


def _aligned(amounts: Amounts, elements: Sequence[str]) -> np.ndarray:
    """Amounts (rows, elements) in the order of the study's elements."""
    aligned = np.zeros((len(amounts.values), len(elements)))
    for number, symbol in enumerate(amounts.symbols):
        if symbol in elements:
            aligned[:, elements.index(symbol)] = amounts.values[:, number]
    return aligned


def _moles(amounts: np.ndarray, weights: bool, elements: Sequence[str]) -> np.ndarray:
    """Amounts in proportion to numbers of atoms; NaN where an element without a standard weight is weighed."""
    if not weights:
        return amounts
    return np.divide(amounts, tables.atomic_masses(elements), out=np.zeros_like(amounts), where=amounts > 0)


def _fractions(amounts: np.ndarray, weights: bool, elements: Sequence[str]) -> np.ndarray:
    moles = _moles(amounts, weights, elements)
    with np.errstate(over="ignore"):
        totals = moles.sum(axis=1, keepdims=True)
    return np.divide(moles, totals, out=np.zeros_like(moles), where=(totals > 0) & np.isfinite(totals))
