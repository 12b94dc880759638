"""Can learned relations find what was planted? Strengths within clusters of related tasks, and between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alloymtl.paper.display import figure_text
from alloymtl.paper.figures.style import PANELS_PER_ROW, Colour, colours, notice, panels
from alloymtl.paper.material import Material
from alloymtl.paper.samples import interval, tidy
from alloymtl.paper.spec import MethodView

CONTROL = "planted"
GROUPS = ("within", "between")
COLUMNS = ["method", "group", "series", "split_seed", "seed", "pairs", "value", "ci_low", "ci_high", "n"]
APART = 0.16  # between a group's runs and its mean


def draw(material: Material) -> tuple[Figure, pd.DataFrame]:
    """One panel for each method of the control study that learns relations, on its own scale from zero.

    A dot is a run: its mean strength over the ordered pairs of two different tasks of one cluster (``within``) and of
    two clusters (``between``), joined by a line; beside them the mean over runs with its t-interval. The CSV's
    ``series`` is ``run`` or ``mean``, ``pairs`` the relations behind each value.
    """
    control = material.controls.get(CONTROL)
    if control is None:
        return notice("This study has no control with planted relations."), pd.DataFrame(columns=COLUMNS)
    clusters = control.study.clusters
    sizes = [list(clusters.values()).count(cluster) for cluster in set(clusters.values())]
    if len(sizes) < 2 or max(sizes) < 2 or not control.related:
        return notice("The control with planted relations has no pairs to compare."), pd.DataFrame(columns=COLUMNS)
    data = tidy([row for method in control.related for row in _rows(control, method, clusters)], COLUMNS)
    figure, axes = panels(len(control.related), height=2.2)
    palette = colours(material.study, [method.name for method in control.related])
    for ax, method in zip(axes, control.related, strict=True):
        _panel(ax, data[data["method"] == method.name], palette[method.name])
        ax.set_title(figure_text(method.title), loc="left")
    for ax in axes[::PANELS_PER_ROW]:
        ax.set_ylabel("Mean strength of a relation")
    return figure, data


def _rows(control: Material, method: MethodView, clusters: Mapping[str, str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    tasks, experiment = control.study.tasks, control.study.main
    for group in GROUPS:
        pairs = [
            (receiver, source)
            for receiver in tasks
            for source in tasks
            if receiver is not source and (clusters[receiver.name] == clusters[source.name]) == (group == "within")
        ]
        values = np.mean([control.relation(method, receiver, source) for receiver, source in pairs], axis=0)
        name = {"method": method.name, "group": group, "pairs": len(pairs)}
        for (split_seed, seed), value in zip(experiment.replicates(), values, strict=True):
            rows.append({**name, "series": "run", "split_seed": split_seed, "seed": seed, "value": float(value)})
        rows.append({**name, "series": "mean", **interval(values, experiment, control.study.evaluation["alpha"])})
    return rows


def _panel(ax: Axes, data: pd.DataFrame, colour: Colour) -> None:
    runs, means = data[data["series"] == "run"], data[data["series"] == "mean"]
    for _, run in runs.groupby(["split_seed", "seed"], sort=False):
        ax.plot([APART, 1 - APART], run["value"], "o-", ms=3, mew=0, lw=0.5, color=colour, alpha=0.55)
    for place, (_, row) in zip((-APART / 2, 1 + APART / 2), means.iterrows(), strict=True):
        ax.plot([place, place], [row["ci_low"], row["ci_high"]], color=colour, lw=1.3)
        ax.plot(place, row["value"], "o", ms=5, mec="white", mew=0.5, color=colour)
    ax.set_xticks([0, 1], ["within clusters", "between clusters"])
    ax.set_xlim(-0.45, 1.45)
    ax.set_ylim(bottom=min(0.0, float(means["ci_low"].min(skipna=True))))
    ax.tick_params(axis="x", length=0)
