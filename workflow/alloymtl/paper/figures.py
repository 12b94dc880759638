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
from alloymtl.paper import figure_confusion, figure_errors, figure_relations, figure_validation
from alloymtl.paper.layout import FIGURES
from alloymtl.paper.material import Material
from alloymtl.paper.spec import PaperStudy
from alloymtl.paper.style import paper_style, save

DRAWINGS: dict[str, Callable[[Material], tuple[Figure, pd.DataFrame]]] = {
    "figure2_relations": figure_relations.draw,
    "figure3_validation": figure_validation.draw,
    "figure4_errors": figure_errors.draw,
    "figure5_confusion": figure_confusion.draw,
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
