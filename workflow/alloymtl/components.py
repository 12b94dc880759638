"""What a method is made of: finding its parts by name, and their options, without importing them.

A part (an architecture, a loss, a smoothing, a balancer, a sampler, an optimiser) is one file in the folder of its
kind, named in the config by the file's name. What a config must know of it are literals at the top of that file, which
are read from the source text, so that checking a config costs milliseconds and needs no torch:

- ``OPTIONS``: its options and their defaults; ``CHOICES``: the values that an option may take, where it lists them;
- ``EXTRAS``: the files that it adds to a run;
- ``SHARED = False``: an architecture in which no parameter serves several tasks;
- ``GRADIENTS``: a balancer that is asked in each step; which of the tasks' gradients it looks at: those of the
  ``last`` shared linear map, of all ``shared`` parameters, or ``none`` but the losses;
- ``FAMILY``: a balancer whose direction others have too, and what they have in common;
- ``FORM``: the form of an architecture, a loss or an optimiser, by which an engine knows how to compute it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

from alloymtl.errors import UserError, suggestion
from alloymtl.literals import constants
from alloymtl.run import FOLDERS, PACKAGE, Part

NO_SMOOTHING = "none"


@cache
def names(kind: str) -> tuple[str, ...]:
    """The parts of a kind that exist, sorted by name."""
    return tuple(sorted(p.stem for p in (PACKAGE / FOLDERS[kind]).glob("*.py") if not p.stem.startswith("_")))


def _constants(kind: str, name: str) -> dict[str, Any]:
    return constants(PACKAGE / FOLDERS[kind] / f"{name}.py")


def extras(kind: str, name: str) -> tuple[str, ...]:
    """Files that a part adds to a run's folder, for example ``("relations",)``."""
    return _constants(kind, name).get("EXTRAS", ())


def shares(architecture: str) -> bool:
    """Whether some of an architecture's parameters serve several tasks."""
    return _constants("architecture", architecture).get("SHARED", True)


def check_together(parts: Mapping[str, Part], key: str) -> None:
    """Make sure that a method's parts go together.

    Args:
        parts: by kind.
        key: config key of the method, to name in an error.

    Raises:
        UserError: a part acts on what the tasks share, and the architecture shares nothing; or an optimiser does not
            know the gradients that the balancer looks at.
    """
    kinds = ("architecture", "balancer", "smoothing", "optimiser")
    architecture, balancer, smoothing, optimiser = (parts[kind].name for kind in kinds)
    by_gradients = "GRADIENTS" in _constants("optimiser", optimiser)
    if shares(architecture):
        if by_gradients and _constants("balancer", balancer).get("GRADIENTS") == "last":
            what = f"optimiser {optimiser!r} has no gradients of the last shared map alone, as {balancer!r} wants them."
            raise UserError(f"{key}.optimiser", what, "take another balancer, or leave this key out.")
        return
    what = f"acts on what the tasks share, and architecture {architecture!r} shares nothing."
    mend = "take another architecture, or leave this key out."
    if "GRADIENTS" in _constants("balancer", balancer):
        raise UserError(f"{key}.balancer", f"balancer {balancer!r} {what}", mend)
    if by_gradients:
        raise UserError(f"{key}.optimiser", f"optimiser {optimiser!r} {what}", mend)
    if smoothing != NO_SMOOTHING:
        raise UserError(f"{key}.smoothing", f"smoothing {smoothing!r} {what}", mend)


def _fits(value: Any, default: Any) -> bool:
    """Whether an option's value is of the kind of its default; no option of any part takes a negative number."""
    if isinstance(value, bool) or isinstance(default, bool) or not isinstance(default, (int, float)):
        return isinstance(value, type(default))
    return isinstance(value, int if isinstance(default, int) else (int, float)) and 0 <= value < math.inf


def resolve(kind: str, name: str, options: dict[str, Any], key: str) -> dict[str, Any]:
    """A part's full options: its defaults, overlaid with what the config sets.

    Args:
        kind: one of ``run.FOLDERS``.
        name: the part's name in the config.
        options: what the config sets.
        key: config key to name in an error.

    Raises:
        UserError: no such part, or the part has no such option, or an option of the wrong type or outside its choices.
    """
    if name not in names(kind):
        raise UserError(f"{key}.{kind}", f"there is no {kind} {name!r}.", suggestion(name, names(kind)))
    literals = _constants(kind, name)
    defaults, choices = literals.get("OPTIONS", {}), literals.get("CHOICES", {})
    for option, value in options.items():
        where = f"{key}.{kind}_options.{option}"
        if option not in defaults:
            raise UserError(where, f"{kind} {name!r} has no such option.", suggestion(option, list(defaults)))
        default = defaults[option]
        if not _fits(value, default):
            what = f"{value!r} is not of the kind of its default {default!r}."
            mend = "change the value: a number is whole where its default is, and not negative."
            if isinstance(value, bool) and isinstance(default, str):
                mend = "put it in quotation marks: YAML reads on and off as truth values."
            raise UserError(where, what, mend)
        if option in choices and value not in choices[option]:
            raise UserError(where, f"{value!r} is none of its choices.", suggestion(str(value), choices[option]))
    return {**defaults, **options}
