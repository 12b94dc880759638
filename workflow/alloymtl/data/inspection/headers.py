"""What the name of a column says: a unit, an identifier, a name for a task."""

from __future__ import annotations

import re
import unicodedata

from alloymtl.data.simulate.settings import PROPERTIES
from alloymtl.data.units import known

POSITIONS = {"X", "Y", "x", "y"}
BARE_UNITS = ("%IACS", "IACS", "HV", "GPa", "MPa", "uohm_cm", "ohm_cm", "ohm_m")
"""Units that are recognised at the end of a name, without brackets around them."""
_BRACKETS = re.compile(r"[(\[]([^()\[\]]*(?:\([^()]*\)[^()\[\]]*)?)[)\]]\s*$")
_LATEX = {"$": "", r"^\circ": "°", r"\circ": "°", r"\mu": "μ", r"\Omega": "Ω", r"\%": "%", r"\cdot": "·"}
_IDENTIFIERS = re.compile(
    r"(^|[\W_])(id|no|nr|index|sample|lot|doi|ref|reference|url|year|title)($|[\W_])", re.IGNORECASE
)


def unit_of(header: str) -> str | None:
    """The unit in a column's name, such as ``MPa`` of ``YS (MPa)``; None where there is none that is known."""
    text = unicodedata.normalize("NFKC", header)
    for latex, plain in _LATEX.items():
        text = text.replace(latex, plain)
    bracket = _BRACKETS.search(text)
    if bracket:
        unit = bracket.group(1).strip()
        return unit if known(unit) else None
    return next((u for u in BARE_UNITS if re.search(rf"(^|[\s_:,]){re.escape(u)}$", text)), None)


def is_identifier(header: str) -> bool:
    """Whether a column's name says that it names samples, references or years, and no property."""
    return bool(_IDENTIFIERS.search(header))


def task_name(header: str) -> str:
    """A name for the task: letters, digits and underscores, without the unit; of a Korean property the English one."""
    text = unicodedata.normalize("NFKC", header)
    for name, known_property in PROPERTIES.items():
        if known_property.korean and known_property.korean in text:
            return name
    unit = unit_of(header)
    plain = _BRACKETS.sub("", text)
    if unit and plain == text:
        plain = text[: -len(unit)] if len(text) > len(unit) + 3 else text
    plain = plain.rsplit(":", 1)[-1] if plain.rsplit(":", 1)[-1].strip() else text
    plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")
    return slug if re.match(r"[a-z]", slug) else f"label_{slug}".rstrip("_")
