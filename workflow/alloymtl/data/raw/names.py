"""Names of files and archive members: their normal form, what they say of a file, and which a pattern chooses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

TABLES = (".csv", ".tsv", ".txt", ".dat", ".json", ".jsonl", ".xlsx", ".xlsm", ".parquet")
ARCHIVE = ".zip"
_EXPECTED = {".xlsx": "an XLSX workbook", ".xlsm": "an XLSX workbook", ".parquet": "a Parquet file"}
PROSE = (".txt", ".dat")  # may as well hold notes
_PART = re.compile(r"(?P<whole>.+\.zip)\.part(?P<number>\d{1,18})", re.IGNORECASE | re.DOTALL)


def nfc(name: str) -> str:
    """The name in normal form C: a Mac stores Korean in form D, which looks the same and compares otherwise."""
    return unicodedata.normalize("NFC", name)


def visible(text: str, limit: int = 200) -> str:
    """The text on one line: what cannot be printed is escaped, and what goes beyond ``limit`` is cut off."""
    shown = text[: limit + 1]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)
    return shown if len(shown) <= limit else f"{shown[:limit]}..."


def quoted(text: str, limit: int = 60) -> str:
    """The text on one line in quotation marks."""
    return f"'{visible(text, limit)}'"


def listed(names: Iterable[str], limit: int = 8) -> str:
    """The first names, and how many more there are."""
    names = [visible(name) for name in names]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) or "nothing") + more


def last(name: str) -> str:
    """The last part of a path."""
    return name.rpartition("/")[2]


def suffix(name: str) -> str:
    """What follows the last dot of a file's name, with the dot and in lower case; empty where there is none."""
    stem, dot, end = last(name).rpartition(".")
    return f".{end}".lower() if stem and dot else ""


def part(name: str) -> tuple[str, int] | None:
    """The archive that a file such as ``X.zip.part0`` is part of, and the number of the part; None of other files."""
    found = _PART.fullmatch(name)
    return (found["whole"], int(found["number"])) if found else None


def expected(name: str) -> str | None:
    """What a file with such a suffix holds, where that is no text."""
    return _EXPECTED.get(suffix(name))


def is_readable(name: str) -> bool:
    """Whether the suffix is that of a table or an archive."""
    return suffix(name) in (*TABLES, ARCHIVE) or part(name) is not None


def is_junk(name: str) -> bool:
    """Whether operating systems and office programs made the file for themselves."""
    pieces = name.split("/")
    own = pieces[-1]
    return "__MACOSX" in pieces or own.startswith(("._", "~$")) or own in (".DS_Store", "Thumbs.db", "desktop.ini")


def matches(pattern: str, name: str) -> bool:
    """Whether a name or its last part is, or fits, a pattern of ``fnmatch``; both in normal form C."""
    pattern = nfc(pattern)
    return any(pattern == own or fnmatchcase(own, pattern) for own in (name, last(name)))


def gap(numbers: Sequence[int], sizes: Sequence[int]) -> str | None:
    """What is wrong with the parts of an archive; None where they are whole.

    Parts are counted from 0 or 1, or each is named by the byte of the archive at which it begins.

    Args:
        numbers: of the parts, ascending.
        sizes: of the parts in bytes.
    """
    if len(set(numbers)) < len(numbers):
        return "two parts have the same number"
    first = numbers[0]
    if first in (0, 1) and list(numbers) == list(range(first, first + len(numbers))):
        return None
    if first > 1:
        return "its first part is missing"
    if first == 1 or numbers[1] < sizes[0]:  # then they count the parts
        missing = next(number for number in range(first, max(numbers)) if number not in numbers)
        return f"part {missing} is missing"
    begin = 0
    for number, size in zip(numbers, sizes, strict=True):
        if number != begin:
            return f"part {number} should begin at byte {begin}, so that a part is missing or incomplete"
        begin += size
    return None
