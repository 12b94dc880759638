"""The raw room: whatever lies on disk becomes one table of text cells.

``places`` needs the standard library only, and the workflow lists its inputs by it; the rest is imported when it is
asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alloymtl.data.raw.reader import read_table
    from alloymtl.data.raw.table import Fault, Origin, RawTable, Reading

__all__ = ["Fault", "Origin", "RawTable", "Reading", "read_table"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "reader" if name == "read_table" else "table"
    return getattr(import_module(f"{__name__}.{module}"), name)
