"""Reading delimited text: a row a line, with any separator, quoting, line end and encoding."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from itertools import chain, islice

import pyarrow as pa

from alloymtl.data.raw import dialect, encoding, limits, rows
from alloymtl.data.raw.assembly import Assembly
from alloymtl.data.raw.containers import Leaf
from alloymtl.data.raw.faults import WHOLE, NoTable, reason
from alloymtl.data.raw.names import quoted
from alloymtl.data.raw.table import Fault, Reading
from alloymtl.errors import UserError
from alloymtl.task import Location

_SAMPLE_LINES = 500
_SAMPLE_CHARACTERS = 1 << 18
_STAND_IN = "\x1f"  # for a separator of several characters: the unit separator, hardly ever in a text
_SPREADSHEET_HINT = re.compile(r'"?sep=(?P<separator>.)"?[\r\n]*', re.IGNORECASE)


def read(leaf: Leaf, location: Location, key: str, assembly: Assembly) -> None:
    """Read a file or member as delimited text.

    Args:
        leaf: what to read.
        location: forces an encoding, a separator, a decimal sign; says where the header is.
        key: config key of the location, for messages.
        assembly: takes the rows.

    Raises:
        NoTable: it is empty, or has one column only.
        UserError: it cannot be decoded or parsed.
    """
    _Delimited(leaf, location, key).read(assembly)


class _Delimited:
    def __init__(self, leaf: Leaf, location: Location, key: str) -> None:
        self._leaf, self._location, self._key = leaf, location, key
        self._where = str(leaf.origin)
        self._encoding = location.encoding or self._find_encoding()
        self._skipped = location.header - 1

    def read(self, assembly: Assembly) -> None:
        if self._leaf.size == 0:
            raise NoTable(self._where, "the file is empty.", WHOLE)
        try:
            self._read(assembly)
        except UnicodeError as error:
            raise self._undecodable() from error
        except csv.Error as error:
            what = f"this is no table ({reason(error)})."
            raise UserError(self._where, what, "look for an open quotation mark, or give the right file.") from error

    def _find_encoding(self) -> str:
        text = encoding.look(self._leaf.open)
        if text.has_nul:
            what = "the file holds NUL characters, as no text in a usual encoding does."
            raise NoTable(self._where, what, f"check that it is a table; if it is UTF-16, set {self._key}.encoding.")
        if text.encoding is None:
            what = "the file's encoding is none of UTF-8, UTF-16, CP949 and cp1252."
            raise NoTable(self._where, what, f"check that it is a table, and set {self._key}.encoding.")
        return text.encoding

    def _open(self) -> io.TextIOWrapper:
        # A mark at the start of the text would else become part of the first header.
        forgiving = {"utf-8": "utf-8-sig", "utf8": "utf-8-sig"}.get(self._encoding.lower(), self._encoding)
        stream = self._leaf.open()
        try:
            return io.TextIOWrapper(stream, encoding=forgiving, newline="")
        except (LookupError, ValueError) as error:
            stream.close()
            raise self._undecodable() from error

    def _undecodable(self) -> UserError:
        where, mend = self._where, f"set {self._key}.encoding"
        try:
            line = encoding.first_broken_line(self._leaf.open, self._encoding)
            where += f", line {line}" if line else ""
        except Exception:
            pass  # no encoding at all, or one that is none of text and raises an error of its own
        likely = encoding.look(self._leaf.open).encoding
        what = f"the file cannot be read as {quoted(self._encoding)}."
        if likely in (None, self._encoding):
            return UserError(where, what, f"{WHOLE[:-1]}, or {mend}.")
        return UserError(where, what, f"{mend} to {likely!r}.")

    def _read(self, assembly: Assembly) -> None:
        with self._open() as text:
            lines = _Lines(text, self._where)
            separator = self._begin(lines)
            reader, stand_in = self._reader(lines, separator)
            names = next(reader, [])
            if stand_in:
                names = [name.replace(stand_in, separator) for name in names]
            headers = rows.headers(names, self._skipped + 1, self._where, self._key)
            if len(headers) == 1:
                raise self._one_column(headers[0], separator)
            blocks = self._blocks(reader, lines, len(headers), separator, stand_in)
            first = next(blocks, None)
            if first is None:
                raise UserError(self._where, "the file is empty but for its header.", WHOLE)
            assembly.begin(self._leaf.origin, headers)
            count = 0
            for arrays, faults in chain([first], blocks):
                assembly.add(arrays, self._skipped + 2 + count, faults)
                count += len(arrays[0])
        decimal = self._location.decimal or "."
        assembly.end(
            Reading(self._leaf.origin, "delimited", self._encoding, separator, decimal, None, count, self._skipped)
        )

    def _begin(self, lines: _Lines) -> str:
        """Skip what is above the header, and find the separator."""
        if lines.skip(self._skipped) < self._skipped:
            what = f"the file ends before row {self._location.header}, which should be its header."
            raise NoTable(self._where, what, f"set {self._key}.header.")
        sample = lines.peek()
        if len(sample) < _SAMPLE_LINES and not "".join(sample).strip():
            raise NoTable(self._where, "the file is empty.", WHOLE)
        hint = _SPREADSHEET_HINT.fullmatch(sample[0])
        if hint and self._skipped == 0:
            lines.skip(1)
            self._skipped = 1
            return self._location.separator or hint["separator"]
        separator = self._location.separator or dialect.find_separator(sample)
        if separator is None:
            raise self._one_column(sample[0].strip("\r\n"), None)
        return separator

    def _one_column(self, header: str, separator: str | None) -> NoTable:
        how = (
            f"read with the separator {separator!r}"
            if separator
            else "whichever of ',', ';', tab and '|' separates cells"
        )
        hint = dialect.likely_separator(header)
        mend = f"set {self._key}.separator" + (f" to {hint!r}." if hint and hint != separator else ".")
        if separator is None:
            mend = f"set {self._key}.separator; or {self._key}.header, where other lines stand above the header."
        return NoTable(self._where, f"the header {quoted(header)} has only one column, {how}.", mend)

    def _reader(self, lines: _Lines, separator: str) -> tuple[Iterator[list[str]], str]:
        """Rows of cells, and the character that stands for a longer separator in them."""
        if any(sign in separator for sign in '"\r\n'):
            what = f"{separator!r} cannot separate cells."
            raise UserError(f"{self._key}.separator", what, "leave it out, so that it is found.")
        if len(separator) == 1:
            return csv.reader(iter(lines), delimiter=separator), ""
        stand_in = _STAND_IN

        def replaced() -> Iterator[str]:
            for line in lines:
                if stand_in in line:
                    what = f"the file holds the control character {stand_in!r}, which cannot be read beside a long"
                    raise UserError(self._where, f"{what} separator.", f"set {self._key}.separator to one character.")
                yield line.replace(separator, stand_in)

        return csv.reader(replaced(), delimiter=stand_in), stand_in

    def _blocks(
        self, reader: Iterator[list[str]], lines: _Lines, width: int, separator: str, stand_in: str
    ) -> Iterator[tuple[list[pa.Array], list[Fault]]]:
        mend = f"quote cells that hold {separator!r}, or set {self._key}.separator."
        number = self._skipped + 1
        block: list[list[str]] = []
        before = lines.characters
        last: list[str] = []
        for last in reader:
            block.append(last)
            full = len(block) == limits.BLOCK_ROWS or len(block) * width > limits.BLOCK_CHARACTERS
            if full or lines.characters - before > limits.BLOCK_CHARACTERS:
                if lines.is_over:
                    break
                number += len(block)
                yield self._fitted(block, width, mend, separator, stand_in)
                block, before = [], lines.characters
        # The line after the last is empty, unless an open quotation mark has taken it in.
        if last or not block:
            where = f"{self._where}, row {number + len(block)}"
            raise UserError(where, "a quotation mark opens here and never closes.", "close it, or take it out.")
        block.pop()
        if block:
            counts = len(block[-1]), [cell for cell in block[-1] if cell]
            arrays, faults = self._fitted(block, width, mend, separator, stand_in)
            if not lines.ends_whole and 0 < counts[0] < width and not any(f.index == len(block) - 1 for f in faults):
                faults.append(rows.cut_short(len(block) - 1, width, counts[1][-1] if counts[1] else ""))
            yield arrays, faults

    @staticmethod
    def _fitted(
        block: list[list[str]], width: int, mend: str, separator: str, stand_in: str
    ) -> tuple[list[pa.Array], list[Fault]]:
        if stand_in:
            block[:] = [[cell.replace(stand_in, separator) for cell in row] for row in block]
        return rows.fitted(block, width, mend)


class _Lines:
    """The lines of a text with their ends, each bounded in length; after the last one an empty one.

    Attributes:
        characters: how many were read.
        is_over: whether the empty line after the last was reached.
        ends_whole: whether the last line has a line end; known when it is over.
    """

    def __init__(self, text: io.TextIOWrapper, where: str) -> None:
        self._text, self._where = text, where
        self._ahead: deque[str] = deque()
        self._lines = self._all()
        self.characters = 0
        self.is_over = False
        self.ends_whole = True

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def skip(self, count: int) -> int:
        """Pass over lines; returns how many there were."""
        return sum(1 for _ in islice(self._lines, count) if not self.is_over)

    def peek(self) -> list[str]:
        """The next lines, which stay to be read; a sample of the text."""
        size = 0
        while size < _SAMPLE_CHARACTERS and len(self._ahead) < _SAMPLE_LINES:
            line = self._text.readline(limits.LINE)
            if not line:
                break
            self._ahead.append(self._bounded(line))
            size += len(line)
        return list(self._ahead)

    def _all(self) -> Iterator[str]:
        last = "\n"
        while line := self._ahead.popleft() if self._ahead else self._text.readline(limits.LINE):
            self.characters += len(line)
            last = line
            yield line if len(line) < limits.LINE else self._bounded(line)
        self.is_over = True
        self.ends_whole = last[-1] in "\r\n"
        yield "\n"

    def _bounded(self, line: str) -> str:
        if len(line) >= limits.LINE and line[-1] not in "\r\n":
            what = f"this is no table: a line has more than {limits.LINE:,} characters."
            raise NoTable(self._where, what, "give the right file.")
        return line
