"""Text and numbers as LaTeX."""

from __future__ import annotations

import math
from collections.abc import Iterable

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "·": r"\textperiodcentered{}",
    "Ω": r"\ensuremath{\Omega}",
    "μ": r"\textmu{}",
    "µ": r"\textmu{}",
    "−": r"\ensuremath{-}",
    "→": r"\ensuremath{\rightarrow}",
    "Δ": r"\ensuremath{\Delta}",
}


class Tex(str):
    """Text that is LaTeX already and must not be escaped again."""

    __slots__ = ()


def escape(value: object) -> Tex:
    """``value`` as LaTeX that sets its characters and nothing else; ``Tex`` passes unchanged."""
    if isinstance(value, Tex):
        return value
    return Tex("".join(_SPECIAL.get(character, character) for character in str(value)))


def listing(items: Iterable[object], conjunction: str = "and") -> Tex:
    """``a``, ``a and b``, ``a, b and c``: each item escaped."""
    parts = [escape(item) for item in items]
    if len(parts) < 2:
        return Tex("".join(parts))
    return Tex(f"{', '.join(parts[:-1])} {conjunction} {parts[-1]}")


def fixed(value: float, decimals: int) -> Tex:
    """A number with so many decimals, its minus sign set as one; negative zero loses it."""
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return Tex(rf"\ensuremath{{-}}{text[1:]}" if text.startswith("-") else text)


def count(value: int) -> Tex:
    """A whole number, its thousands grouped."""
    return Tex(rf"\num{{{int(value)}}}" if abs(value) >= 1000 else str(int(value)))


def shortest(value: float) -> Tex:
    """A setting such as a learning rate: as few digits as tell it apart, small ones as a power of ten."""
    if isinstance(value, int) or float(value).is_integer():
        return count(int(value))
    return Tex(rf"\num{{{value:g}}}") if abs(value) < 1e-3 else fixed(value, _decimals_of(value))


def _decimals_of(value: float) -> int:
    return len(f"{value:.6g}".partition(".")[2])


def percent(share: float) -> Tex:
    """A share of one in per cent, to one decimal; what is not all and not none is never printed as if it were."""
    text = fixed(100 * share, 1)
    if share > 0 and text == fixed(0, 1):
        text = Tex(rf"\ensuremath{{<}}{fixed(0.1, 1)}")
    elif share < 1 and text == fixed(100, 1):
        text = Tex(rf"\ensuremath{{>}}{fixed(99.9, 1)}")
    return Tex(rf"{text}\,\%")


def p_value(value: float) -> Tex:
    """A p-value to two significant digits, never as zero."""
    if value < 0.001:
        return Tex(r"\ensuremath{<}0.001")
    return fixed(value, 3 if value < 0.1 else 2)


def decimals_for(values: Iterable[float], significant: int = 3, most: int = 4) -> int:
    """Decimals that give the smallest non-zero magnitude so many significant digits; none for large numbers."""
    sizes = [abs(v) for v in values if v != 0]
    if not sizes:
        return significant
    return min(max(significant - 1 - math.floor(math.log10(min(sizes))), 0), most)
