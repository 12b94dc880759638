"""Which rows of a raw table are rejected, where and why: at most one line a row, its first failing cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alloymtl.data.raw.names import visible

if TYPE_CHECKING:
    from alloymtl.data.raw import Origin, RawTable, Reading

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
        self._reasons: dict[Reason, int] = {}
        self._code = np.full(rows, -1, dtype=np.int32)
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

    @property
    def reasons(self) -> list[Reason]:
        """The reasons that any row was rejected for."""
        return list(self._reasons)

    @property
    def code(self) -> np.ndarray:
        """Which of the reasons each row (rows,) was rejected for; -1 where it was not."""
        return self._code

    def _number(self, reason: Reason) -> int:
        return self._reasons.setdefault(reason, len(self._reasons))

    def table(self, raw: RawTable, task: str) -> pd.DataFrame:
        """The rejected rows in the order of the table, all texts on one line and long ones cut off.

        Columns: file, member, row, task, column, value, rule, reason, mend, invalid.
        """
        rows = np.flatnonzero(~self.good)
        codes, origin = self._code[rows], raw.origin[rows]
        return pd.DataFrame(
            {
                "file": _texts([visible(one.file, PATH) for one in raw.origins])[origin],
                "member": _texts([_member(*one) for one in zip(raw.origins, raw.readings, strict=True)])[origin],
                "row": raw.row[rows],
                "task": np.full(len(rows), task, dtype=object),
                "column": _each(visible, self._column[rows]),
                "value": _each(visible, self._value[rows]),
                "rule": _texts([reason.rule for reason in self._reasons])[codes],
                "reason": _texts([reason.text for reason in self._reasons])[codes],
                "mend": _texts([reason.mend for reason in self._reasons])[codes],
                "invalid": np.array([reason.invalid for reason in self._reasons], dtype=bool)[codes],
            }
        )


def reject_faults(table: RawTable, screening: Screening) -> None:
    """Reject the rows of a table in which its reader found a fault, such as more cells than the header has."""
    for fault in table.faults:
        screening.reject_row(fault.index, Reason(fault.rule, fault.reason, fault.mend), fault.column, fault.value)


def _member(origin: Origin, reading: Reading) -> str:
    """The member of an archive, and the sheet of a workbook in brackets."""
    sheet = f"[{reading.sheet}]" if reading.sheet else ""
    return visible(f"{origin.member}{sheet}", PATH)


def _texts(texts: list[str]) -> np.ndarray:
    return np.array(texts, dtype=object)


def _each(change: Callable[[str], str], texts: np.ndarray) -> np.ndarray:
    """Texts (rows,) changed, equal ones once."""
    codes, unique = pd.factorize(texts)
    return _texts([change(text) for text in unique])[codes]
