"""Amounts of the elements as a raw table has them: in element columns, in formulas, or in lists."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.data import elements as tables
from alloymtl.data.raw import RawTable
from alloymtl.data.raw.names import quoted
from alloymtl.data.rows.formula import NOT_A_FORMULA, UNKNOWN_SYMBOL, FormulaError, parse_formula
from alloymtl.data.rows.numbers import listed, number, numbers
from alloymtl.data.rows.rules import Checked, Rule, screen
from alloymtl.data.rows.screening import Reason, Screening
from alloymtl.errors import UserError

NOT_A_NUMBER = Reason("composition.number", "amount is not a number", "correct the cell; an empty one is zero.")
NOT_KNOWN = Reason(
    "composition.missing", "amount is not known", "fill in the cell; an empty one is zero.", invalid=False
)
NEGATIVE = Reason("composition.negative", "negative amount", "correct the cell.")
UNEQUAL = Reason("composition.lists", "lists of elements and amounts differ in length", "correct one of the two cells.")
UNKNOWN = Reason("composition.symbol", UNKNOWN_SYMBOL, "correct the symbol.")
FORMULA_REASONS = {
    NOT_A_FORMULA: Reason(
        "composition.formula", NOT_A_FORMULA, "write it as in Al20Co30Fe50, with groups as in (Cu60Zr40)98Y2."
    ),
    UNKNOWN_SYMBOL: UNKNOWN,
}
_POSITION = re.compile(r"(?:pos(?:ition)?[ _.]*)?([XYxy])\s*(?:[(\[].*|[_ ]?(?:mm|um|pos))?")
_ALIKE = re.compile(
    r"([A-Za-z]{1,2})[ _.]*[(\[]?\s*(?:at|wt|mol|mass|weight|atomic)?[. _]*(?:%|pct|percent|fraction)?\s*[)\]]?"
)
LONGEST = 40  # characters of a header that may name an element or a position
# Basis: what the amounts of a row sum to, and whether they are weights.
BASES: Mapping[str, tuple[float | None, bool]] = {
    "at.%": (100.0, False),
    "wt.%": (100.0, True),
    "atomic fraction": (1.0, False),
    "weight fraction": (1.0, True),
    "atomic ratio": (None, False),
    "weight ratio": (None, True),
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
    """

    symbols: list[str]
    values: np.ndarray
    columns: list[str]
    cells: list[pd.Series]
    summed: tuple[str, pd.Series] | None = None

    @property
    def named(self) -> bool:
        """Whether elements are named in the rows, and not by headers, which may be symbols by chance."""
        return self.summed is not None


def read_amounts(
    table: RawTable,
    composition: Mapping[str, Any],
    data: Mapping[str, Any],
    taken: Collection[str],
    screening: Screening,
    key: str,
) -> Amounts:
    """Amounts of every row; rows whose amounts cannot be read are rejected.

    Args:
        table: the raw table that holds them.
        composition: the source's ``composition`` section.
        data: the config's ``data`` section. A cell of ``missing`` means an element that is not there.
        taken: columns that are something else, whatever their names.
        screening: takes the rows that fail.
        key: config key of that section, for messages.

    Raises:
        UserError: a column is missing, no column holds an element, or one may hold an element or may not.
    """
    missing = data["missing"]
    if composition.get("formula"):
        return _of_formulas(table, composition["formula"], missing, screening, f"{key}.formula")
    if composition.get("lists"):
        return _of_lists(table, composition["lists"], missing, screening, f"{key}.lists")
    columns = _element_columns(table, composition.get("columns"), data["elements"], taken, key)
    return _of_columns(table, columns, missing, BASES[composition["basis"]][0] is None, screening)


def amount_columns(table: RawTable, composition: Mapping[str, Any], taken: Collection[str]) -> list[str]:
    """The columns that hold numbers, alone or in formulas; those of lists have a notation of their own.

    Args:
        table: the raw table that holds them.
        composition: the source's ``composition`` section.
        taken: columns that are something else, whatever their names.
    """
    if composition.get("lists"):
        return []
    if composition.get("formula"):
        return [composition["formula"]]
    columns = composition.get("columns")
    return element_headers(table.headers, taken) if columns is None else list(columns.values())


def _of_formulas(table: RawTable, column: str, missing: Sequence[str], screening: Screening, key: str) -> Amounts:
    text = table.column(column, key)

    def parse(formula: str) -> dict[str, float] | Reason:
        try:
            return parse_formula(formula) if formula and formula not in missing else {}
        except FormulaError as error:
            return FORMULA_REASONS[str(error)]

    return _of_texts(table.pointed(text), parse, column, text, screening)


def _of_lists(
    table: RawTable, lists: Mapping[str, str], missing: Sequence[str], screening: Screening, key: str
) -> Amounts:
    symbols = table.column(lists["elements"], f"{key}.elements")
    amounts = table.column(lists["amounts"], f"{key}.amounts")
    shown = symbols + " " + amounts

    def parse(pair: str) -> dict[str, float] | Reason:
        first, _, second = pair.partition("\0")
        if {first, second} & {"", *missing}:
            return {}
        names, values = listed(first), [number(item) for item in listed(second)]
        if len(names) != len(values):
            return UNEQUAL
        if not tables.symbols().issuperset(names):
            return UNKNOWN
        if not all(math.isfinite(value) for value in values):
            return NOT_A_NUMBER
        if min(values, default=0.0) < 0:
            return NEGATIVE
        added = dict.fromkeys(names, 0.0)
        for name, value in zip(names, values, strict=True):
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


def _element_columns(
    table: RawTable,
    columns: Mapping[str, str] | None,
    elements: Collection[str],
    taken: Collection[str],
    key: str,
) -> dict[str, tuple[str, pd.Series]]:
    """Name and cells (rows,) of each element's column."""
    if columns is None:
        columns = {header: header for header in element_headers(table.headers, taken)}
        _check_alike(table, columns, elements, taken, key)
        where = key
    else:
        where = f"{key}.columns"
    for symbol in columns:
        if symbol not in tables.symbols():
            raise UserError(where, f"there is no element {quoted(symbol)}.", "correct the symbol.")
    if not columns:
        mend = f"set {key}.columns to {{element: column}}, or {key}.formula."
        raise UserError(table.location.path, "no column is named by an element's symbol.", mend)
    return {symbol: (name, table.column(name, f"{where}.{symbol}")) for symbol, name in columns.items()}


def _of_columns(
    table: RawTable,
    columns: Mapping[str, tuple[str, pd.Series]],
    missing: Sequence[str],
    is_ratio: bool,
    screening: Screening,
) -> Amounts:
    values = np.zeros((len(table), len(columns)))
    checked = []
    for place, (name, text) in enumerate(columns.values()):
        unknown = text.isin(missing).to_numpy(dtype=bool)
        if is_ratio:
            # Where amounts have no sum to keep, nothing else would tell that one is missing.
            screening.reject(unknown, NOT_KNOWN, name, text)
        empty = unknown | (text == "").to_numpy(dtype=bool)
        values[:, place] = np.where(empty, 0.0, numbers(table.pointed(text)))
        checked.append(Checked(name, values[:, place], text, RULES))
    screen(checked, screening)
    values[~(np.isfinite(values) & (values >= 0))] = 0.0
    names, cells = zip(*columns.values(), strict=True)
    return Amounts(list(columns), values, list(names), list(cells))


def element_headers(headers: Sequence[str], taken: Collection[str] = ()) -> list[str]:
    """Headers that are element symbols, but for ``taken``. Y beside an X is a position on the wafer, not yttrium."""
    positions = {"Y"} if any(axis_of(header) == "x" for header in headers) else set()
    return [h for h in headers if h in tables.symbols() and h not in positions and h not in taken]


def axis_of(header: str) -> str | None:
    """The axis of a position, ``x`` or ``y``, that a header such as ``X (mm)`` or ``pos_y`` may name; else None."""
    found = _POSITION.fullmatch(header) if len(header) <= LONGEST else None
    return found[1].lower() if found else None


def symbol_of(header: str) -> str | None:
    """The element in a header that is no bare symbol, as in ``Fe (wt.%)``, ``Zr_at`` or ``FE``; else None."""
    found = _ALIKE.fullmatch(header) if len(header) <= LONGEST else None
    symbol = found[1].capitalize() if found else ""
    return symbol if symbol in tables.symbols() and header != symbol else None


def _check_alike(
    table: RawTable, columns: Mapping[str, str], elements: Collection[str], taken: Collection[str], key: str
) -> None:
    """Stop where a column that is not read may be an element of the study: its amounts would be lost."""
    for header in table.headers:
        symbol = symbol_of(header)
        if symbol in elements and symbol not in columns and header not in taken and axis_of(header) is None:
            what = (
                f"the column {quoted(header)} may be the amounts of {symbol}; only bare symbols are taken for elements."
            )
            raise UserError(table.location.path, what, f"name all element columns in {key}.columns.")
