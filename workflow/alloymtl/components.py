"""What a method is made of: finding its parts by name, and their options, without importing them.

A part (an architecture, a loss, a balancer, a sampler) is one file in the folder of its kind, named in the config by
the file's name. Its options and their defaults are the literal dict ``OPTIONS`` at the top of that file, the files that
it adds to a run the literal tuple ``EXTRAS``. They are read from the source text, so that checking a config costs
milliseconds and needs no torch.
"""

from __future__ import annotations

import ast
import math
from functools import cache
from pathlib import Path
from typing import Any

from alloymtl.errors import UserError, suggestion
from alloymtl.run import FOLDERS

PACKAGE = Path(__file__).parent


@cache
def names(kind: str) -> tuple[str, ...]:
    """The parts of a kind that exist, sorted by name."""
    return tuple(sorted(p.stem for p in (PACKAGE / FOLDERS[kind]).glob("*.py") if not p.stem.startswith("_")))


@cache
def _constants(kind: str, name: str) -> dict[str, Any]:
    tree = ast.parse((PACKAGE / FOLDERS[kind] / f"{name}.py").read_text(encoding="utf-8"))
    assigned = {t.id: n.value for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if hasattr(t, "id")}
    return {word: ast.literal_eval(assigned[word]) for word in ("OPTIONS", "EXTRAS") if word in assigned}


def extras(kind: str, name: str) -> tuple[str, ...]:
    """Files that a part adds to a run's folder, for example ``("relations",)``."""
    return _constants(kind, name).get("EXTRAS", ())


def _fits(value: Any, default: Any) -> bool:
    """Whether an option's value is of the kind of its default; no option of any part takes a negative number."""
    if isinstance(value, bool) or isinstance(default, bool) or not isinstance(default, (int, float)):
        return isinstance(value, type(default))
    return isinstance(value, int if isinstance(default, int) else (int, float)) and 0 <= value < math.inf


def resolve(kind: str, name: str, options: dict[str, Any], key: str) -> dict[str, Any]:
    """A part's full options: its defaults, overlaid with what the config sets.

    Args:
        kind: ``architecture``, ``loss``, ``balancer`` or ``sampler``.
        name: the part's name in the config.
        options: what the config sets.
        key: config key to name in an error.

    Raises:
        UserError: no such part, or the part has no such option, or an option of the wrong type.
    """
    if name not in names(kind):
        raise UserError(f"{key}.{kind}", f"there is no {kind} {name!r}.", suggestion(name, names(kind)))
    defaults = _constants(kind, name).get("OPTIONS", {})
    for option, value in options.items():
        where = f"{key}.{kind}_options.{option}"
        if option not in defaults:
            raise UserError(where, f"{kind} {name!r} has no such option.", suggestion(option, list(defaults)))
        default = defaults[option]
        if not _fits(value, default):
            what = f"{value!r} is not of the kind of its default {default!r}."
            raise UserError(where, what, "change the value: a number is whole where its default is, and not negative.")
    return {**defaults, **options}
