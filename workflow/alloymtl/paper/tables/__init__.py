"""Step ``tables``: the tables of the paper, each as CSV in full precision and as LaTeX.

A new table is one function, in a module of its own or beside its kin, and one line in ``REGISTRY``; its name stands in
``layout.TABLES``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alloymtl.files import write_csv, write_text
from alloymtl.paper.layout import TABLES
from alloymtl.paper.material import Material
from alloymtl.paper.spec import PaperStudy
from alloymtl.paper.tables import (
    agreement,
    balancing_cost,
    benefit,
    comparison,
    conflict,
    cost,
    data,
    delta,
    equivalence,
    experiments,
    groups,
    leakage,
    levels,
    mitigation,
    norms,
    profile,
    raw,
    relations,
    reported_gains,
    soft,
    split,
    tails,
    taskonomy,
    tests,
    threshold,
    words,
)
from alloymtl.paper.tables.tabular import Table

REGISTRY: dict[str, Callable[[Material], Table]] = {
    "table1_data": data.make,
    "table2_comparison": comparison.make,
    "table3_tests": tests.make,
    "table4_relations": relations.make,
    "table5_imbalance": levels.make,
    "table6_mitigation": mitigation.make,
    "table7_fds": experiments.smoothing,
    "table8_soft": soft.make,
    "table9_tails": tails.make,
    "table10_properties": words.properties,
    "tableC1_conflict": conflict.make,
    "tableC2_transfer": experiments.transfer,
    "tableC3_relations": relations.make_controls,
    "tableC4_pcgrad": experiments.pcgrad_controls,
    "tableC5_weighting": experiments.weighting,
    "tableC6_samplers": experiments.samplers,
    "tableC7_capacity": experiments.capacity,
    "tableC8_grouped": split.make,
    "tableC9_claims": words.claims,
    "tableC10_audit": words.audit,
    "tableB1_delta": delta.make,
    "tableB3_equivalence": equivalence.make,
    "tableB4_norms": norms.make,
    "tableB5_costs": balancing_cost.make,
    "tableB6_published": reported_gains.make,
    "tableO1_agreement": agreement.make,
    "tableO2_threshold": threshold.make,
    "tableO3_benefit": benefit.make,
    "tableO4_groups": groups.make,
    "tableO5_taskonomy": taskonomy.make,
    "tableA1_metrics": comparison.make_others,
    "tableA2_cost": cost.make,
    "tableA3_files": raw.files,
    "tableA4_rejects": raw.rejects,
    "tableA5_profile": profile.make,
    "tableA6_leakage": leakage.make,
}
PACKAGES = "array, booktabs, adjustbox, longtable and siunitx"


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write every table of ``layout.TABLES`` as ``<stem>_csv`` and ``<stem>_tex``.

    Raises:
        UserError: a cell of the matrix or a test is missing, or a value is no number.
    """
    material = Material(PaperStudy.from_spec(spec), inputs)
    note = f"% Study {material.study.name}. Made by `alloymtl tables`; needs {PACKAGES}.\n"
    mark = "% Simulated data.\n" if material.study.simulated else ""
    for stem in TABLES:
        made = REGISTRY[stem](material)
        write_csv(outputs[f"{stem}_csv"], made.data)
        write_text(outputs[f"{stem}_tex"], note + mark + made.tex)
