"""Rows that the reader of a raw table itself found wrong."""

from __future__ import annotations

from alloymtl.data.raw import RawTable
from alloymtl.data.screening import Reason, Screening


def reject_faults(table: RawTable, screening: Screening) -> None:
    """Reject the rows of a table in which the reader found a fault, such as more cells than the header has."""
    for fault in table.faults:
        screening.reject_row(fault.index, Reason(fault.rule, fault.reason, fault.mend), fault.column, fault.value)
