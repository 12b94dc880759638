"""From the composition columns of a raw file to atomic fractions, and what makes two compositions the same alloy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.data import elements as tables
from alloymtl.data.formula import NOT_A_FORMULA, UNKNOWN_SYMBOL, FormulaError, parse_formula
from alloymtl.data.raw import RawTable
from alloymtl.data.screening import Reason, Screening
from alloymtl.errors import UserError

# Basis: what the amounts of a row sum to, and whether they are weights.
BASES: Mapping[str, tuple[float | None, bool]] = {
    "at.%": (100.0, False),
    "wt.%": (100.0, True),
    "atomic fraction": (1.0, False),
    "weight fraction": (1.0, True),
    "atomic ratio": (None, False),
}
NOT_A_NUMBER = Reason("amount is not a number", "correct the cell; an empty one is zero.")
NEGATIVE = Reason("negative amount", "correct the cell.")
EMPTY = Reason("empty composition", "fill in the composition, or remove the row.")
FORMULA_REASONS = {
    NOT_A_FORMULA: Reason(NOT_A_FORMULA, "write it as in Al20Co30Fe50, with groups as in (Cu60Zr40)98Y2."),
    UNKNOWN_SYMBOL: Reason(UNKNOWN_SYMBOL, "correct the symbol."),
}


@dataclass(frozen=True)
class Amounts:
    """What a file says of its compositions: ``values`` (rows, symbols), and the columns and cells they came from."""

    symbols: list[str]
    values: np.ndarray
    columns: list[str]
    cells: list[pd.Series]
    is_formula: bool


def read_fractions(
    table: RawTable, composition: Mapping[str, Any], data: Mapping[str, Any], screening: Screening, key: str
) -> np.ndarray:
    """Atomic fractions (rows, elements of the study), each good row summing to one; rows that fail are rejected.

    Args:
        table: the raw file.
        composition: the source's ``composition`` section.
        data: the config's ``data`` section.
        screening: takes the rows that fail.
        key: config key of the source, for messages.

    Raises:
        UserError: a column is missing, or no column holds an element.
    """
    if composition.get("formula"):
        amounts = _formula_amounts(table, composition["formula"], screening, f"{key}.composition.formula")
    else:
        amounts = _column_amounts(table, composition.get("columns"), screening, f"{key}.composition")
    _reject_others(amounts, data, screening, key)
    total, weights = BASES[composition["basis"]]
    sums = amounts.values.sum(axis=1)
    shown = amounts.cells[0] if amounts.is_formula else np.array([f"{s:.6g}" for s in sums], dtype=object)
    column = amounts.columns[0] if amounts.is_formula else "sum of the element columns"
    screening.reject(sums <= 0, EMPTY, column, shown)
    if total is not None:
        tolerance = data["composition_tolerance"]
        reason = Reason(
            f"amounts do not sum to {total:g} (within {total * tolerance:g})",
            f"correct the row, set {key}.composition.basis, or widen data.composition_tolerance.",
        )
        screening.reject(np.abs(sums / total - 1) > tolerance + 1e-9, reason, column, shown)
    return _fractions(_aligned(amounts, data["elements"]), weights, data["elements"])


def _formula_amounts(table: RawTable, column: str, screening: Screening, key: str) -> Amounts:
    text = table.column(column, key)
    codes, unique = pd.factorize(text)
    parsed: list[dict[str, float]] = []
    failed: dict[str, list[int]] = {NOT_A_FORMULA: [], UNKNOWN_SYMBOL: []}
    for number, formula in enumerate(unique):
        parsed.append({})
        if not formula:
            continue
        try:
            parsed[-1] = parse_formula(formula)
        except FormulaError as error:
            failed[str(error)].append(number)
    for reason, numbers in failed.items():
        screening.reject(np.isin(codes, numbers), FORMULA_REASONS[reason], column, text)
    symbols = sorted({symbol for amounts in parsed for symbol in amounts}) or ["H"]
    values = np.array([[amounts.get(symbol, 0.0) for symbol in symbols] for amounts in parsed])
    return Amounts(symbols, values[codes], [column] * len(symbols), [text] * len(symbols), is_formula=True)


def _column_amounts(table: RawTable, columns: Mapping[str, str] | None, screening: Screening, key: str) -> Amounts:
    if columns is None:
        columns = {header: header for header in _element_headers(table.headers)}
        where = key
    else:
        where = f"{key}.columns"
    for symbol in columns:
        if symbol not in tables.symbols():
            raise UserError(where, f"there is no element {symbol!r}.", "correct the symbol.")
    if not columns:
        mend = f"set {key}.columns to {{element: column}}, or {key}.formula."
        raise UserError(table.path, "no column is named by an element's symbol.", mend)
    cells = [table.column(name, f"{where}.{symbol}") for symbol, name in columns.items()]
    values = np.zeros((len(table), len(columns)))
    for number, (name, text) in enumerate(zip(columns.values(), cells, strict=True)):
        amounts = pd.to_numeric(text, errors="coerce").to_numpy(dtype=float, na_value=np.nan, copy=True)
        amounts[(text == "").to_numpy()] = 0.0
        broken = ~np.isfinite(amounts)
        screening.reject(broken, NOT_A_NUMBER, name, text)
        screening.reject(amounts < 0, NEGATIVE, name, text)
        values[:, number] = np.where(broken, 0.0, amounts)
    return Amounts(list(columns), values, list(columns.values()), cells, is_formula=False)


def _element_headers(headers: Sequence[str]) -> list[str]:
    """Headers that are element symbols. Y beside an X is a position on the wafer, not yttrium."""
    positions = {"Y"} if "X" in headers else set()
    return [header for header in headers if header in tables.symbols() and header not in positions]


def _reject_others(amounts: Amounts, data: Mapping[str, Any], screening: Screening, key: str) -> None:
    """Reject the rows that hold an element which is not one of the study's."""
    mend = "add the element to data.elements, or set data.other_elements: reject"
    if not amounts.is_formula:
        mend += f"; if the column is no element, name those that are in {key}.composition.columns"
    reason = Reason("element outside data.elements", f"{mend}.", invalid=data["other_elements"] == "stop")
    for number, symbol in enumerate(amounts.symbols):
        if symbol not in data["elements"]:
            present = amounts.values[:, number] > 0
            screening.reject(present, reason, amounts.columns[number], amounts.cells[number])


def _aligned(amounts: Amounts, elements: Sequence[str]) -> np.ndarray:
    """Amounts (rows, elements) in the order of the study's elements."""
    aligned = np.zeros((len(amounts.values), len(elements)))
    for number, symbol in enumerate(amounts.symbols):
        if symbol in elements:
            aligned[:, elements.index(symbol)] = amounts.values[:, number]
    return aligned


def _fractions(amounts: np.ndarray, weights: bool, elements: Sequence[str]) -> np.ndarray:
    moles = amounts / np.array(tables.atomic_masses(elements)) if weights else amounts
    totals = moles.sum(axis=1, keepdims=True)
    return np.divide(moles, totals, out=np.zeros_like(moles), where=totals > 0)


def identities(fractions: np.ndarray, decimals: int) -> np.ndarray:
    """Whole numbers (rows, elements) that are equal exactly where two rows are the same alloy.

    They are the composition in at.%, rounded to ``decimals`` and counted in units of the last decimal. Rounding first
    far below that takes away the noise of normalisation, so that a tie falls to the same side in every file.
    """
    scaled = np.round(fractions * 100.0 * 10.0**decimals, 6)
    return np.rint(scaled).astype(np.int64)


def alloy_ids(identity: np.ndarray, elements: Sequence[str], decimals: int) -> list[str]:
    """Formulas in at.%, such as ``Al20.00Co30.00Fe50.00``, of identities (alloys, elements)."""
    scale = 10**decimals
    present = [np.flatnonzero(row) for row in identity]
    return [
        "".join(f"{elements[e]}{row[e] / scale:.{decimals}f}" for e in where)
        for row, where in zip(identity, present, strict=True)
    ]


def systems(identity: np.ndarray, elements: Sequence[str]) -> list[str]:
    """Chemical systems, such as ``Al-Co-Fe``: the elements present in alphabetical order."""
    order = np.argsort(np.array(elements))
    return ["-".join(elements[e] for e in order[row[order] > 0]) for row in identity]
