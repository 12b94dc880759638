"""Folders and archives: every file below a path that is to be read, without unpacking anything to disk."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

from alloymtl.data.raw import limits, names, places, streams
from alloymtl.data.raw.encoding import decoded_name
from alloymtl.data.raw.faults import readable_as
from alloymtl.data.raw.table import Origin
from alloymtl.errors import UserError
from alloymtl.task import Location

_WHOLE = 4 * limits.MIB  # members up to this size are decompressed once and kept while they are read
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_WORKBOOK = "xl/workbook.xml"
_SIGNATURES = {b"PK\x03\x04": "zip", b"PK\x05\x06": "zip", b"PAR1": "parquet"}


@dataclass
class Leaf:
    """A file on disk or a member of an archive.

    Attributes:
        origin: for messages and records.
        name: path inside the folder or archive, or of the file itself.
        size: bytes; as an archive states it.
        opener: opens it for reading, from its first byte.
        is_seekable: whether the opened stream can be sought in.
        is_chosen: whether the user's pattern names it, so that it must be a table.
        is_alone: whether the user named this very file.
    """

    origin: Origin
    name: str
    size: int
    opener: Callable[[], BinaryIO]
    is_seekable: bool
    is_chosen: bool = False
    is_alone: bool = False

    def open(self) -> BinaryIO:
        """Open the file from its first byte.

        Raises:
            UserError: reading fails.
        """
        return io.BytesIO(self.content) if self.size <= _WHOLE else self._stream()

    def open_seekable(self) -> BinaryIO:
        """Open the file so that it can be sought in; a member of an archive is held in memory.

        Raises:
            UserError: it is too large to be held, or reading fails.
        """
        if not self.is_seekable or self.size <= _WHOLE:
            return io.BytesIO(self.content)
        with readable_as("a file", self.origin):
            return self.opener()

    @cached_property
    def content(self) -> bytes:
        """All bytes.

        Raises:
            UserError: there are too many, or reading fails.
        """
        if self.size > limits.IN_MEMORY:
            what = f"the file has {self.size / limits.MIB:,.0f} MiB; at most {limits.IN_MEMORY // limits.MIB} MiB are"
            raise UserError(str(self.origin), f"{what} read at once.", "split it, or write it as CSV.")
        with self._stream() as stream:
            return stream.read()

    @cached_property
    def kind(self) -> str:
        """``zip``, ``sheet``, ``parquet``, ``xls``, ``office`` or ``text``, by what it holds.

        Raises:
            UserError: reading fails.
        """
        with self.open() as stream:
            head = stream.read(8)
        kind = _SIGNATURES.get(head[:4], "text")
        if head.startswith(b"\xd0\xcf\x11\xe0"):
            return "xls"
        if kind == "zip":
            with self.archive() as archive:
                inside = archive.namelist()
            if _WORKBOOK in inside:
                return "sheet"
            return "office" if "[Content_Types].xml" in inside or "mimetype" in inside else "zip"
        return "zip" if names.suffix(self.name) == names.ARCHIVE else kind

    @contextmanager
    def archive(self) -> Iterator[zipfile.ZipFile]:
        """The file as a zip archive.

        Raises:
            UserError: it is none, or a broken one.
        """
        with self.open_seekable() as stream:
            with readable_as(names.expected(self.name) or "a zip archive", self.origin):
                archive = zipfile.ZipFile(stream)
            with archive:
                yield archive

    def _stream(self) -> BinaryIO:
        kind = "a member of its archive" if self.origin.member else "a file"
        with readable_as(kind, self.origin):
            return streams.named(self.opener(), kind, str(self.origin))


class Walk:
    """Goes through all that lies behind a location.

    Args:
        location: what is read.
        key: its config key, for messages.

    Attributes:
        ignored: what lay there and was not read, and why; filled as the walk goes on.
        inside: names of what lies inside folders and archives; filled as the walk goes on.
    """

    def __init__(self, location: Location, key: str) -> None:
        self._location, self._key = location, key
        self._members = self._expanded = 0
        self.ignored: list[tuple[Origin, str]] = []
        self.inside: list[str] = []

    def leaves(self) -> Iterator[Leaf]:
        """The files to read, in the order of their names; each is to be read before the next is asked for.

        Raises:
            UserError: nothing is there, or an archive is broken, encrypted or far too large.
        """
        location = self._location
        found, others = places.find(location.path)
        if not found and not others:
            raise places.nothing(location.path, location.url, self._key)
        self.ignored.extend((Origin(other), _unread(other)) for other in others)
        self.inside.extend(others)
        for place in found:
            leaf = _on_disk(place)
            leaf.is_alone = len(found) == 1 and not place.inside
            yield from self._from(leaf, place.inside, 0)

    def _from(self, leaf: Leaf, name: str, depth: int, chosen: bool = False) -> Iterator[Leaf]:
        """The files that a file stands for: itself, or those of an archive.

        ``name`` is the whole path as ``member`` is matched with it, and ``chosen`` whether an archive around it was.
        """
        pattern = self._location.member
        if name:
            self.inside.append(name)
            chosen = chosen or self._is_chosen(name)
        # Without a name the user's path names this very file, and there is nothing to choose.
        wanted = chosen or pattern is None or not name
        readable = leaf.is_alone or chosen or names.is_readable(leaf.name)
        is_archive = names.suffix(leaf.name) == names.ARCHIVE
        if (is_archive or (wanted and readable)) and leaf.kind == "zip":
            yield from self._within(leaf, name, depth, chosen)
        elif not wanted:
            self.ignored.append((leaf.origin, f"member is {names.quoted(pattern)}"))
        elif readable:
            leaf.is_chosen = chosen
            yield leaf
        else:
            self.ignored.append((leaf.origin, _unread(leaf.name)))

    def _is_chosen(self, name: str) -> bool:
        pattern = self._location.member
        return pattern is not None and names.matches(pattern, name)

    def _within(self, leaf: Leaf, name: str, depth: int, chosen: bool) -> Iterator[Leaf]:
        if depth == limits.NESTING:
            self._refuse(leaf.origin, f"archives lie within archives more than {limits.NESTING} deep")
        with leaf.archive() as archive:
            infos = [info for info in archive.infolist() if info.file_size or not info.filename.endswith("/")]
            self._members += len(infos)
            if self._members > limits.MEMBERS:
                self._refuse(leaf.origin, f"there are more than {limits.MEMBERS:,} files in its archives")
            members = _members(infos)
            for shown, (member, parts) in zip(_told_apart([member for member, _ in members]), members, strict=True):
                inner = f"{leaf.origin.member}/{shown}" if leaf.origin.member else shown
                if member.endswith("/"):
                    self.ignored.append((Origin(leaf.origin.file, inner), "its name is that of a folder"))
                elif not names.is_junk(member):
                    below = self._member(archive, Origin(leaf.origin.file, inner), member, parts)
                    within = f"{name}/" if name else ""
                    is_chosen = chosen or self._is_chosen(within + shown)
                    yield from self._from(below, within + member, depth + 1, is_chosen)

    def _member(self, archive: zipfile.ZipFile, origin: Origin, name: str, infos: Sequence[zipfile.ZipInfo]) -> Leaf:
        is_counted = False

        def opener() -> BinaryIO:
            nonlocal is_counted
            if not is_counted:
                self._check(origin, infos)
                is_counted = True
            if len(infos) == 1:
                return archive.open(infos[0])  # type: ignore[return-value]
            return io.BytesIO(b"".join(archive.read(info) for info in infos))

        return Leaf(origin, name, sum(info.file_size for info in infos), opener, is_seekable=False)

    def _check(self, origin: Origin, infos: Sequence[zipfile.ZipInfo]) -> None:
        for info in infos:
            if info.flag_bits & 0x1:
                raise UserError(str(origin), "it is encrypted in its archive.", "unpack it, and give the file itself.")
            if info.compress_type not in _METHODS:
                what = f"its archive compresses it by a method that is not read (number {info.compress_type})."
                raise UserError(str(origin), what, "pack it anew as a usual zip archive.")
        if len(infos) > 1:
            _check_parts(str(origin), [_number(info) for info in infos], [info.file_size for info in infos])
        # zipfile stops at the stated size, so that a false one hides no more bytes.
        self._expanded += sum(info.file_size for info in infos)
        if self._expanded > limits.EXPANDED:
            self._refuse(origin, f"the archives expand to more than {limits.EXPANDED // limits.MIB:,} MiB")

    def _refuse(self, origin: Origin, what: str) -> None:
        mend = f"check that it is the right file; choose fewer files by {self._key}.member, or unpack it."
        raise UserError(str(origin), f"{what}.", mend)


def _on_disk(place: places.Place) -> Leaf:
    origin = Origin(place.name)
    with readable_as("a file", origin):
        facts = [os.stat(path) for path in place.paths]
    if not all(stat.S_ISREG(fact.st_mode) for fact in facts):
        raise UserError(str(origin), "this is no regular file.", "give a file.")
    sizes = [fact.st_size for fact in facts]
    numbers = [number for number in map(_part_number, place.paths) if number is not None]
    if numbers:
        _check_parts(str(origin), numbers, sizes)

    def opener() -> BinaryIO:
        if len(place.paths) == 1:
            return open(place.paths[0], "rb")
        return streams.joined(place.paths)

    name = place.inside or names.last(place.name).removesuffix(".part*")
    return Leaf(origin, names.nfc(name), sum(sizes), opener, is_seekable=True)


def _check_parts(where: str, numbers: Sequence[int], sizes: Sequence[int]) -> None:
    wrong = names.gap(numbers, sizes)
    if wrong:
        raise UserError(where, f"the archive is not whole: {wrong}.", "put all of its parts there.")


def _part_number(name: str) -> int | None:
    part = names.part(name)
    return part[1] if part else None


def _number(info: zipfile.ZipInfo) -> int:
    return _part_number(_name(info)) or 0


def _name(info: zipfile.ZipInfo) -> str:
    """A member's path; one that leads out of the archive is a name like any other, since nothing is unpacked."""
    return names.visible(names.nfc(decoded_name(info)).replace("\\", "/"), limit=limits.LINE)


def _members(infos: Sequence[zipfile.ZipInfo]) -> list[tuple[str, list[zipfile.ZipInfo]]]:
    """The members in the order of their names, with the parts of one archive together."""
    members: list[tuple[str, list[zipfile.ZipInfo]]] = []
    parts: dict[str, list[zipfile.ZipInfo]] = {}
    for info in infos:
        name = _name(info)
        part = names.part(name)
        if part is None:
            members.append((name, [info]))
        else:
            parts.setdefault(part[0], []).append(info)
    members.extend((whole, sorted(group, key=_number)) for whole, group in parts.items())
    return sorted(members, key=lambda member: member[0])


def _told_apart(members: Sequence[str]) -> list[str]:
    """The names of an archive's members, with a number behind one that is said again."""
    taken, counts = set(members), Counter[str]()
    shown = []
    for member in members:
        counts[member] += 1
        own = member
        while counts[member] > 1 and own in taken:
            own = f"{member} ({counts[member]})"
            counts[member] += own in taken
        shown.append(own)
    return shown


def _unread(name: str) -> str:
    end = names.suffix(name)
    return f"files that end in {end} are not read" if end else "files without a suffix are not read"
