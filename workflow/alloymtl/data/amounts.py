"""Amounts of the elements as a raw table has them: in element columns, in formulas, or in lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.data import elements as tables
from alloymtl.data.formula import NOT_A_FORMULA, UNKNOWN_SYMBOL, FormulaError, parse_formula
from alloymtl.data.numbers import listed, numbers
from alloymtl.data.raw import RawTable
from alloymtl.data.raw.names import quoted
from alloymtl.data.rules import Checked, Rule, screen
from alloymtl.data.screening import Reason, Screening
from alloymtl.errors import UserError

NOT_A_NUMBER = Reason("composition.number", "amount is not a number", "correct the cell; an empty one is zero.")
NEGATIVE = Reason("composition.negative", "negative amount", "correct the cell.")
UNEQUAL = Reason("composition.lists", "lists of elements and amounts differ in length", "correct one of the two cells.")
UNKNOWN = Reason("composition.symbol", UNKNOWN_SYMBOL, "correct the symbol.")
FORMULA_REASONS = {
    NOT_A_FORMULA: Reason(
        "composition.formula", NOT_A_FORMULA, "write it as in Al20Co30Fe50, with groups as in (Cu60Zr40)98Y2."
    ),
    UNKNOWN_SYMBOL: UNKNOWN,
}
RULES = (Rule(NOT_A_NUMBER, np.isfinite), Rule(NEGATIVE, lambda amounts: ~(amounts < 0)))


@dataclass(frozen=True)
class Amounts:
    """What a table says of its compositions.

    Attributes:
        symbols: elements.
        values: (rows, symbols), zero where a row has none of an element or was rejected.
        columns: the column that each symbol's amount comes from.
        cells: text of that column (rows,).
        summed: the column and cells that are shown of a row whose amounts do not sum; None: their sum.
        named: whether every element is named by the row itself, and not by a header that might be none.
    """

    symbols: list[str]
    values: np.ndarray
    columns: list[str]
    cells: list[pd.Series]
    summed: tuple[str, pd.Series] | None = None

    @property
    def named(self) -> bool:
        """Whether elements are named in the rows, and not by headers."""
        return self.summed is not None


def read_amounts(
    table: RawTable, composition: Mapping[str, Any], missing: Sequence[str], screening: Screening, key: str
) -> Amounts:
    """Amounts of every row; rows whose amounts cannot be read are rejected.

    Args:
        table: the raw table that holds them.
        composition: the source's ``composition`` section.
        missing: cells that mean no value, besides empty ones: an element that is not there.
        screening: takes the rows that fail.
        key: config key of that section, for messages.

    Raises:
        UserError: a column is missing, or no column holds an element.
    """
    if composition.get("formula"):
        return _of_formulas(table, composition["formula"], screening, f"{key}.formula")
    if composition.get("lists"):
        return _of_lists(table, composition["lists"], screening, f"{key}.lists")
    return _of_columns(table, composition.get("columns"), missing, screening, key)


def _of_formulas(table: RawTable, column: str, screening: Screening, key: str) -> Amounts:
    text = table.column(column, key)

    def parse(formula: str) -> dict[str, float] | Reason:
        try:
            return parse_formula(formula) if formula else {}
        except FormulaError as error:
            return FORMULA_REASONS[str(error)]

    return _of_texts(table.pointed(text), parse, column, text, screening)


def _of_lists(table: RawTable, lists: Mapping[str, str], screening: Screening, key: str) -> Amounts:
    symbols = table.column(lists["elements"], f"{key}.elements")
    amounts = table.column(lists["amounts"], f"{key}.amounts")
    shown = symbols + " " + amounts

    def parse(pair: str) -> dict[str, float] | Reason:
        first, _, second = pair.partition("\0")
        names, values = listed(first), numbers(pd.Series(listed(second), dtype=str))
        if len(names) != len(values):
            return UNEQUAL
        if not tables.symbols().issuperset(names):
            return UNKNOWN
        if not np.isfinite(values).all():
            return NOT_A_NUMBER
        if (values < 0).any():
            return NEGATIVE
        added = dict.fromkeys(names, 0.0)
        for name, value in zip(names, values.tolist(), strict=True):
            added[name] += value
        return added

    return _of_texts(symbols + "\0" + amounts, parse, lists["amounts"], shown, screening)


def _of_texts(
    text: pd.Series,
    parse: Callable[[str], dict[str, float] | Reason],
    column: str,
    shown: pd.Series,
    screening: Screening,
) -> Amounts:
    """Amounts of cells (rows,) that each name their elements; equal cells are parsed once."""
    codes, unique = pd.factorize(text)
    parsed = [parse(cell) for cell in unique]
    reasons = [found if isinstance(found, Reason) else None for found in parsed]
    for reason in dict.fromkeys(reason for reason in reasons if reason is not None):
        failed = np.flatnonzero([r == reason for r in reasons])
        screening.reject(np.isin(codes, failed), reason, column, shown)
    amounts = [{} if isinstance(found, Reason) else found for found in parsed]
    symbols = sorted({symbol for found in amounts for symbol in found}) or ["H"]
    place = {symbol: number for number, symbol in enumerate(symbols)}
    values = np.zeros((len(unique), len(symbols)))
    for row, found in enumerate(amounts):
        for symbol, amount in found.items():
            values[row, place[symbol]] = amount
    return Amounts(symbols, values[codes], [column] * len(symbols), [shown] * len(symbols), (column, shown))


def _of_columns(
    table: RawTable, columns: Mapping[str, str] | None, missing: Sequence[str], screening: Screening, key: str
) -> Amounts:
    if columns is None:
        columns = {header: header for header in element_headers(table.headers)}
        where = key
    else:
        where = f"{key}.columns"
    for symbol in columns:
        if symbol not in tables.symbols():
            raise UserError(where, f"there is no element {quoted(symbol)}.", "correct the symbol.")
    if not columns:
        mend = f"set {key}.columns to {{element: column}}, or {key}.formula."
        raise UserError(table.location.path, "no column is named by an element's symbol.", mend)
    cells = [table.column(name, f"{where}.{symbol}") for symbol, name in columns.items()]
    values = np.zeros((len(table), len(columns)))
    for number, text in enumerate(cells):
        amounts = numbers(table.pointed(text))
        values[:, number] = np.where(((text == "") | text.isin(missing)).to_numpy(), 0.0, amounts)
    named = zip(columns.values(), values.T, cells, strict=True)
    screen([Checked(name, amounts, text, RULES) for name, amounts, text in named], screening)
    values[~(np.isfinite(values) & (values >= 0))] = 0.0
    return Amounts(list(columns), values, list(columns.values()), cells)


def element_headers(headers: Sequence[str]) -> list[str]:
    """Headers that are element symbols. Y beside an X is a position on the wafer, not yttrium."""
    positions = {"Y"} if "X" in headers else set()
    return [header for header in headers if header in tables.symbols() and header not in positions]
