"""What a raw table holds: its composition and the columns that may be labels."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.data import elements as tables
from alloymtl.data.amounts import element_headers
from alloymtl.data.formula import FormulaError, parse_formula
from alloymtl.data.fractions import BASES
from alloymtl.data.inspection.headers import POSITIONS, is_identifier, unit_of
from alloymtl.data.numbers import listed, measured, numbers
from alloymtl.data.raw import Origin, RawTable, read_table
from alloymtl.data.raw.containers import Walk
from alloymtl.data.raw.table import Part
from alloymtl.data.raw.workbook import sheets
from alloymtl.task import Location

KEY = "the config"
SAMPLE = 2000  # cells of a column that are looked at to tell what it is
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
    """

    header: str
    rows: int
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    classes: dict[str, int] = field(default_factory=dict)


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


def look(path: str) -> Iterator[Seen]:
    """What is found behind a path, one for each set of columns.

    Raises:
        UserError: nothing is there, or it cannot be read.
    """
    location = Location(path=path)
    books = {leaf.origin: sheets(leaf) if leaf.kind == "sheet" else [] for leaf in Walk(location, KEY).leaves()}
    if any(len(titles) > 1 for titles in books.values()):
        for origin, titles in books.items():
            for sheet in titles or [None]:
                yield _look(read_table(replace(_of(origin), sheet=sheet), KEY))
        return
    table = read_table(location, KEY)
    alike: dict[tuple[int, ...], list[Part]] = {}
    for part in table.parts:
        alike.setdefault(() if part.is_optional else part.columns, []).append(part)
    if len(alike) == 1:
        yield _look(table)
        return
    for origin in table.origins:
        yield _look(read_table(_of(origin), KEY))


def _of(origin: Origin) -> Location:
    """The location of one file or member."""
    return Location(path=origin.file, member=glob.escape(origin.member) or None)


def _look(table: RawTable) -> Seen:
    columns = {}
    for header in dict.fromkeys(table.headers):
        if table.headers.count(header) == 1:
            columns[header] = table.column(header, KEY)
    composition, doubt, elements, used = _composition(table, columns)
    left = {header: text for header, text in columns.items() if header not in used}
    identifier = next((h for h, text in left.items() if is_identifier(h) and _distinct(text)), None)
    left = {h: text for h, text in left.items() if not is_identifier(h) and h not in POSITIONS}
    candidates = [found for h, text in left.items() if (found := _candidate(h, text, table.pointed(text)))]
    return Seen(table.location, _how(table), len(table), composition, doubt, elements, identifier, candidates)


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
    symbols = [header for header in element_headers(table.headers) if header in columns]
    amounts = {s: numbers(table.pointed(columns[s])) for s in symbols}
    amounts = {s: values for s, values in amounts.items() if _is_amount(values, columns[s])}
    amounts = _without_stranger(amounts)
    if len(amounts) >= 2:
        values = np.nan_to_num(np.column_stack(list(amounts.values())))
        basis, doubt = _basis(values.sum(axis=1), table.headers)
        held = {s: int((values[:, n] > 0).sum()) for n, s in enumerate(amounts)}
        named = None if list(amounts) == element_headers(table.headers) else {s: s for s in amounts}
        composition = {"basis": basis, **({"columns": named} if named else {})}
        return composition, doubt, _frequent(held), set(amounts)
    for header, text in columns.items():
        if (parsed := _formulas(table.pointed(_head(text)))) is not None:
            basis, doubt = _basis(np.array([sum(p.values()) for p in parsed]), [])
            held = pd.Series([s for p in parsed for s in p]).value_counts().to_dict()
            return {"basis": basis, "formula": header}, doubt, _frequent(held), {header}
    return _lists(columns)


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
    values = measured(pointed[held]).values
    finite = values[np.isfinite(values)]
    classes = text[held].value_counts()
    is_flag = set(classes.index) <= {"0", "1", "true", "false", "True", "False"}
    if rows and len(finite) >= MOST * rows and not is_flag:
        return Candidate(header, rows, unit_of(header), float(finite.min()), float(finite.max()))
    if 2 <= len(classes) <= min(MOST_CLASSES, rows // 2):
        return Candidate(header, rows, classes={str(name): int(n) for name, n in classes.items()})
    return None
