"""Compositions that lie in another table than the labels, row matched to row by common columns."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.data.composition import identities, row_codes
from alloymtl.data.raw import Origin, RawTable, read_table
from alloymtl.data.rows.amounts import amount_columns
from alloymtl.data.rows.fractions import Compositions, read_fractions
from alloymtl.data.rows.numbers import numbers
from alloymtl.data.rows.screening import Reason, Screening, reject_faults
from alloymtl.task import composition_location

NO_KEY = Reason(
    "composition.match", "no value to find its composition by", "fill in the cells by which rows are matched."
)


def matched_fractions(
    table: RawTable, composition: Mapping[str, Any], data: Mapping[str, Any], screening: Screening, key: str
) -> tuple[Compositions, RawTable]:
    """Compositions of the rows of a table, from the rows of another one that agree with them in some columns.

    Numbers agree by value, names by text. Rows of several files must agree in the folder, or the name, of their file as
    well, where files of labels lie or are named like files of compositions. A row is rejected where no row matches,
    where those that match hold different alloys, or where all that match were themselves rejected, for the reason that
    they were.

    Args:
        table: the raw table with the labels.
        composition: the source's ``composition`` section, which names the other table and the columns.
        data: the config's ``data`` section.
        screening: takes the rows that fail.
        key: config key of that section, for messages.

    Returns:
        The compositions of the first table's rows, and the table that they come from.

    Raises:
        UserError: the other table cannot be read, or a column is missing in either.
    """
    where, match = f"{key}.table", composition["table"]["match"]
    other = read_table(composition_location(composition["table"]), where)
    taken = set(match.values())
    named = [*amount_columns(other, composition, taken), *taken]
    other = other.with_decimal([name for name in named if other.has(name)], where)
    theirs = Screening(len(other))
    reject_faults(other, theirs)
    found = read_fractions(other, composition, data, taken, theirs, key)
    cells = [table.column(name, f"{where}.match") for name in match]
    our_cells = [table.pointed(text) for text in cells]
    their_cells = [other.pointed(other.column(name, f"{where}.match.{own}")) for own, name in match.items()]
    our_places, their_places = _places(table, other)
    ours, other_codes = _codes([*our_cells, *our_places], [*their_cells, *their_places], data["missing"])

    n = max(ours.max(initial=0), other_codes.max(initial=0)) + 1
    first_good, first_any = np.full(n, -1), np.full(n, -1)
    rows = np.flatnonzero(other_codes >= 0)[::-1]  # so that the first row of a code is written last
    first_any[other_codes[rows]] = rows
    good = rows[theirs.good[rows]]
    first_good[other_codes[good]] = good
    alloys = pd.DataFrame({"code": other_codes[good]})
    alloys["alloy"] = row_codes(identities(found.fractions[good], data["decimals"]))
    several = np.zeros(n, dtype=bool)
    counts = alloys.groupby("code")["alloy"].nunique()
    several[counts.index[counts > 1]] = True

    column, shown = ", ".join(match), _shown(cells)
    path = posixpath.basename(other.location.path.rstrip("/"))
    screening.reject(ours < 0, NO_KEY, column, shown)
    screening.reject(first_any[ours] < 0, _unmatched(path, where), column, shown)
    screening.reject(several[ours], _several(path, where), column, shown)
    for number, reason in enumerate(theirs.reasons):
        text = f"its composition in {path} was rejected ({reason.text})"
        rejected = (first_good[ours] < 0) & (theirs.code[first_any[ours]] == number)
        screening.reject(rejected, Reason(reason.rule, text, reason.mend, reason.invalid), column, shown)
    places = np.where(first_good[ours] >= 0, first_good[ours], 0)
    return Compositions(found.fractions[places], found.traces[places] & (first_good[ours] >= 0)), other


def _codes(
    ours: Sequence[pd.Series], theirs: Sequence[pd.Series], missing: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """A number for each row of both tables, equal where all cells agree; -1 where one has no value."""
    both = [pd.concat(pair, ignore_index=True) for pair in zip(ours, theirs, strict=True)]
    split = len(ours[0])
    codes, _ = pd.factorize(pd.MultiIndex.from_arrays([_comparable(text, split, missing) for text in both]))
    unknown = np.any([((text == "") | text.isin(missing)).to_numpy(dtype=bool) for text in both], axis=0)
    codes = np.where(unknown, -1, codes)
    return codes[:split], codes[split:]


def _comparable(text: pd.Series, split: int, missing: Sequence[str]) -> pd.Series:
    """Cells such that two that hold the same number are equal however it is written.

    They are names, and stay as they are, where any of them is no number, has a zero before it, or where one table
    (the rows before or from ``split``) writes one number in two ways behind the point: samples 1.1 and 1.10 are two.
    """
    values = numbers(text)
    has_value = ~((text == "") | text.isin(missing)).to_numpy(dtype=bool)
    if not np.isfinite(values[has_value]).all() or text.str.contains(r"^[+-]?0\d", regex=True).any():
        return text
    has_point = has_value & text.str.contains(".", regex=False).to_numpy(dtype=bool)
    for part in (slice(None, split), slice(split, None)):
        held = has_point[part]
        if text.iloc[part][held].nunique() > len(np.unique(values[part][held])):
            return text
    return pd.Series(np.where(has_value, values, np.nan)).map(repr)


def _places(table: RawTable, other: RawTable) -> tuple[list[pd.Series], list[pd.Series]]:
    """What else rows of several files must agree in, for both tables: the folder, or the name of the file.

    Files of one sample lie together, or have one name in two archives; equal positions on two samples are two places.
    Nothing where there is one file of labels, or no file of labels lies or is named like one of compositions.
    """
    if len(table.origins) == 1:
        return [], []
    for place in (_folder, _stem):
        ours, theirs = ([place(origin) for origin in one.origins] for one in (table, other))
        if len(set(ours)) > 1 and set(ours) & set(theirs):
            columns = zip((ours, theirs), (table, other), strict=True)
            mine, yours = (pd.Series(np.array(names, dtype=object)[one.origin], dtype=str) for names, one in columns)
            return [mine], [yours]
    return [], []


def _folder(origin: Origin) -> str:
    return f"in {posixpath.dirname(posixpath.join(origin.file, origin.member) if origin.member else origin.file)}"


def _stem(origin: Origin) -> str:
    return f"named {posixpath.basename(origin.member or origin.file)}"


def _shown(columns: list[pd.Series]) -> np.ndarray:
    return np.array([", ".join(cells) for cells in zip(*columns, strict=True)], dtype=object)


def _unmatched(path: str, where: str) -> Reason:
    mend = f"correct {where}.match, or add the row to that table."
    return Reason("composition.match", f"no row of {path} matches", mend)


def _several(path: str, where: str) -> Reason:
    mend = f"add a column to {where}.match that tells them apart."
    return Reason("composition.match", f"rows of {path} that match hold different alloys", mend)
