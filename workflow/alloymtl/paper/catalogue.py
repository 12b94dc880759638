"""What each table and figure shows, in a line, and where it stands in the HTML report; for the Snakefile, too."""

from __future__ import annotations

import re

DATA, RESULTS, CONTROLS, CLAIMS, COST = "Data", "Results", "Controls", "Claims and checks", "Cost and further metrics"
BALANCING, OVERLAP = "Balancing", "Overlap"
SHOWN: dict[str, tuple[str, str]] = {
    "table1_data": (DATA, "Alloys of each property by partition"),
    "tableA3_files": (DATA, "Raw files: how they were read, where their rows went"),
    "tableA4_rejects": (DATA, "Rejected rows by reason"),
    "tableA5_profile": (DATA, "Counts and ranges of each property"),
    "tableA6_leakage": (DATA, "Near-copies of test alloys in training, by kind of split"),
    "figureA1_profile": (DATA, "Histograms of labels, overlap of properties, elements"),
    "table2_comparison": (RESULTS, "Main comparison: every method's scores"),
    "table3_tests": (RESULTS, "Paired tests of the main comparison"),
    "table4_relations": (RESULTS, "Learned relations between properties"),
    "table5_imbalance": (RESULTS, "Scores by the size of the largest property"),
    "table6_mitigation": (RESULTS, "Remedies against hard sharing"),
    "table7_fds": (RESULTS, "Smoothing of features"),
    "table8_soft": (RESULTS, "Soft sharing by its coupling"),
    "table9_tails": (RESULTS, "Largest errors"),
    "table10_properties": (RESULTS, "Clusters of properties that the reported paper proposes"),
    "figure2_relations": (RESULTS, "Learned relations, every run"),
    "figure3_validation": (RESULTS, "Validation loss by epoch"),
    "figure4_errors": (RESULTS, "Errors on test alloys"),
    "figure5_confusion": (RESULTS, "Confusion of classes"),
    "figure6_imbalance": (RESULTS, "Scores by the size of the largest property"),
    "figure7_cosine": (RESULTS, "Cosines between the gradients of properties"),
    "figure8_transfer": (RESULTS, "Transfer from the largest property"),
    "tableC1_conflict": (CONTROLS, "Conflict of gradients, corrected for noise"),
    "tableC2_transfer": (CONTROLS, "Transfer against training from scratch"),
    "tableC3_relations": (CONTROLS, "Relations without penalty or weight decay"),
    "tableC4_pcgrad": (CONTROLS, "What of gradient projection helps"),
    "tableC5_weighting": (CONTROLS, "Weights of the losses"),
    "tableC6_samplers": (CONTROLS, "Batches that hold every property"),
    "tableC7_capacity": (CONTROLS, "Size of the heads"),
    "tableC8_grouped": (CONTROLS, "Main comparison under another split"),
    "figureC1_weighting": (CONTROLS, "Weights of the losses"),
    "figureC2_mitigation": (CONTROLS, "Remedies beside reported changes"),
    "figureC3_soft": (CONTROLS, "Soft sharing by its coupling"),
    "figureC4_planted": (CONTROLS, "Planted relations found again"),
    "tableB1_delta": (BALANCING, "Balancers against independent networks"),
    "figureB1_levels": (BALANCING, "Balancers by the size of the largest property"),
    "figureB2_ranks": (BALANCING, "Balancers by mean rank"),
    "tableB3_equivalence": (BALANCING, "Which balancers reach a grid search of weights"),
    "tableB4_norms": (BALANCING, "Norms of gradients against imbalance"),
    "tableB5_costs": (BALANCING, "Cost of each balancer beside its gain"),
    "tableB6_published": (BALANCING, "Gains beside those published for other data"),
    "figureB3_norms": (BALANCING, "Norms of gradients against imbalance"),
    "figureB4_cost": (BALANCING, "Gain of each balancer by its cost"),
    "tableO1_agreement": (OVERLAP, "Agreement of gradients with what is known of tasks, by overlap"),
    "tableO2_threshold": (OVERLAP, "Whether agreement has a threshold of overlap"),
    "tableO3_benefit": (OVERLAP, "Gain of pairs against the cosine of their gradients"),
    "tableO4_groups": (OVERLAP, "Groups of tasks by gradients against known ones"),
    "tableO5_taskonomy": (OVERLAP, "Gain of training in groups of tasks"),
    "figureO1_agreement": (OVERLAP, "Agreement of gradients with what is known of tasks, by overlap"),
    "figureO2_affinity": (OVERLAP, "Cosines between all tasks, and their tree"),
    "figureO3_benefit": (OVERLAP, "Gain of pairs against the cosine of their gradients"),
    "tableC9_claims": (CLAIMS, "Verdict on each claim of the reported paper"),
    "tableC10_audit": (CLAIMS, "Checks of printed numbers"),
    "tableA1_metrics": (COST, "Further metrics"),
    "tableA2_cost": (COST, "Epochs, steps and seconds of each method"),
}
"""Category and content by the stem of the file."""
_STEM = re.compile(r"(table|figure)([A-Z]?\d+)_")


def category(stem: str) -> str:
    """Category of a table or figure in the report."""
    return SHOWN[stem][0]


def labels(stem: str) -> dict[str, str]:
    """Number and content of a table or figure, as columns of the report's list."""
    kind, number = _STEM.match(stem).groups()
    return {"number": f"{kind.capitalize()} {number}", "shows": SHOWN[stem][1]}
