"""Which rows of a raw table are rejected, where and why: at most one line a row, its first failing cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alloymtl.data.raw.names import visible

if TYPE_CHECKING:
    from alloymtl.data.raw import RawTable

PATH = 1000  # characters of a path that are shown


@dataclass(frozen=True)
class Reason:
    """Why a row is rejected.

    Args:
        rule: name of the rule that the row breaks, such as ``composition.sum``.
        text: what is wrong, the same for all rows that fail in this way.
        mend: what a user can do about it.
        invalid: whether the row is wrong, and not merely of no use to the study.
    """

    rule: str
    text: str
    mend: str
    invalid: bool = True


class Screening:
    """The rejected rows of one raw table, for one task."""

    def __init__(self, rows: int) -> None:
        self.reasons: list[Reason] = []
        self._code = np.full(rows, -1, dtype=np.int16)
        self._column = np.full(rows, None, dtype=object)
        self._value = np.full(rows, None, dtype=object)

    @property
    def good(self) -> np.ndarray:
        """Mask (rows,) of the rows that nothing was found against so far."""
        return self._code < 0

    def reject(self, mask: np.ndarray, reason: Reason, column: str, values: Sequence[Any] | pd.Series) -> None:
        """Reject the rows of a mask (rows,) that were not rejected before; ``values`` (rows,) are their cells."""
        fresh = np.flatnonzero(mask & self.good)
        if not len(fresh):
            return
        cells = values.iloc[fresh] if isinstance(values, pd.Series) else np.asarray(values, dtype=object)[fresh]
        self._code[fresh] = self._number(reason)
        self._column[fresh] = column
        self._value[fresh] = np.asarray(cells, dtype=object)

    def reject_row(self, row: int, reason: Reason, column: str, value: str) -> None:
        """Reject one row, if nothing was found against it before."""
        if self._code[row] < 0:
            self._code[row], self._column[row], self._value[row] = self._number(reason), column, value

    def found(self, row: int) -> Reason | None:
        """Why a row is rejected; None if it is not."""
        return self.reasons[self._code[row]] if self._code[row] >= 0 else None

    def _number(self, reason: Reason) -> int:
        if reason not in self.reasons:
            self.reasons.append(reason)
        return self.reasons.index(reason)

    def table(self, raw: RawTable, task: str) -> pd.DataFrame:
        """The rejected rows in the order of the table, all texts on one line and long ones cut off.

        Columns: file, member, row, task, column, value, rule, reason, mend, invalid.
        """
        rows = np.flatnonzero(~self.good)
        reasons = [self.reasons[code] for code in self._code[rows]]
        origins = [raw.origins[number] for number in raw.origin[rows]]
        return pd.DataFrame(
            {
                "file": np.array([visible(origin.file, PATH) for origin in origins], dtype=object),
                "member": np.array([visible(origin.member, PATH) for origin in origins], dtype=object),
                "row": raw.row[rows],
                "task": np.full(len(rows), task, dtype=object),
                "column": np.array([visible(column) for column in self._column[rows]], dtype=object),
                "value": np.array([visible(value) for value in self._value[rows]], dtype=object),
                "rule": np.array([r.rule for r in reasons], dtype=object),
                "reason": np.array([r.text for r in reasons], dtype=object),
                "mend": np.array([r.mend for r in reasons], dtype=object),
                "invalid": np.array([r.invalid for r in reasons], dtype=bool),
            }
        )
