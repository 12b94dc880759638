"""Which engine takes a method's steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alloymtl.errors import UserError
from alloymtl.run import Part

AUTO, REFERENCE, COMPILED = "auto", "reference", "compiled"
FORMS = {
    "architecture": ("shared", "soft", "structured"),
    "loss": ("squared", "contrast", "mixture"),
}
"""Forms of parts that the compiled engine knows how to compute. The reference engine has a module for each form."""


def chosen(training: Mapping[str, Any], parts: Mapping[str, Part], key: str) -> str:
    """The engine of a method: the one that its settings name; with ``auto`` the compiled one where it knows the parts.

    Args:
        training: its settings.
        parts: its parts by kind.
        key: config key of the method, to name in an error.

    Raises:
        UserError: the compiled engine is named and does not know a part.
    """
    named = training["engine"]
    unknown = [part for kind, part in parts.items() if kind in FORMS and part.form not in FORMS[kind]]
    if named == AUTO:
        return REFERENCE if unknown else COMPILED
    if named == COMPILED and unknown:
        what = f"the compiled engine does not know {unknown[0].kind} {unknown[0].name!r} (form {unknown[0].form!r})."
        raise UserError(key, what, "set training.engine to auto or reference.")
    return named
