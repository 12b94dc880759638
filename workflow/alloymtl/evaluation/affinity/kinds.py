"""Names of what is known of how two tasks are related (``relations``), for whoever reads those tables."""

from __future__ import annotations

FEWEST = 20
"""Alloys with both labels below which arXiv:2604.07848 takes no correlation, and this step none either."""
JACCARD, LABELS, LABELS_LEFT, SIGNALS, WEIGHTS = "jaccard", "labels", "labels_left", "signals", "weights"
MAGNITUDES = {LABELS: "labels_magnitude", SIGNALS: "signals_magnitude", WEIGHTS: "weights_magnitude"}
"""Kinds of relation without their sign, by the kind that has it."""
KINDS = (JACCARD, LABELS, LABELS_LEFT, SIGNALS, WEIGHTS, *MAGNITUDES.values())
