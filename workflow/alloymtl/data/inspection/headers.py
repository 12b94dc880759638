"""What the name of a column says: a unit, an identifier, a name for a task."""

from __future__ import annotations

import re
import unicodedata

from alloymtl.data.rows.units import BRACKETS, known, unit_of
from alloymtl.data.simulate.settings import PROPERTIES

_IDENTIFIERS = re.compile(
    r"(^|[\W_])(id|no|nr|index|sample|lot|doi|ref|reference|url|year|title)($|[\W_])", re.IGNORECASE
)


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
    plain = BRACKETS.sub("", text)
    if unit and plain == text:
        plain = text[: -len(unit)] if len(text) > len(unit) + 3 else text
    plain = plain.rsplit(":", 1)[-1] if plain.rsplit(":", 1)[-1].strip() else text
    plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")
    return slug if re.match(r"[a-z]", slug) else f"label_{slug}".rstrip("_")


def usual_unit(header: str) -> str | None:
    """The unit of a property that is called by its bare name, as in ``Nano indentation.Hardness``; None for others."""
    found = PROPERTIES.get(header.rpartition(".")[2].strip().lower())
    return found.unit if found and known(found.unit) else None
