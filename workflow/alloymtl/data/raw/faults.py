"""From what a library makes of a broken file to a message for the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alloymtl.data.raw.names import visible
from alloymtl.errors import UserError

WHOLE = "put the whole file there again."


class NoTable(UserError):  # noqa: N818
    """A text that is no table, as notes beside the tables are none."""


@contextmanager
def readable_as(kind: str, where: object) -> Iterator[None]:
    """Turn whatever a library raises on a broken file into one line.

    Args:
        kind: what the file should be, for example ``a zip archive``.
        where: the file, as a message shows it.

    Raises:
        UserError: the block raised an exception.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # parsers of binary formats raise nearly every type on broken bytes
        raise UserError(str(where), f"the file cannot be read as {kind} ({reason(error)}).", WHOLE) from error


def reason(error: BaseException) -> str:
    """An exception's own words on one line, else its kind."""
    return visible(" ".join(str(error).split()).rstrip("."), limit=160) or type(error).__name__
