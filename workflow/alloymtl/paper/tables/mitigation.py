"""Table 6: remedies for imbalance, alone and together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alloymtl.paper.display import metric_decimals
from alloymtl.paper.latex import Tex, escape
from alloymtl.paper.material import Material
from alloymtl.paper.tables.experiments import experiment_table
from alloymtl.paper.tables.parts import DASH, number, reported_of
from alloymtl.paper.tables.tabular import Table
from alloymtl.run import Level
from alloymtl.task import Task

NAME = "mitigation"
NUMBER = 6


def make(material: Material) -> Table:
    """Losses and balancers against the one shared baseline, and below each task what pairs of them gain together.

    Synergy is the gain of both minus the gains of each (arXiv:2512.22740, equation 8), its p-value uncorrected; beside
    it stands what the same formula makes of the reported means. In the CSV ``quantity`` tells its rows from scores.
    """

    def synergies(task: Task, level: Level) -> list[dict[str, Any]]:
        return list(_synergies(material, task, level))

    further = ["quantity"] if material.reported is None else ["quantity", "reported_synergy"]
    made = experiment_table(material, NAME, reported=NUMBER, percent=True, after=synergies, further=further)
    return Table(made.data.assign(quantity=made.data["quantity"].fillna("score")), made.tex)


def _synergies(material: Material, task: Task, level: Level) -> Iterator[dict[str, Any]]:
    metric, table = material.study.metrics(task)[0], material.synergy
    wanted = (table["experiment"] == NAME) & (table["level"] == str(level))
    wanted &= (table["task"] == task.name) & (table["metric"] == metric)
    for found in table[wanted].itertuples():
        row = {"experiment": NAME, "level": str(level), "task": task.name, "metric": metric, "method": found.both}
        row |= {"title": Tex(rf"\quad Synergy in {escape(material.study.methods[found.both].title)}")}
        row |= {"quantity": "synergy", "baseline": found.baseline, "n_pairs": found.n_pairs, "said": DASH}
        row |= {"mean_difference": found.value, "ci_low": found.ci_low, "ci_high": found.ci_high}
        row["p_value"] = found.p_value
        methods = (found.both, found.baseline, found.first, found.second)
        said = [reported_of(material, NUMBER, task.name, metric, method=m, level=level) for m in methods]
        if all(cell is not None and cell.mean for cell in said):
            both, baseline, first, second = (cell.value for cell in said)
            value = both + baseline - first - second
            row |= {"reported_synergy": value, "said": number(value, metric_decimals(metric, [value]))}
        yield row
