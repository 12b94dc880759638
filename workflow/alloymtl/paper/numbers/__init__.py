"""Step ``numbers``: every number that the paper's text says, by name, and the facts that decide its wording.

A collector is a function of the material that adds to a store. Those of one subject stand in one module; controls are
studies like any other, with numbers below ``control.<name>``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alloymtl.paper.material import Material
from alloymtl.paper.numbers import (
    balancing,
    balancing_norms,
    conflict,
    controls,
    data,
    design,
    levels,
    overlap,
    relations,
    reported,
    soft,
    tests,
)
from alloymtl.paper.numbers.store import Store
from alloymtl.paper.spec import PaperStudy

Collector = Callable[[Material, Store], None]

OF_ANY_STUDY: tuple[Collector, ...] = (
    design.settings,
    data.data,
    tests.scores,
    tests.tests,
    relations.relations,
    relations.clusters,
)
OF_THE_STUDY: tuple[Collector, ...] = (
    data.repeats,
    data.leakage,
    levels.levels,
    conflict.cosines,
    tests.synergies,
    relations.variants,
    soft.similarities,
    soft.tails,
    controls.weights,
    controls.projection,
    controls.splits,
    balancing.gains,
    balancing_norms.equivalence,
    balancing_norms.norms,
    balancing_norms.costs,
    balancing_norms.gains,
    overlap.overlap,
    reported.tables,
    reported.verdicts,
)


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write ``numbers`` (LaTeX) and ``numbers_json`` (the same, with facts).

    Raises:
        UserError: a cell of the matrix or a test is missing, or a number is NaN.
    """
    material = Material(PaperStudy.from_spec(spec), inputs)
    store = Store()
    for collect in OF_ANY_STUDY:
        collect(material, store)
    store.facts["controls"] = {}
    for name, control in material.controls.items():
        below = store.below(f"control.{name}")
        for collect in OF_ANY_STUDY:
            collect(control, below)
        store.facts["controls"][name] = below.facts
    for collect in OF_THE_STUDY:
        collect(material, store)
    mark = "% Simulated data.\n" if material.study.simulated else ""
    header = f"% Numbers of study {material.study.name}. Made by `alloymtl numbers`.\n{mark}"
    store.write(outputs["numbers"], outputs["numbers_json"], header)
