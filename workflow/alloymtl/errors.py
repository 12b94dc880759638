"""The one exception that a user is meant to read."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class UserError(Exception):
    """A mistake that the user can mend: in the config, in a raw file, in a command.

    Args:
        where: the file, row or config key at fault, for example ``hardness.csv, row 17, column HV``.
        what: what is wrong with it.
        mend: what to do about it.
    """

    def __init__(self, where: str, what: str, mend: str = "") -> None:
        self.where, self.what, self.mend = where, what, mend
        super().__init__(f"{where}: {what}" + (f" Mend: {mend}" if mend else ""))


def suggestion(word: str, known: Sequence[str]) -> str:
    """A hint for a misspelt word: the nearest known one, then all of them."""
    near = difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}Known: {', '.join(known) or 'none'}."
