"""What behind a path is to be looked at as one table."""

from __future__ import annotations

import glob
from dataclasses import dataclass, replace

from alloymtl.data.raw import Origin, read_table
from alloymtl.data.raw.containers import Walk
from alloymtl.data.raw.names import suffix
from alloymtl.data.raw.workbook import sheets
from alloymtl.errors import UserError
from alloymtl.task import Location

OBJECTS = (".json", ".jsonl")


@dataclass(frozen=True)
class _File:
    origin: Origin
    end: str
    sheets: list[str]


def locations(location: Location, key: str) -> list[Location]:
    """The tables behind a path: all files of objects as one, each sheet, and text files of the same columns as one.

    Args:
        location: where to look.
        key: config key of it, for messages.

    Raises:
        UserError: nothing is there.
    """
    found = [
        _File(leaf.origin, suffix(leaf.name), sheets(leaf) if leaf.kind == "sheet" else [])
        for leaf in Walk(location, key).leaves()
    ]
    objects = [file for file in found if file.end in OBJECTS]
    others = [file for file in found if file.end not in OBJECTS]
    return [*_together(location, objects, others), *_tables(location, others, objects, key)]


def _together(location: Location, files: list[_File], others: list[_File]) -> list[Location]:
    """Some files as one location; they have an ending that no other has."""
    if not files:
        return []
    if not others:
        return [location]
    if len(files) == 1:
        return [_of(files[0].origin)]
    return [replace(location, member=f"*{end}") for end in sorted({file.end for file in files})]


def _tables(location: Location, files: list[_File], others: list[_File], key: str) -> list[Location]:
    if not any(file.sheets for file in files) and len({file.end for file in files}) == 1:
        (whole,) = _together(location, files, others)
        if _have_one_header(whole, key):
            return [whole]
    return [replace(_of(file.origin), sheet=sheet) for file in files for sheet in _titles(file)]


def _titles(file: _File) -> list[str | None]:
    """The sheets to name; a workbook with one needs none."""
    return [*file.sheets] if len(file.sheets) > 1 else [None]


def _have_one_header(location: Location, key: str) -> bool:
    try:
        return len({part.columns for part in read_table(location, key).parts}) == 1
    except UserError:
        return False


def _of(origin: Origin) -> Location:
    """The location of one file or member."""
    return Location(path=origin.file, member=glob.escape(origin.member) or None)
