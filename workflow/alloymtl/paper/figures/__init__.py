"""Step ``figures``: the figures of the paper, each as PDF, PNG and the CSV of what it shows.

A new figure is one module with ``draw`` and one line in ``DRAWINGS``; its name stands in ``layout.FIGURES``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from alloymtl.files import write_csv
from alloymtl.paper.figures import (
    affinity,
    agreement,
    balancing_cost,
    balancing_levels,
    balancing_ranks,
    benefit,
    confusion,
    cosine,
    errors,
    imbalance,
    mitigation,
    norms,
    planted,
    profile,
    relations,
    soft,
    transfer,
    validation,
    weighting,
)
from alloymtl.paper.figures.style import paper_style, save
from alloymtl.paper.layout import FIGURES
from alloymtl.paper.material import Material
from alloymtl.paper.spec import PaperStudy

DRAWINGS: dict[str, Callable[[Material], tuple[Figure, pd.DataFrame]]] = {
    "figure2_relations": relations.draw,
    "figure3_validation": validation.draw,
    "figure4_errors": errors.draw,
    "figure5_confusion": confusion.draw,
    "figure6_imbalance": imbalance.draw,
    "figure7_cosine": cosine.draw,
    "figure8_transfer": transfer.draw,
    "figureC1_weighting": weighting.draw,
    "figureC2_mitigation": mitigation.draw,
    "figureC3_soft": soft.draw,
    "figureC4_planted": planted.draw,
    "figureB1_levels": balancing_levels.draw,
    "figureB2_ranks": balancing_ranks.draw,
    "figureB3_norms": norms.draw,
    "figureB4_cost": balancing_cost.draw,
    "figureO1_agreement": agreement.draw,
    "figureO2_affinity": affinity.draw,
    "figureO3_benefit": benefit.draw,
    "figureA1_profile": profile.draw,
}


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write every figure of ``layout.FIGURES`` as ``<stem>_pdf``, ``<stem>_png`` and ``<stem>_csv``.

    Raises:
        UserError: a run that a figure needs is missing, or a value is no number.
    """
    material = Material(PaperStudy.from_spec(spec), inputs)
    with paper_style():
        for stem in FIGURES:
            figure, data = DRAWINGS[stem](material)
            save(figure, outputs[f"{stem}_pdf"], outputs[f"{stem}_png"])
            write_csv(outputs[f"{stem}_csv"], data)
