"""What the paper is made of, by file name. Nothing heavy is imported here: the Snakefile reads it while it parses."""

from __future__ import annotations

import re
from pathlib import Path

TABLES: tuple[str, ...] = (
    "table1_data",
    "table2_comparison",
    "table3_tests",
    "table4_relations",
    "table5_imbalance",
    "table6_mitigation",
    "table7_fds",
    "table8_soft",
    "table9_tails",
    "table10_properties",
    "tableC1_conflict",
    "tableC2_transfer",
    "tableC3_relations",
    "tableC4_pcgrad",
    "tableC5_weighting",
    "tableC6_samplers",
    "tableC7_capacity",
    "tableC8_grouped",
    "tableC9_claims",
    "tableC10_audit",
    "tableB1_delta",
    "tableB3_equivalence",
    "tableB4_norms",
    "tableB5_costs",
    "tableB6_published",
    "tableO1_agreement",
    "tableO2_threshold",
    "tableO3_benefit",
    "tableO4_groups",
    "tableO5_taskonomy",
    "tableA1_metrics",
    "tableA2_cost",
    "tableA3_files",
    "tableA4_rejects",
    "tableA5_profile",
    "tableA6_leakage",
)
FIGURES: tuple[str, ...] = (
    "figure2_relations",
    "figure3_validation",
    "figure4_errors",
    "figure5_confusion",
    "figure6_imbalance",
    "figure7_cosine",
    "figure8_transfer",
    "figureC1_weighting",
    "figureC2_mitigation",
    "figureC3_soft",
    "figureC4_planted",
    "figureB1_levels",
    "figureB2_ranks",
    "figureB3_norms",
    "figureB4_cost",
    "figureO1_agreement",
    "figureO2_affinity",
    "figureO3_benefit",
    "figureA1_profile",
)

AFFINITY_TABLES = (
    "agreement",
    "agreement_runs",
    "agreement_curves",
    "thresholds",
    "mean_affinity",
    "groupings",
    "linkages",
    "group_scores",
    "group_gains",
    "group_contrasts",
)
"""What the paper needs of a study with an experiment ``affinity``."""
BENEFIT_TABLES = ("pair_gains", "benefit", "benefit_shares")
"""What it needs besides of one with an experiment ``benefit``."""


def table_files(root: str) -> dict[str, str]:
    """Outputs of the step ``tables`` below ``root`` (``results/<study>``): ``<stem>_csv`` and ``<stem>_tex``."""
    return {f"{stem}_{kind}": f"{root}/tables/{stem}.{kind}" for stem in TABLES for kind in ("csv", "tex")}


def figure_files(root: str) -> dict[str, str]:
    """Outputs of the step ``figures`` below ``root``: ``<stem>_pdf``, ``<stem>_png`` and ``<stem>_csv``."""
    return {f"{stem}_{kind}": f"{root}/figures/{stem}.{kind}" for stem in FIGURES for kind in ("pdf", "png", "csv")}


def template_files(folder: str | Path = "paper") -> dict[str, str]:
    """Templates and bibliography in ``folder``, each under a name that can be an input's keyword, sorted."""
    files = sorted([*Path(folder).glob("*.tex.j2"), *Path(folder).glob("*.bib")])
    return {f"template_{re.sub(r'[^A-Za-z0-9]', '_', file.name)}": str(file) for file in files}


def render_files(root: str, folder: str | Path = "paper") -> dict[str, str]:
    """Inputs of the step ``render``: numbers, templates, every table as TeX and every figure as PDF."""
    tables = {name: path for name, path in table_files(root).items() if name.endswith("_tex")}
    figures = {name: path for name, path in figure_files(root).items() if name.endswith("_pdf")}
    numbers = {"numbers": f"{root}/paper/numbers.tex", "numbers_json": f"{root}/paper/numbers.json"}
    return {**numbers, **template_files(folder), **tables, **figures}
