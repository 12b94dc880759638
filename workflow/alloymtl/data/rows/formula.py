"""Reading chemical formulas of alloys."""

from __future__ import annotations

import math
import re
import unicodedata

from alloymtl.data.elements import symbols
from alloymtl.data.rows.numbers import is_raised

_OPEN = {"(": ")", "[": "]", "{": "}"}
_PART = re.compile(r"\s*([A-Z][a-z]?|[()\[\]{}])\s*(\d+\.?\d*|\.\d+)?\s*")
# As in LaTeX (with braces and without) and in HTML.
_SUBSCRIPT = re.compile(r"\$?_\{([\d.]+)\}\$?|\$_([\d.]+)\$|_([\d.]+)|<sub>([\d.]+)</sub>", re.IGNORECASE)
NOT_A_FORMULA = "not a chemical formula"
UNKNOWN_SYMBOL = "unknown element symbol"


class FormulaError(ValueError):
    """A text that is no formula; the message is ``NOT_A_FORMULA`` or ``UNKNOWN_SYMBOL``."""


def parse_formula(text: str) -> dict[str, float]:
    """Amounts of the elements in an alloy's formula, as written and not normalised.

    A missing amount is one. A group in brackets, of any kind and nested, is read as metallurgists write it: its inner
    amounts are only a ratio, and the number behind it is the amount of the group as a whole, so that ``(CaCu)70Mg30``
    is Ca 35, Cu 35, Mg 30 and ``((Cu60Zr40)98Y2)90Al10`` sums to 100. Spaces may stand between parts, and amounts may
    be written as subscripts of Unicode, LaTeX or HTML; a superscript is no amount.

    Args:
        text: for example ``Al0.25 Co1 Fe1 Ni1``.

    Raises:
        FormulaError: the text is no formula, or holds a symbol of no element.
    """
    groups: list[dict[str, float]] = [{}]
    closing: list[str] = []
    if is_raised(text):
        raise FormulaError(NOT_A_FORMULA)
    text = unicodedata.normalize("NFKC", text)  # subscript and full-width digits become digits
    text = _SUBSCRIPT.sub(lambda found: next(group for group in found.groups() if group), text)
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None:
            raise FormulaError(NOT_A_FORMULA)
        part, number = match.groups()
        amount = 1.0 if number is None else float(number)
        if not math.isfinite(amount):
            raise FormulaError(NOT_A_FORMULA)
        position = match.end()
        if part in _OPEN:
            if number is not None:
                raise FormulaError(NOT_A_FORMULA)
            groups.append({})
            closing.append(_OPEN[part])
        elif part.isalpha():
            if part not in symbols():
                raise FormulaError(UNKNOWN_SYMBOL)
            groups[-1][part] = groups[-1].get(part, 0.0) + amount
        else:
            _close(groups, closing, part, amount)
    if closing or not groups[0]:
        raise FormulaError(NOT_A_FORMULA)
    return groups[0]


def _close(groups: list[dict[str, float]], closing: list[str], bracket: str, amount: float) -> None:
    """End the innermost group and add its elements, scaled to the group's amount, to the one around it."""
    if not closing or closing.pop() != bracket:
        raise FormulaError(NOT_A_FORMULA)
    inner = groups.pop()
    total = sum(inner.values())
    if total <= 0:
        raise FormulaError(NOT_A_FORMULA)
    for symbol, share in inner.items():
        groups[-1][symbol] = groups[-1].get(symbol, 0.0) + share / total * amount
