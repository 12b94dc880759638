"""Reading JSON: nested objects, one or many a file, become rows whose headers are the keys joined by points."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from alloymtl.data.raw import encoding
from alloymtl.data.raw.assembly import Assembly
from alloymtl.data.raw.containers import Leaf
from alloymtl.data.raw.faults import WHOLE
from alloymtl.data.raw.names import quoted, visible
from alloymtl.data.raw.table import Fault, Reading, normal
from alloymtl.errors import UserError
from alloymtl.task import Location

KEYS = "keys"  # the rule that an object breaks which says a key twice
_SPACE = re.compile(r"[ \t\r\n]*")


def read(leaf: Leaf, location: Location, key: str, assembly: Assembly) -> None:
    """Read a file of one object, of a list of objects, of an object that holds just such a list, or of JSON lines.

    Args:
        leaf: what to read.
        location: may force an encoding, or a decimal sign for texts.
        key: config key of the location, for messages.
        assembly: takes the objects.

    Raises:
        UserError: it cannot be decoded or parsed, or holds something else than objects.
    """
    where = str(leaf.origin)
    name = location.encoding or encoding.look(leaf.open).encoding
    if name is None:
        raise UserError(
            where, "the file's encoding is none of UTF-8, UTF-16, CP949 and cp1252.", f"set {key}.encoding."
        )
    count = 0
    try:
        text = leaf.content.decode("utf-8-sig" if name == "utf-8" else name)
        assembly.begin_objects(leaf.origin)
        for count, item in enumerate(_objects(text, where), start=1):
            cells, twice = _flat(item)
            assembly.add_object(cells, count, [_said_twice(k, cells.get(k, "")) for k in twice])
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        what = visible(error.msg.removesuffix(" at"))
        raise UserError(where, f"this is no JSON ({what} at {at}).", WHOLE) from error
    except (ValueError, LookupError) as error:
        raise UserError(where, f"the file cannot be read as {quoted(name)}.", f"set {key}.encoding.") from error
    except RecursionError as error:
        raise UserError(where, "its objects and lists are nested too deeply.", "give the right file.") from error
    if count == 0:
        raise UserError(where, "the file holds no objects.", WHOLE)
    assembly.end(Reading(leaf.origin, "json", name, None, location.decimal or ".", None, count, 0))


def _said_twice(key: str, value: str) -> Fault:
    return Fault(0, key, visible(value), KEYS, "the object says the key twice", "keep one of the two.")


def _objects(text: str, where: str) -> Iterator[dict[str, Any]]:
    """The objects of a text, one after the other."""
    decoder = json.JSONDecoder(
        object_pairs_hook=_pairs, parse_float=_Literal, parse_int=_Literal, parse_constant=_Literal
    )
    at = _skip(text, 0)
    if text.startswith("[", at):
        yield from _items(decoder, text, at + 1, where)
        return
    first = True
    while at < len(text):
        item, end = decoder.raw_decode(text, at)
        at = _skip(text, end)
        held = _held(item) if first and at == len(text) else None
        first = False
        for each in [item] if held is None else held:
            yield _checked(each, where)


def _items(decoder: json.JSONDecoder, text: str, at: int, where: str) -> Iterator[dict[str, Any]]:
    """The objects of a list, which begins before ``at``."""
    at = _skip(text, at)
    while not text.startswith("]", at):
        item, end = decoder.raw_decode(text, at)
        yield _checked(item, where)
        at = _skip(text, end)
        if text.startswith(",", at):
            at = _skip(text, at + 1)
            if text.startswith("]", at):
                raise json.JSONDecodeError("Expecting value", text, at)
        elif not text.startswith("]", at):
            raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
    if _skip(text, at + 1) < len(text):
        raise json.JSONDecodeError("Extra data", text, at + 1)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _held(item: Any) -> list[Any] | None:
    """The list of objects that is all an object holds; None where it holds anything else."""
    if isinstance(item, dict) and len(item) == 1:
        (value,) = item.values()
        if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            return value
    return None


def _checked(item: Any, where: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        what = f"the file should hold objects, and holds {quoted(_written(item))}."
        raise UserError(where, what, "write each row as an object of names and values.")
    return item


class _Literal(str):
    """A number, or another word without quotation marks, as it is written."""


class _Object(dict):
    """An object that says some keys more than once."""

    twice: tuple[str, ...] = ()


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = dict(pairs)
    if len(values) < len(pairs):
        values = _Object(values)
        values.twice = tuple(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
    return values


_header = lru_cache(maxsize=1 << 14)(normal)


def _flat(item: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
    """An object's values as text by header, and the headers that it says more than once."""
    cells: dict[str, str] = {}
    twice: list[str] = []

    def put(prefix: str, values: dict[str, Any]) -> None:
        twice.extend(prefix + _header(key) for key in getattr(values, "twice", ()))
        for key, value in values.items():
            header = prefix + _header(key)
            if isinstance(value, dict) and value:
                put(f"{header}.", value)
            elif header in cells:
                twice.append(header)
            else:
                cells[header] = _cell(value, header, twice)

    put("", item)
    return cells, twice


def _cell(value: Any, header: str, twice: list[str]) -> str:
    if isinstance(value, str):
        return str(value)
    if value is None or value == {}:
        return ""
    return _written(value, header, twice)


def _written(value: Any, header: str = "", twice: list[str] | None = None) -> str:
    """A value as JSON text, with numbers as they were written."""
    if isinstance(value, _Literal):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(_written(each, header, twice) for each in value)}]"
    if isinstance(value, dict):
        if twice is not None:
            twice.extend(f"{header}.{key}" for key in getattr(value, "twice", ()))
        pairs = (f"{json.dumps(key, ensure_ascii=False)}: {_written(v, header, twice)}" for key, v in value.items())
        return f"{{{', '.join(pairs)}}}"
    return json.dumps(value, ensure_ascii=False)
