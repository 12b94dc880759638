"""Step ``affinity``: how alike the tasks of each run are by their gradients, and what else is known of their relation.

Only the runs of the experiment ``affinity`` are asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from alloymtl.evaluation.affinity.cosines import cosines
from alloymtl.evaluation.affinity.relations import relations
from alloymtl.experiment import Experiment
from alloymtl.files import read_json, read_parquet, write_parquet

EXPERIMENT = "affinity"
KEYS = {"method": "str", "level": "str", "split_seed": "int64", "seed": "int64", "first": "str", "second": "str"}
AFFINITY = {**KEYS, "estimator": "str", "window": "str", "value": "float64"}
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
        inputs: ``gradients``, ``features``, ``split.<seed>`` for each split seed, and ``truth`` where it is simulated.
        outputs: ``affinity``, ``task_relations``.
    """
    experiment = next((Experiment.from_dict(e) for e in spec["experiments"] if e["name"] == EXPERIMENT), None)
    tasks = [task["name"] for task in spec["tasks"]]
    gradients = read_parquet(inputs["gradients"])
    affinities = [] if experiment is None else list(_affinities(gradients, experiment, tasks))
    found = [] if experiment is None else list(_relations(inputs, experiment, tasks))
    for name, lines, columns in (("affinity", affinities, AFFINITY), ("task_relations", found, RELATIONS)):
        table = pd.DataFrame({column: [line[column] for line in lines] for column in columns}).astype(columns)
        write_parquet(outputs[name], table)


def _affinities(gradients: pd.DataFrame, experiment: Experiment, tasks: list[str]) -> Iterator[dict[str, Any]]:
    for method in experiment.methods:
        of_method = gradients[gradients["method"] == method]
        for level in experiment.levels:
            of_level = of_method[of_method["level"] == str(level)]
            asked = pd.MultiIndex.from_tuples(experiment.replicates())
            runs = pd.MultiIndex.from_frame(of_level[["split_seed", "seed"]])
            for line in cosines(of_level[runs.isin(asked)], tasks):
                yield {"method": method, "level": str(level), **line}


def _relations(inputs: Mapping[str, Path], experiment: Experiment, tasks: list[str]) -> Iterator[dict[str, Any]]:
    features = read_parquet(inputs["features"], ["alloy", *(f"y:{task}" for task in tasks)])
    truth = read_json(inputs[TRUTH]) if TRUTH in inputs else None
    for split_seed in experiment.split_seeds:
        split = read_parquet(inputs[f"{SPLIT}{split_seed}"])
        for level in experiment.levels:
            for line in relations(features, split, level, tasks, truth):
                yield {"level": str(level), "split_seed": split_seed, **line}
