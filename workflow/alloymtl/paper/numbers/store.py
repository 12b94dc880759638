"""Numbers by name: what the text of the paper may say, and what it decides its wording by."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alloymtl.errors import UserError
from alloymtl.files import write_json, write_text
from alloymtl.paper.latex import Tex, count, fixed, p_value, shortest

_KEY = re.compile(r"[A-Za-z0-9_.+-]+")


@dataclass
class Store:
    """Numbers of one study. ``facts`` holds what is no number: verdicts, lists of names.

    ``prefix`` stands before the names of all numbers that are added here.
    """

    numbers: dict[str, dict[str, Any]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    prefix: str = ""

    def below(self, name: str) -> Store:
        """A store that adds to the same numbers under names that start with ``name``, and has facts of its own."""
        return Store(self.numbers, prefix=f"{self.prefix}{name}.")

    def add(self, key: str, value: float | int, text: Tex) -> None:
        r"""Name a number.

        Args:
            key: what the text calls it in ``\val{key}``; letters, digits and ``_ . + -``.
            value: the number itself, for whoever reads the JSON; an infinity is kept as text only.
            text: the number as the text sets it.

        Raises:
            UserError: the value is NaN.
            ValueError: the key is unusable or taken.
        """
        key = self.prefix + key
        if not _KEY.fullmatch(key) or key in self.numbers:
            raise ValueError(f"the number's name {key!r} is unusable or taken")
        if math.isnan(value):
            raise UserError(f"number {key}", "it is NaN, which the paper may not print.", "see where it comes from.")
        self.numbers[key] = {"value": value if math.isfinite(value) else None, "text": str(text)}

    def count(self, key: str, value: int) -> None:
        """Name a whole number."""
        self.add(key, int(value), count(int(value)))

    def number(self, key: str, value: float, decimals: int) -> None:
        """Name a number that is set with so many decimals."""
        self.add(key, float(value), fixed(float(value), decimals))

    def percent(self, key: str, share: float) -> None:
        """Name a share of one, set in per cent."""
        self.add(key, float(share), Tex(rf"{shortest(round(100 * share, 6))}\,\%"))

    def spread(self, key: str, mean: float, sd: float, decimals: int) -> None:
        """Name a mean (``.mean``) and a standard deviation (``.sd``)."""
        self.number(f"{key}.mean", mean, decimals)
        self.number(f"{key}.sd", sd, decimals)

    def interval(self, key: str, low: float, high: float, decimals: int) -> None:
        """Name both ends of an interval (``.low``, ``.high``)."""
        self.number(f"{key}.low", low, decimals)
        self.number(f"{key}.high", high, decimals)

    def probability(self, key: str, value: float) -> None:
        r"""Name a p-value with its sign of relation, for use in ``$p\val{...}$``: ``<0.001`` or ``=0.02``."""
        text = p_value(value)
        self.add(key, float(value), text if "<" in text else Tex(f"={text}"))

    def write(self, tex: Path, json: Path, header: str) -> None:
        r"""Write the numbers as LaTeX definitions, and numbers and facts as JSON.

        ``\val{key}`` prints a number. A key that is not there stops LaTeX with an error that names it.
        """
        lines = [rf"\newnumber{{{key}}}{{{number['text']}}}" for key, number in self.numbers.items()]
        write_text(tex, header + _MACROS + "\n".join(lines) + "\n")
        write_json(json, {"numbers": self.numbers, "facts": self.facts})


_MACROS = r"""\makeatletter
\newcommand{\newnumber}[2]{\@namedef{number@#1}{#2}}
\DeclareRobustCommand{\val}[1]{%
  \ifcsname number@#1\endcsname
    \csname number@#1\endcsname
  \else
    \GenericError{}{Undefined number '#1'}{No step of the pipeline has computed it.}{}%
  \fi}
\makeatother
"""
