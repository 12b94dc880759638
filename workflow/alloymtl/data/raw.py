"""Reading a raw CSV as text, and finding its columns."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from alloymtl.errors import UserError
from alloymtl.task import Source

ENCODINGS = ("utf-8-sig", "cp949", "cp1252")  # the usual ones, the strictest first
SEPARATORS = (",", ";", "\t", "|")


def _normal(header: str) -> str:
    return unicodedata.normalize("NFC", header).strip()


def _alike(header: str) -> str:
    # The micro sign and the Greek mu look the same; so do the ohm sign and the omega.
    return unicodedata.normalize("NFKC", header).strip()


@dataclass(frozen=True)
class RawTable:
    """The cells of a raw file as text: ``cells`` (rows, columns), numbered columns; ``headers`` their names."""

    path: str
    headers: list[str]
    cells: pd.DataFrame

    def __len__(self) -> int:
        return len(self.cells)

    def column(self, name: str, key: str) -> pd.Series:
        """One column's text, without spaces around it.

        Args:
            name: its header.
            key: the config key that names it.

        Raises:
            UserError: no column, or more than one, has that header.
        """
        found = self._find(_normal(name), map(_normal, self.headers)) or self._find(
            _alike(name), map(_alike, self.headers)
        )
        if not found:
            raise UserError(self.path, f"there is no column {name!r}.", f"{self._hint(name)} Or set {key}.")
        if len(found) > 1:
            raise UserError(self.path, f"{len(found)} columns are named {name!r}.", "rename all but one of them.")
        return self.cells[found[0]].str.strip()

    def _hint(self, name: str) -> str:
        """The columns whose names come nearest, whatever their case; all of them where none comes near."""
        folded = {header.casefold(): header for header in self.headers}
        near = [folded[header] for header in difflib.get_close_matches(name.casefold(), folded, n=3)]
        if near:
            return f"did you mean {' or '.join(map(repr, near))}?"
        return f"its columns are {', '.join(self.headers)}."

    @staticmethod
    def _find(name: str, headers: Iterable[str]) -> list[int]:
        return [number for number, header in enumerate(headers) if header == name]


def read_table(source: Source, key: str) -> RawTable:
    """Read a raw file.

    Args:
        source: the file, its encoding and separator.
        key: config key of the source, for messages.

    Raises:
        UserError: the file is missing or empty, or its encoding or separator does not fit.
    """
    path = Path(source.path)
    if not path.is_file():
        raise UserError(source.path, "this raw file does not exist.", f"put it there, or set {key}.path in the config.")
    if path.stat().st_size == 0:
        raise UserError(source.path, "the file is empty.", "put the whole file there again.")
    cells = _read_cells(source, key)
    headers = [_normal(header) for header in cells.iloc[0]]
    if len(headers) == 1:
        hint = _likely_separator(headers[0])
        what = f"the header {headers[0][:60]!r} has only one column, read with the separator {source.separator!r}."
        raise UserError(source.path, what, f"set {key}.separator" + (f" to {hint!r}." if hint else "."))
    cells = cells.iloc[1:].reset_index(drop=True)
    if cells.empty:
        raise UserError(source.path, "the file is empty but for its header.", "put the whole file there again.")
    return RawTable(source.path, headers, cells)


def _read_cells(source: Source, key: str) -> pd.DataFrame:
    single = len(source.separator) == 1  # pandas takes a longer one for a regular expression
    try:
        # The header is read as a row, so that repeated names and ragged rows are seen and not patched over.
        return pd.read_csv(
            source.path,
            header=None,
            dtype=str,
            na_filter=False,
            skip_blank_lines=False,
            encoding=source.encoding,
            sep=source.separator if single else re.escape(source.separator),
            engine="c" if single else "python",
        ).fillna("")  # the cells that a short row lacks
    except (UnicodeError, LookupError) as error:
        what = f"the file cannot be read as {source.encoding!r}."
        raise UserError(source.path, what, f"set {key}.encoding{_likely_encoding(source)}.") from error
    except pd.errors.EmptyDataError as error:
        raise UserError(source.path, "the file is empty.", "put the whole file there again.") from error
    except pd.errors.ParserError as error:
        ragged = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if ragged is None:
            raise UserError(source.path, f"this is no table ({error}).", "look for an open quotation mark.") from error
        wanted, row, seen = ragged.groups()
        what = f"there are {seen} cells where the header has {wanted}."
        mend = f"quote cells that hold {source.separator!r}, or set {key}.separator."
        raise UserError(f"{source.path}, row {row}", what, mend) from error


def _likely_encoding(source: Source) -> str:
    content = Path(source.path).read_bytes()
    for encoding in ENCODINGS:
        try:
            content.decode(encoding)
        except UnicodeError:
            continue
        return f" to {encoding!r}"
    return ""


def _likely_separator(header: str) -> str | None:
    counts = {separator: header.count(separator) for separator in SEPARATORS}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else None
