"""Reading all that lies behind a location into one table of text cells."""

from __future__ import annotations

import re

from alloymtl.data.raw import delimited, documents, names, parquet, workbook
from alloymtl.data.raw.assembly import Assembly
from alloymtl.data.raw.containers import Leaf, Walk
from alloymtl.data.raw.faults import WHOLE, NoTable
from alloymtl.data.raw.table import RawTable
from alloymtl.errors import UserError
from alloymtl.task import Location

_JSON = (".json", ".jsonl")
_OBJECT = re.compile(rb'(\xef\xbb\xbf)?\s*(\{\s*"|\[\s*\{\s*")')  # no header of a table begins so
_FOREIGN = {
    "xls": ("an XLS workbook, or one with a password", "save it as XLSX without a password."),
    "office": ("an office document, but no XLSX workbook", "save its table as XLSX or CSV."),
    "zip": ("an archive", "give it the suffix .zip."),
}


def read_table(location: Location, key: str) -> RawTable:
    """Read the files behind a location, those in folders and archives included, one below the other.

    Text files may have any encoding, separator, quoting and line end; what the location leaves open is found.
    Workbooks, Parquet and JSON files are told by what they hold. Nothing is unpacked to disk.

    Args:
        location: what to read, and how.
        key: its config key such as ``tasks.hardness.sources[0]``, for messages.

    Raises:
        UserError: there is nothing to read, or a file, named in the message, cannot be read.
    """
    assembly = Assembly(location, key)
    walk = Walk(location, key)
    for leaf in walk.leaves():
        try:
            _read(leaf, location, key, assembly)
        except NoTable as error:
            has_begun = len(assembly.origins) > len(assembly.readings)
            if has_begun or leaf.is_alone or leaf.is_chosen or names.suffix(leaf.name) not in names.PROSE:
                raise
            walk.ignored.append((leaf.origin, error.what.rstrip(".")))
    assembly.ignored.extend(walk.ignored)
    if not assembly.origins:
        raise _nothing_read(walk, location, key)
    return assembly.table()


def _read(leaf: Leaf, location: Location, key: str, assembly: Assembly) -> None:
    kind = leaf.kind
    if kind in _FOREIGN:
        what, mend = _FOREIGN[kind]
        raise UserError(str(leaf.origin), f"the file is {what}.", mend)
    if kind == "sheet":
        workbook.read(leaf, location, key, assembly)
    elif kind == "parquet":
        parquet.read(leaf, location, assembly)
    elif names.suffix(leaf.name) in _JSON or _begins_as_json(leaf):
        documents.read(leaf, location, key, assembly)
    else:
        _check_is_text(leaf)
        delimited.read(leaf, location, key, assembly)


def _begins_as_json(leaf: Leaf) -> bool:
    with leaf.open() as stream:
        return _OBJECT.match(stream.read(1 << 10)) is not None


def _check_is_text(leaf: Leaf) -> None:
    expected = names.expected(leaf.name)
    if expected and leaf.size:
        with leaf.open() as stream:
            head = stream.read(1 << 10)
        if b"\0" in head:
            raise UserError(str(leaf.origin), f"the file cannot be read as {expected}.", WHOLE)


def _nothing_read(walk: Walk, location: Location, key: str) -> UserError:
    where = names.visible(location.path)
    inside = names.listed(walk.inside)
    if location.member is not None and any(reason.startswith("member is") for _, reason in walk.ignored):
        what = f"no file in it is, or fits, {names.quoted(location.member)}; there are {inside}."
        return UserError(where, what, f"set {key}.member.")
    return UserError(where, f"no file in it is a table; there are {inside}.", f"set {key}.path to the tables.")
