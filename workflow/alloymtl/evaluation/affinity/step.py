"""Step ``affinity``: how alike the tasks of each run are by their gradients, and what else is known of their relation.

Only the runs of the experiment ``affinity`` are asked; the study has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from alloymtl.evaluation.affinity.relations import relations
from alloymtl.experiment import AFFINITY, Experiment
from alloymtl.files import read_json, read_parquet, write_parquet

RELATIONS = {
    "level": "str",
    "split_seed": "int64",
    "first": "str",
    "second": "str",
    "kind": "str",
    "value": "float64",
    "n": "int64",
}
SPLIT, TRUTH = "split.", "truth"


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write ``affinity`` (one line per run, pair, estimator and window) and ``task_relations`` (see ``relations``).

    Args:
        spec: ``experiments`` and ``tasks`` of a study.
        inputs: ``cosines`` (which ``collect`` took of each run), ``features``,
            ``split.<seed>`` for each split seed, and ``truth`` where it is simulated.
        outputs: ``affinity``, ``task_relations``.
    """
    experiment = next(Experiment.from_dict(e) for e in spec["experiments"] if e["name"] == AFFINITY)
    tasks = [task["name"] for task in spec["tasks"]]
    write_parquet(outputs["affinity"], _affinities(read_parquet(inputs["cosines"]), experiment))
    lines = list(_relations(inputs, experiment, tasks))
    found = pd.DataFrame({column: [line[column] for line in lines] for column in RELATIONS}).astype(RELATIONS)
    write_parquet(outputs["task_relations"], found)


def _affinities(cosines: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """The lines of the experiment's runs, in the order of its cells."""
    of_cell = dict(list(cosines.groupby(["method", "level", "split_seed", "seed"], sort=False)))
    cells = ((method, str(level), *seeds) for method, level, *seeds in experiment.cells())
    # Of a single task there is no pair, and no line.
    return pd.concat([cosines.iloc[:0], *(of_cell[cell] for cell in cells if cell in of_cell)], ignore_index=True)


def _relations(inputs: Mapping[str, Path], experiment: Experiment, tasks: list[str]) -> Iterator[dict[str, Any]]:
    features = read_parquet(inputs["features"], ["alloy", *(f"y:{task}" for task in tasks)])
    truth = read_json(inputs[TRUTH]) if TRUTH in inputs else None
    for split_seed in experiment.split_seeds:
        split = read_parquet(inputs[f"{SPLIT}{split_seed}"])
        for level in experiment.levels:
            for line in relations(features, split, level, tasks, truth):
                yield {"level": str(level), "split_seed": split_seed, **line}
