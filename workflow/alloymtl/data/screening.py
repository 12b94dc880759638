"""Which rows of a raw file are rejected, where and why: at most one line a row, its first failing cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

FIRST_ROW = 2  # as a spreadsheet shows it: the header is row 1


@dataclass(frozen=True)
class Reason:
    """Why a row is rejected.

    Args:
        text: the same for all rows that fail in this way.
        mend: what a user can do about it.
        invalid: whether the row is wrong, and not merely of no use to the study.
    """

    text: str
    mend: str
    invalid: bool = True


class Screening:
    """The rejected rows of one raw file, for one task."""

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
        if reason not in self.reasons:
            self.reasons.append(reason)
        self._code[fresh] = self.reasons.index(reason)
        self._column[fresh] = column
        self._value[fresh] = np.asarray(values, dtype=object)[fresh]

    def table(self, file: str) -> pd.DataFrame:
        """The rejected rows as file, row, column, value, reason, mend, invalid; in the order of the file."""
        rows = np.flatnonzero(~self.good)
        reasons = [self.reasons[code] for code in self._code[rows]]
        return pd.DataFrame(
            {
                "file": np.full(len(rows), file, dtype=object),
                "row": rows + FIRST_ROW,
                "column": self._column[rows],
                "value": self._value[rows],
                "reason": np.array([r.text for r in reasons], dtype=object),
                "mend": np.array([r.mend for r in reasons], dtype=object),
                "invalid": np.array([r.invalid for r in reasons], dtype=bool),
            }
        )
