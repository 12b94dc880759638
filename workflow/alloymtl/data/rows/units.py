"""Converting measured values to the unit of the study."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from alloymtl.data.raw.names import quoted
from alloymtl.errors import UserError

if TYPE_CHECKING:
    import pint

# Vickers hardness is kilogram-force per square millimetre. 100 % IACS, the International Annealed Copper Standard, is
# the conductivity of a metal of 1.7241 microohm centimetre at 20 degrees Celsius (IEC 60028).
DEFINITIONS = (
    "HV = 9.80665 * megapascal",
    "IACS = 1 / 1.7241e-8 / ohm / meter",
    "ohm_m = ohm * meter",
    "ohm_cm = ohm * centimeter",
)


BARE_UNITS = ("%IACS", "IACS", "HV", "GPa", "MPa", "uohm_cm", "ohm_cm", "ohm_m")
"""Units that are recognised at the end of a name, without brackets around them."""
BRACKETS = re.compile(r"[(\[]([^()\[\]]*(?:\([^()]*\)[^()\[\]]*)?)[)\]]\s*$")
_LATEX = {"$": "", r"^\circ": "°", r"\circ": "°", r"\mu": "μ", r"\Omega": "Ω", r"\%": "%", r"\cdot": "·"}


@cache
def _registry() -> pint.UnitRegistry:
    import pint

    registry = pint.UnitRegistry()
    for definition in DEFINITIONS:
        registry.define(definition)
    return registry


def _parse(unit: str, where: str) -> pint.Unit:
    try:
        # An exponent may be written as in mm2, and the ohm with a capital.
        plain = re.sub(r"(?<=[a-zA-Z])(\d)", r"^\1", unit).replace("Ohm", "ohm")
        return _registry().parse_units(plain)
    except Exception as error:  # pint raises errors of many kinds on a text that is no unit
        raise UserError(
            where, f"unknown unit {quoted(unit)}.", "write it as in GPa, HV, uohm_cm, ohm_m, S/m or %IACS."
        ) from error


def known(unit: str) -> bool:
    """Whether a text is a unit."""
    try:
        _parse(unit, "")
    except UserError:
        return False
    return bool(unit.strip())


def unit_of(header: str) -> str | None:
    """The unit in a column's name, such as ``MPa`` of ``YS (MPa)``; None where there is none that is known."""
    text = unicodedata.normalize("NFKC", header)
    for latex, plain in _LATEX.items():
        text = text.replace(latex, plain)
    bracket = BRACKETS.search(text)
    if bracket:
        unit = bracket.group(1).strip()
        return unit if known(unit) else None
    return next((u for u in BARE_UNITS if re.search(rf"(^|[\s_:,]){re.escape(u)}$", text)), None)


def convert(values: np.ndarray, unit: str | None, target: str, where: str) -> np.ndarray:
    """Values in the unit of the study.

    Where the two units are inverse to each other, as a conductivity is to a resistivity, the reciprocal is taken.

    Args:
        values: any shape, in ``unit``.
        unit: the source's unit; ``None`` means the study's.
        target: the study's unit.
        where: config key of the source's unit, for messages.

    Returns:
        An array of the same shape; infinite where the reciprocal of zero was taken.

    Raises:
        UserError: a unit is unknown, or the two do not measure the same thing.
    """
    if unit is None or unit == target:
        return values
    registry = _registry()
    given, wanted = _parse(unit, where), _parse(target, f"{where.split('.sources')[0]}.unit")
    if given.dimensionality == wanted.dimensionality:
        return registry.Quantity(values, given).to(wanted).magnitude
    if given.dimensionality == (1 / wanted).dimensionality:
        with np.errstate(divide="ignore"):
            return (1 / registry.Quantity(values, given)).to(wanted).magnitude
    what = f"{quoted(unit)} cannot be converted to {quoted(target)}."
    raise UserError(where, what, "correct the unit, or the column.")


def differ(unit: str, other: str) -> bool:
    """Whether two units measure the same thing, and not in the same numbers."""
    try:
        one = np.asarray(convert(np.ones(1), unit, other, ""))
    except UserError:
        return False
    return not np.isclose(one[0], 1.0, rtol=1e-6)
