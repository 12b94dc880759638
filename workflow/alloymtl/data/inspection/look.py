"""What a raw table holds: its composition and the columns that may be labels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.data import elements as tables
from alloymtl.data.inspection.headers import is_identifier, usual_unit
from alloymtl.data.inspection.parts import locations
from alloymtl.data.raw import RawTable, read_table
from alloymtl.data.raw.table import TEXTS
from alloymtl.data.rows.amounts import BASES, axis_of, element_headers, symbol_of
from alloymtl.data.rows.formula import FormulaError, parse_formula
from alloymtl.data.rows.numbers import listed, numbers, readings
from alloymtl.data.rows.units import unit_of
from alloymtl.errors import UserError
from alloymtl.task import Location

KEY = "the config"
LOOKED_AT = 10  # tables behind one path
HEADERS = 8  # rows that may hold the names of the columns
SAMPLE = 2000  # cells of a column that are looked at to tell what it is
NUMBER_LIKE = r"[-+]?[\d.,]+(?:[eE][-+]?\d+)?|[A-Z][A-Za-z\d.,()\[\] ]*"
MOST = 0.8  # share of cells that must look alike
MOST_CLASSES = 12
SUM_TOLERANCE = 0.05
WEIGHT_WORDS = re.compile(r"\b(wt|weight|mass)\b|wt\.?\s?%", re.IGNORECASE)


@dataclass(frozen=True)
class Candidate:
    """A column that may be a label.

    Attributes:
        header: its name.
        rows: how many cells hold a value.
        unit: as the header has it; None where it has none that is known.
        low: smallest number; None for classes.
        high: largest number; None for classes.
        classes: texts with their counts; empty for numbers.
        is_guess: whether the unit is not stated, and only usual for a property of that name.
    """

    header: str
    rows: int
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    classes: dict[str, int] = field(default_factory=dict)
    is_guess: bool = False


@dataclass(frozen=True)
class Seen:
    """What is proposed for one table, or for several of the same columns.

    Attributes:
        location: where it lies; keys that are not the default are needed to read it.
        how: how it was read, in words.
        rows: how many there are.
        composition: the proposed ``composition`` section; None where no composition was recognised.
        doubt: what the proposal cannot know of it; empty where there is no doubt.
        elements: those with an amount, most frequent first.
        identifier: a column of distinct names, if there is one.
        candidates: columns that may be labels.
    """

    location: Location
    how: str
    rows: int
    composition: dict[str, Any] | None
    doubt: str
    elements: list[str]
    identifier: str | None
    candidates: list[Candidate]


@dataclass(frozen=True)
class Unread:
    """A part of what was to be seen that cannot be read, and why."""

    location: Location
    why: str


def look(path: str) -> Iterator[Seen | Unread]:
    """What is found behind a path, one for each set of columns.

    Raises:
        UserError: nothing is there, or it is one table that cannot be read.
    """
    parts = locations(Location(path=path), KEY)
    for part in parts[:LOOKED_AT]:
        try:
            yield _seen(part)
        except UserError as mistake:
            if len(parts) == 1:
                raise
            yield Unread(part, mistake.what)
    if len(parts) > LOOKED_AT:
        yield Unread(Location(path=path), f"There are {len(parts) - LOOKED_AT} tables more, not looked at: name one.")


def _seen(location: Location) -> Seen:
    """What a table holds; its header is the first row by which a composition and labels are recognised."""
    first: Seen | UserError | None = None
    for header in range(1, HEADERS + 1):
        try:
            seen, has_header = _read(replace(location, header=header))
        except UserError as mistake:
            # Without its traceback, which would keep what was read so far in memory.
            first = first or mistake.with_traceback(None)
            continue
        if (seen.composition and seen.candidates) or not has_header:
            return seen
        first = seen if first is None or isinstance(first, UserError) else first
    if isinstance(first, UserError):
        raise first
    return first


def _read(location: Location) -> tuple[Seen, bool]:
    """What a table holds, and whether its columns are named by one of its rows."""
    table = read_table(location, KEY)
    return _look(table), table.readings[0].format in TEXTS


def _look(table: RawTable) -> Seen:
    columns = {}
    for header in dict.fromkeys(table.headers):
        if table.headers.count(header) == 1:
            columns[header] = table.column(header, KEY)
    table, unclear = _with_decimal(table, columns)
    composition, doubt, elements, used = _composition(table, columns)
    left = {header: text for header, text in columns.items() if header not in used}
    identifier = next((h for h, text in left.items() if is_identifier(h) and _distinct(text)), None)
    left = {h: text for h, text in left.items() if not is_identifier(h) and axis_of(h) is None}
    candidates = [found for h, text in left.items() if (found := _candidate(h, text, table.pointed(text)))]
    return Seen(table.location, _how(table) + unclear, len(table), composition, doubt, elements, identifier, candidates)


def _with_decimal(table: RawTable, columns: dict[str, pd.Series]) -> tuple[RawTable, str]:
    """The table with the decimal mark of its columns of numbers; and what is to be said where that is not clear."""
    held = {header: text[text != ""] for header, text in columns.items()}
    names = [h for h, text in held.items() if len(text) and text.str.fullmatch(NUMBER_LIKE).mean() >= MOST]
    try:
        return table.with_decimal(names, KEY), ""
    except UserError as mistake:
        return table, f"; {mistake.what} {mistake.mend}"


def _how(table: RawTable) -> str:
    first = table.readings[0]
    words = [first.format]
    words += [str(value) for value in (first.encoding, first.sheet) if value]
    if first.separator:
        words.append(f"separator {first.separator!r}")
    if first.format == "delimited":
        words.append(f"decimal {first.decimal!r}")
    more = len(table.origins) - 1
    return ", ".join(words) + (f"; and {more} more of the same columns" if more else "")


def _distinct(text: pd.Series) -> bool:
    return bool((text != "").all() and not text.duplicated().any())


def _head(text: pd.Series) -> pd.Series:
    """Some cells with a value, from all over the column."""
    held = text[text != ""]
    return held.iloc[:: max(1, len(held) // SAMPLE)]


def _composition(
    table: RawTable, columns: dict[str, pd.Series]
) -> tuple[dict[str, Any] | None, str, list[str], set[str]]:
    """The proposed section, what is doubtful in it, the elements, and the columns that it takes."""
    named = _element_columns(table.headers)
    amounts = {s: numbers(table.pointed(columns[h])) for s, h in named.items() if h in columns}
    amounts = {s: values for s, values in amounts.items() if _is_amount(values, columns[named[s]])}
    amounts = _without_stranger(amounts)
    if len(amounts) >= 2:
        values = np.nan_to_num(np.column_stack(list(amounts.values())))
        basis, doubt = _basis(values.sum(axis=1), table.headers)
        held = {s: int((values[:, n] > 0).sum()) for n, s in enumerate(amounts)}
        chosen = {s: named[s] for s in amounts}
        is_plain = list(chosen.values()) == element_headers(table.headers)
        composition = {"basis": basis, **({} if is_plain else {"columns": chosen})}
        return composition, doubt, _frequent(held), set(chosen.values())
    for header, text in columns.items():
        if (parsed := _formulas(table.pointed(_head(text)))) is not None:
            basis, doubt = _basis(np.array([sum(p.values()) for p in parsed]), [header])
            held = pd.Series([s for p in parsed for s in p]).value_counts().to_dict()
            return {"basis": basis, "formula": header}, doubt, _frequent(held), {header}
    return _lists(columns)


def _element_columns(headers: Sequence[str]) -> dict[str, str]:
    """Columns named by an element, alone or with a unit of amounts behind it, such as ``Fe (wt.%)``, by symbol."""
    plain = element_headers(headers)
    found = {header: header for header in plain}
    for header in headers:
        symbol = symbol_of(header)
        if symbol is not None:
            found.setdefault(symbol, header)
    return found


def _without_stranger(amounts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Amounts without a column that is a symbol by chance: without it rows sum to a whole, with it they do not."""
    values = {symbol: np.nan_to_num(column) for symbol, column in amounts.items()}
    sums = np.sum(list(values.values()), axis=0) if values else np.empty(0)
    if _basis(sums, [])[0] == "atomic ratio":
        for symbol, column in values.items():
            if _basis(np.where(sums > column, sums - column, 0), [])[0] != "atomic ratio":
                return {other: amounts[other] for other in amounts if other != symbol}
    return amounts


def _is_amount(values: np.ndarray, text: pd.Series) -> bool:
    """Whether numbers may be amounts: none is negative, and hardly any cell is something else."""
    held = (text != "").to_numpy()
    return held.any() and not (values < 0).any() and np.isfinite(values[held]).mean() >= MOST


def _lists(columns: dict[str, pd.Series]) -> tuple[dict[str, Any] | None, str, list[str], set[str]]:
    """A column of lists of symbols beside one of equally long lists of numbers."""
    heads = {h: [listed(cell) for cell in _head(text)] for h, text in columns.items() if text.str.startswith("[").any()}
    named = [h for h, cells in heads.items() if all(cells) and all(tables.symbols().issuperset(c) for c in cells)]
    for symbols in named:
        lengths = [len(cell) for cell in heads[symbols]]
        for amounts, cells in heads.items():
            if amounts not in named and [len(cell) for cell in cells] == lengths:
                sums = np.array([numbers(pd.Series(cell, dtype=str)).sum() for cell in cells])
                basis, doubt = _basis(sums, [])
                held = pd.Series([s for cell in heads[symbols] for s in cell]).value_counts().to_dict()
                composition = {"basis": basis, "lists": {"elements": symbols, "amounts": amounts}}
                return composition, doubt, _frequent(held), {symbols, amounts}
    return None, "", [], set()


def _formulas(text: pd.Series) -> list[dict[str, float]] | None:
    """Amounts of formulas; None where the cells are something else, such as words or single elements."""
    parsed = []
    for cell in text:
        try:
            parsed.append(parse_formula(cell))
        except FormulaError:
            continue
    if not parsed or len(parsed) < MOST * len(text):
        return None
    return parsed if np.mean([len(amounts) for amounts in parsed]) >= 2 else None


def _basis(sums: np.ndarray, headers: Sequence[str]) -> tuple[str, str]:
    """What amounts are, by their sums and the headers; and what cannot be told."""
    held = sums[sums > 0]
    weights = any(WEIGHT_WORDS.search(header) for header in headers)
    for name in ("wt.%", "weight fraction") if weights else ("at.%", "atomic fraction"):
        total = BASES[name][0]
        if len(held) and (np.abs(held / total - 1) < SUM_TOLERANCE).mean() >= MOST:
            other = {"at.%": "wt.%", "atomic fraction": "weight fraction"}.get(name)
            return name, f"amounts that sum to {total:g} may be {other} as well" if other else ""
    return "atomic ratio", ""


def _frequent(held: dict[str, int]) -> list[str]:
    return [symbol for symbol, count in sorted(held.items(), key=lambda item: (-item[1], item[0])) if count]


def _candidate(header: str, text: pd.Series, pointed: pd.Series) -> Candidate | None:
    """The column as a label; None if it cannot be one."""
    held = (text != "").to_numpy()
    rows = int(held.sum())
    values = readings(pointed[held]).mean
    finite = values[np.isfinite(values)]
    classes = text[held].value_counts()
    is_flag = set(classes.index) <= {"0", "1", "true", "false", "True", "False"}
    if rows and len(finite) >= MOST * rows and not is_flag:
        stated, usual = unit_of(header), usual_unit(header)
        is_guess = stated is None and usual is not None
        return Candidate(header, rows, stated or usual, float(finite.min()), float(finite.max()), is_guess=is_guess)
    if 2 <= len(classes) <= min(MOST_CLASSES, rows // 2):
        return Candidate(header, rows, classes={str(name): int(n) for name, n in classes.items()})
    return None
