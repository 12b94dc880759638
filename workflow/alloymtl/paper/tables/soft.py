"""Table 8: a backbone for each task, drawn to each other, against one for all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from alloymtl.errors import UserError
from alloymtl.experiment import Experiment
from alloymtl.paper.cells import MEND, spread
from alloymtl.paper.display import MEASURES
from alloymtl.paper.latex import Tex, escape, fixed
from alloymtl.paper.material import Material
from alloymtl.paper.reported import printed
from alloymtl.paper.tables.experiments import COLUMNS, PERCENT, REPORTED_COLUMNS, TEST, Shown, experiment_parts
from alloymtl.paper.tables.parts import DASH, mean_and_sd, no_experiment, reported_columns, reported_of, with_columns
from alloymtl.paper.tables.tabular import PLUS_MINUS, Table, Tabular, spanning, stacked

NAME = "soft"
NUMBER = 8
SHARED = ("hard", "structured")  # architectures with one backbone, which is as alike as can be
ALIKE = ("weight_cosine", "cka")
DECIMALS = 4  # values close to 1


def make(material: Material) -> Table:
    """First metric of each task as in other experiments, and how alike the backbones of two tasks are.

    A run's similarity is the mean over pairs of tasks; the CSV has a row for each pair as well, named ``first|second``.
    """
    experiment = material.study.experiments.get(NAME)
    beside = NUMBER if material.reported is not None else None
    columns = [*COLUMNS, "baseline", *TEST, *PERCENT, *(REPORTED_COLUMNS if beside else [])]
    if experiment is None:
        return no_experiment(columns, NAME)
    scores, tabular = experiment_parts(material, Shown(experiment, beside))
    alike = [row for method in experiment.methods for row in _similarity(material, experiment, method)]
    data = pd.concat([scores, pd.DataFrame(alike)]) if alike else scores
    return Table(with_columns(data, columns), stacked(tabular, _tabular(material, experiment, alike)))


def _similarity(material: Material, experiment: Experiment, method: str) -> list[dict[str, Any]]:
    """A row for each measure of all pairs (no task) and of each pair; none where backbones were not compared."""
    table, level = material.similarity, str(material.study.level)
    table = table[(table["method"] == method) & (table["level"] == level)]
    rows = []
    for measure in ALIKE:
        name = {"experiment": NAME, "level": level, "metric": measure, "method": method}
        said = reported_of(material, NUMBER, "", measure, method=method, level=level)
        if material.study.methods[method].architecture in SHARED:
            rows.append({**name, "task": "", "mean": 1.0, **reported_columns(said, 1.0)})
            continue
        mine = table[table["measure"] == measure].set_index(["split_seed", "seed"])
        runs = experiment.replicates()
        if mine.empty:
            continue
        pairs = {}
        for pair, values in mine.groupby(["first", "second"], sort=False)["value"]:
            if not values.index.is_unique or not set(runs) <= set(values.index):
                where = f"{material.inputs['similarity']}: {method}/level-{level}"
                raise UserError(where, f"a run is missing or there twice for {' and '.join(pair)}.", MEND)
            pairs["|".join(pair)] = values.loc[runs].to_numpy()
        for task, values in {"": np.mean(list(pairs.values()), axis=0), **pairs}.items():
            mean, sd = spread(values)
            row = {**name, "task": task, "mean": mean, "sd": sd, "n": values.size}
            rows.append(row | (reported_columns(said, mean) if task == "" else {}))
    return rows


def _tabular(material: Material, experiment: Experiment, rows: list[dict[str, Any]]) -> Tabular:
    """Similarities over all pairs of tasks, and from the least to the most alike pair."""
    beside = material.reported is not None
    heads = [head for measure in ALIKE for head in (spanning(2, MEASURES[measure]), "Pairs")]
    head = ["Similarity of backbones", *heads, *(["Reported"] if beside else [])]
    tabular = Tabular("l" + (PLUS_MINUS + "c") * len(ALIKE) + "r" * beside, [head])
    for method in experiment.methods:
        mine = [row for row in rows if row["method"] == method]
        cells = [cell for measure in ALIKE for cell in _cells([row for row in mine if row["metric"] == measure])]
        if beside:
            said = [row["reported"] for row in mine if row["task"] == "" and row["reported"]]
            cells.append(printed(said[0] if said else ""))
        tabular.row(escape(material.study.methods[method].title), *cells)
    return tabular


def _cells(rows: list[dict[str, Any]]) -> list[Tex]:
    """Mean, SD and range over pairs of one measure; the first row is that of all pairs."""
    if not rows:
        return [spanning(2, DASH), DASH]
    if len(rows) == 1:
        return [spanning(2, fixed(rows[0]["mean"], 0)), DASH]
    means = [row["mean"] for row in rows[1:]]
    return [*mean_and_sd(rows[0], DECIMALS), Tex(f"{fixed(min(means), DECIMALS)}--{fixed(max(means), DECIMALS)}")]
