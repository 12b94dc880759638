"""Compositions that lie in another table than the labels, row matched to row by common columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.data.composition import identities, row_codes
from alloymtl.data.fractions import Compositions, read_fractions
from alloymtl.data.numbers import numbers
from alloymtl.data.raw import RawTable, read_table
from alloymtl.data.screening import Reason, Screening
from alloymtl.data.unreadable import reject_faults
from alloymtl.task import composition_location


def matched_fractions(
    table: RawTable, composition: Mapping[str, Any], data: Mapping[str, Any], screening: Screening, key: str
) -> tuple[Compositions, RawTable]:
    """Compositions of the rows of a table, from the rows of another one that agree with them in some columns.

    Numbers agree by value, other cells by text. A row is rejected where no row matches, where those that match hold
    different alloys, or where all that match were themselves rejected, for the reason that they were.

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
    theirs = Screening(len(other))
    reject_faults(other, theirs)
    found = read_fractions(other, composition, data, theirs, key)
    cells = [table.column(name, f"{where}.match") for name in match]
    ours_text = [_comparable(table.pointed(text)) for text in cells]
    their_text = [_comparable(other.pointed(other.column(name, f"{where}.match.{own}"))) for own, name in match.items()]
    both = [pd.concat(pair, ignore_index=True) for pair in zip(ours_text, their_text, strict=True)]
    codes, _ = pd.factorize(pd.MultiIndex.from_arrays(both))
    ours, other_codes = codes[: len(table)], codes[len(table) :]

    n = codes.max(initial=-1) + 1
    first_good, first_any = np.full(n, -1), np.full(n, -1)
    rows = np.arange(len(other))[::-1]  # so that the first row of a code is written last
    first_any[other_codes[rows]] = rows
    good = rows[theirs.good[rows]]
    first_good[other_codes[good]] = good
    alloys = pd.DataFrame({"code": other_codes[theirs.good]})
    alloys["alloy"] = row_codes(identities(found.fractions[theirs.good], data["decimals"]))
    several = np.zeros(n, dtype=bool)
    counts = alloys.groupby("code")["alloy"].nunique()
    several[counts.index[counts > 1]] = True

    column, shown = ", ".join(match), _shown(cells)
    path = other.location.path
    screening.reject(first_any[ours] < 0, _unmatched(path, where), column, shown)
    screening.reject(several[ours], _several(path, where), column, shown)
    for row in np.flatnonzero((first_good[ours] < 0) & (first_any[ours] >= 0)):
        reason = theirs.found(first_any[ours[row]])
        text = f"its composition in {path} was rejected ({reason.text})"
        screening.reject_row(row, Reason(reason.rule, text, reason.mend, reason.invalid), column, shown[row])
    places = np.where(first_good[ours] >= 0, first_good[ours], 0)
    return Compositions(found.fractions[places], found.traces[places] & (first_good[ours] >= 0)), other


def _comparable(text: pd.Series) -> pd.Series:
    """Cells such that two that hold the same number are equal however it is written."""
    values = numbers(text)
    is_number = np.isfinite(values)
    return text.mask(is_number, pd.Series(np.where(is_number, values, 0.0), index=text.index).map(repr))


def _shown(columns: list[pd.Series]) -> np.ndarray:
    return np.array([", ".join(cells) for cells in zip(*columns, strict=True)], dtype=object)


def _unmatched(path: str, where: str) -> Reason:
    mend = f"correct {where}.match, or add the row to that table."
    return Reason("composition.match", f"no row of {path} matches", mend)


def _several(path: str, where: str) -> Reason:
    mend = f"add a column to {where}.match that tells them apart."
    return Reason("composition.match", f"rows of {path} that match hold different alloys", mend)
