"""The files behind a path of the config.

This module needs the standard library only, so that the workflow can list its inputs at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from alloymtl.data.raw import names
from alloymtl.errors import UserError

_MAGIC = re.compile(r"[*?[]")


@dataclass(frozen=True)
class Place:
    """One file, or all parts of one archive.

    Attributes:
        name: its path; with ``.part*`` at the end where it lies in parts.
        paths: the files in order.
        inside: its path below the folder that was asked for; empty where the file itself was.
    """

    name: str
    paths: tuple[str, ...]
    inside: str = ""


def files(path: str) -> list[str]:
    """The files on disk that are read for a path, in order; none where nothing is there.

    Args:
        path: a file; a folder, for all files below it that can be read; or a pattern with ``*``, ``?``, ``[]`` and
            ``**``. Any part of an archive, or the archive itself where only its parts are there, stands for all parts.
            A name is found in whatever Unicode normal form it is stored.

    Raises:
        UserError: a folder cannot be listed.
    """
    return [file for place in find(path)[0] for file in place.paths]


def find(path: str) -> tuple[list[Place], list[str]]:
    """The places to read for a path, and the files there that are of no kind that can be read.

    Args:
        path: see ``files``.

    Raises:
        UserError: see ``files``.
    """
    found = list(_expand("/" if path.startswith("/") else "", [piece for piece in path.split("/") if piece]))
    named = names.part(path)
    if named or not found:
        found = _parts(named[0] if named else path) or found
    is_pattern = len(found) > 1 and bool(_MAGIC.search(path))
    inside = {file: "" for file in found if not os.path.isdir(file)}
    skipped: list[str] = []
    if is_pattern and any(map(names.is_readable, inside)):
        skipped = [file for file in inside if not names.is_readable(file)]
    for folder in filter(os.path.isdir, found):
        for file in _below(folder):
            within = names.nfc(os.path.relpath(file, folder))
            if names.is_readable(file):
                inside.setdefault(file, within)
            else:
                skipped.append(file)
    kept = {file: within for file, within in inside.items() if file not in set(skipped)}
    return _grouped(kept, skipped), sorted(skipped, key=names.nfc)


def _listdir(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder or "."))
    except NotADirectoryError:
        return []
    except OSError as error:
        raise UserError(folder, f"the folder cannot be listed ({error.strerror}).", "allow it to be read.") from error


def _expand(base: str, pieces: list[str]) -> Iterator[str]:
    """The files and folders below ``base`` that fit the pieces of a path; a name that exists is no pattern."""
    if not pieces:
        if os.path.exists(base):
            yield base
        return
    own, *rest = pieces
    if own == "**":
        yield from _expand(base, rest)
        for name in _listdir(base):
            below = os.path.join(base, name)
            if not name.startswith(".") and os.path.isdir(below) and not os.path.islink(below):
                yield from _expand(below, pieces)
    elif os.path.lexists(os.path.join(base, own)):
        yield from _expand(os.path.join(base, own), rest)
    elif os.path.isdir(base or "."):
        listing = _listdir(base)
        same = [name for name in listing if names.nfc(name) == names.nfc(own)]
        if not same and _MAGIC.search(own):
            shown = (n for n in listing if not names.is_junk(n) and (own.startswith(".") or not n.startswith(".")))
            same = [name for name in shown if names.matches(own, names.nfc(name))]
        for name in same:
            yield from _expand(os.path.join(base, name), rest)


def _parts(whole: str) -> list[str]:
    """The parts beside which an archive would lie."""
    folder, _, own = whole.rpartition("/")
    start = "/" if whole.startswith("/") else ""
    pieces = [piece for piece in folder.split("/") if piece]
    wanted = names.nfc(own).casefold()
    return [
        os.path.join(base, name)
        for base in (_expand(start, pieces) if pieces else [start])
        for name in _listdir(base)
        if (part := names.part(names.nfc(name))) and part[0].casefold() == wanted
    ]


def _below(folder: str) -> Iterator[str]:
    """All files below a folder, but for hidden ones; links are followed, each folder once."""
    seen: set[str] = set()

    def walk(base: str) -> Iterator[str]:
        real = os.path.realpath(base)
        if real in seen:
            return
        seen.add(real)
        for name in _listdir(base):
            if name.startswith(".") or names.is_junk(name):
                continue
            own = os.path.join(base, name)
            if os.path.isdir(own):
                yield from walk(own)
            else:
                yield own

    return walk(folder)


def _grouped(inside: dict[str, str], skipped: list[str]) -> list[Place]:
    """The files in order, those of one archive together; parts beside the whole archive are left out."""
    groups: dict[str, list[str]] = {}
    for file in inside:
        part = names.part(file)
        groups.setdefault(f"{part[0]}.part*" if part else file, []).append(file)
    places = []
    for name, paths in groups.items():
        if name.endswith(".part*") and name not in inside and name.removesuffix(".part*") in inside:
            skipped.extend(paths)
            continue
        paths.sort(key=_number)
        within = inside[paths[0]]
        part = names.part(within)
        places.append(Place(name, tuple(paths), part[0] if part else within))
    return sorted(places, key=lambda place: names.nfc(place.name))


def _number(path: str) -> tuple[int, str]:
    part = names.part(path)
    return (part[1] if part else 0, path)


def nothing(path: str, url: str, key: str) -> UserError:
    """The error to raise where nothing to read lies behind a path.

    Args:
        path: from the config.
        url: where to download it, or empty.
        key: config key of the location.
    """
    origin = f"get it from {url}" if url else "put it there"
    shown = names.visible(path)
    if os.path.isdir(path):
        what = f"the folder holds no file that can be read ({_suffixes()})."
        return UserError(shown, what, f"{origin}, or set {key}.path in the config.")
    if _MAGIC.search(path):
        return UserError(shown, "no file fits this pattern.", f"{origin}, or set {key}.path in the config.")
    return UserError(shown, "this raw file does not exist.", f"{origin}, or set {key}.path in the config.")


def _suffixes() -> str:
    return ", ".join([*names.TABLES, names.ARCHIVE])
