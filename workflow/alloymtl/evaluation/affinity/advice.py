"""Step ``advice``: what the data of a study support, from the runs of its experiments ``affinity`` and ``advice``.

``python -m alloymtl advise`` has them trained (config/advice.yaml). What is said follows from ``advice_rules``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.errors import UserError
from alloymtl.evaluation.affinity.advice_rules import (
    CORRECTED,
    LAST,
    MINIBATCH,
    Advice,
    Agreed,
    Evidence,
    Line,
    Pair,
    Runs,
    Shared,
    advice,
    used,
)
from alloymtl.evaluation.affinity.advice_text import paste, text
from alloymtl.evaluation.affinity.alike import Alike, alike
from alloymtl.evaluation.affinity.kinds import FEWEST, JACCARD, LABELS, MAGNITUDES
from alloymtl.evaluation.affinity.step import SPLIT
from alloymtl.evaluation.balancing.correlation import PEARSON
from alloymtl.evaluation.balancing.delta import linearised
from alloymtl.evaluation.balancing.roles import Made, is_independent
from alloymtl.evaluation.samples import Values, values_on_test
from alloymtl.experiment import Experiment
from alloymtl.files import read_parquet, write_csv, write_text

EXPERIMENT = "advice"
LEVEL = "all"
WINDOW = "last fifth"
COLUMNS = {
    **dict.fromkeys(("topic", "subject", "verdict", "statement"), "str"),
    "number": "float64",
    "unit": "str",
    "low": "float64",
    "high": "float64",
    "n": "int64",
    "rests_on": "str",
}


@dataclass(frozen=True)
class Roles:
    """Methods of the experiment by what they are made of: two of which each study has one, and two lists."""

    alone: str
    together: str
    balancers: list[str]
    groupings: list[str]


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write ``advice`` (CSV, one line for each statement) and ``text`` (the same to read).

    Args:
        spec: a study (``Study.to_paper_dict``) with the experiments ``affinity`` and ``advice``.
        inputs: ``metrics``, ``runs``, ``affinity``, ``task_relations``, ``agreement``, ``features`` and
            ``split.<seed>`` for each split seed of the experiment ``advice``.
        outputs: ``advice`` and ``text``.

    Raises:
        UserError: there is one task, one split, or a method that advice has no place for.
    """
    experiment = next(Experiment.from_dict(e) for e in spec["experiments"] if e["name"] == EXPERIMENT)
    if len(spec["tasks"]) < 2:
        raise UserError("tasks", "there is one, and advice is about several.", "add a task.")
    if len(experiment.split_seeds) < 2:
        where = f"experiments.{EXPERIMENT}.split_seeds"
        raise UserError(where, "one split tells nothing of another.", "name two or more.")
    roles = roles_of(experiment, spec["methods"])
    values = values_on_test(read_parquet(inputs["metrics"]), inputs["metrics"])
    evidence = _evidence(spec, inputs, experiment, roles, values)
    found = advice(evidence, np.random.default_rng([*EXPERIMENT.encode()]))
    write_csv(outputs["advice"], _table(found.lines))
    write_text(outputs["text"], _text(spec, experiment, evidence, found))


def roles_of(experiment: Experiment, methods: Mapping[str, Made]) -> Roles:
    """Which of an experiment's methods has every task alone, which all together, which balances and which groups.

    Raises:
        UserError: one is none of these, or of the first two there is not exactly one.
    """
    found: dict[str, list[str]] = {"alone": [], "together": [], "balancers": [], "groupings": []}
    for name in experiment.methods:
        found[_role(name, methods[name])].append(name)
    for role, words in (("alone", "every task alone"), ("together", "all tasks together, with equal weights")):
        if len(found[role]) != 1:
            what = f"it takes one method with {words}, and there are {len(found[role])}."
            raise UserError(f"experiments.{EXPERIMENT}.methods", what, "config/advice.yaml has one of each.")
    return Roles(found["alone"][0], found["together"][0], found["balancers"], found["groupings"])


def _role(name: str, made: Made) -> str:
    architecture = made["architecture"]
    if is_independent(made):
        return "alone"
    if architecture["name"] == "grouped":
        return "groupings" if architecture["options"]["groups"] else "alone"
    if architecture["name"] == "hard":
        return "together" if made["balancer"]["name"] == "none" else "balancers"
    what = f"architecture {architecture['name']!r} neither shares all nor groups tasks (hard, grouped)."
    raise UserError(f"experiments.{EXPERIMENT}.methods: {name}", what, "leave it out of this experiment.")


def _evidence(
    spec: Mapping[str, Any], inputs: Mapping[str, Path], experiment: Experiment, roles: Roles, values: Values
) -> Evidence:
    tasks = {task["name"]: task["kind"] for task in spec["tasks"]}
    splits = pd.concat(
        [read_parquet(inputs[f"{SPLIT}{seed}"]).assign(split_seed=seed) for seed in experiment.split_seeds]
    )
    of_partition = splits["partition"].value_counts()
    training = splits[splits["partition"] == "train"].groupby("task").size() / len(experiment.split_seeds)
    shared = _shared(read_parquet(inputs["task_relations"]), list(tasks))
    affinity = read_parquet(inputs["affinity"])
    of_method = affinity[(affinity["method"] == roles.together) & (affinity["window"] == WINDOW)]

    def gain(method: str, baseline: str) -> pd.DataFrame:
        return linearised(values, experiment, method, baseline, LEVEL, tasks, spec["evaluation"])

    def both(method: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        return gain(method, roles.together), gain(method, roles.alone)

    title = {name: spec["methods"][name]["title"] for name in experiment.methods}
    if len(set(title.values())) < len(title):
        title = {name: name for name in title}
    options = {name: spec["methods"][name]["architecture"]["options"] for name in roles.groupings}
    evidence = Evidence(
        tasks=list(tasks),
        alpha=spec["evaluation"]["alpha"],
        ratio=float(of_partition["test"] / of_partition["train"]),
        labels={task: float(training[task]) for task in tasks},
        runs=_runs(spec, read_parquet(inputs["runs"]), experiment),
        shared=shared,
        inputs=_inputs(inputs["features"], shared),
        cosines={name: _cosines(of_method, name, list(shared)) for name in (MINIBATCH, CORRECTED)},
        agreed=None,
        joint=gain(roles.together, roles.alone),
        balancers={title[name]: both(name) for name in roles.balancers},
        groupings={title[name]: (*both(name), options[name]["groups"]) for name in roles.groupings},
    )
    agreed = _agreed(read_parquet(inputs["agreement"]), roles.together, used(evidence))
    return Evidence(**{**vars(evidence), "agreed": agreed})


def _runs(spec: Mapping[str, Any], runs: pd.DataFrame, experiment: Experiment) -> Runs:
    """How many runs of the experiment were best near the last epoch that they may take."""
    asked = pd.MultiIndex.from_tuples([(m, str(level), *seeds) for m, level, *seeds in experiment.cells()])
    mine = runs[pd.MultiIndex.from_frame(runs[["method", "level", "split_seed", "seed"]]).isin(asked)]
    bound = mine["method"].map(lambda method: spec["methods"][method]["training"]["max_epochs"])
    return Runs(len(mine), int((mine["best_epoch"] > (1 - LAST) * bound).sum()))


def _shared(relations: pd.DataFrame, tasks: list[str]) -> dict[Pair, Shared]:
    of_level = relations[relations["level"] == LEVEL]
    found = {}
    for pair in combinations(tasks, 2):
        of_pair = of_level[(of_level["first"] == pair[0]) & (of_level["second"] == pair[1])]
        labels = of_pair[of_pair["kind"] == LABELS].iloc[0]
        index = of_pair.loc[of_pair["kind"] == JACCARD, "value"].mean()
        found[pair] = Shared(int(labels["n"]), float(index), float(labels["value"]))
    return found


def _inputs(path: Path, shared: Mapping[Pair, Shared]) -> dict[Pair, Alike]:
    """How alike the alloys are that only one of two tasks has, of pairs with few in common."""
    few = [pair for pair, of_pair in shared.items() if of_pair.alloys < FEWEST]
    tasks = list(dict.fromkeys(task for pair in few for task in pair))
    features = read_parquet(path, ["alloy", "system", *(f"y:{task}" for task in tasks)])
    there = {task: features[f"y:{task}"].notna() for task in tasks}
    found = {}
    for first, second in few:
        own = (there[first] & ~there[second], there[second] & ~there[first])
        systems = [features.loc[rows, "system"].astype(str).tolist() for rows in own]
        if all(systems):
            rng = np.random.default_rng([*f"{first}/{second}".encode()])
            found[first, second] = alike(*systems, rng)
    return found


def _cosines(affinity: pd.DataFrame, estimator: str, pairs: list[Pair]) -> pd.DataFrame:
    """Cosine of each split and pair, splits x pairs: the mean of its runs, NaN where none has one."""
    means = affinity[affinity["estimator"] == estimator].groupby(["first", "second", "split_seed"])["value"].mean()
    splits = pd.Index(sorted(affinity["split_seed"].unique()), name="split_seed")
    return pd.DataFrame({pair: means[pair].reindex(splits) if pair in means else np.nan for pair in pairs}, splits)


def _agreed(agreement: pd.DataFrame, method: str, estimator: str) -> Agreed | None:
    asked = {"method": method, "level": LEVEL, "estimator": estimator, "window": WINDOW, "kind": MAGNITUDES[LABELS]}
    asked["statistic"] = PEARSON
    rows = agreement[(agreement[list(asked)] == pd.Series(asked)).all(axis=1)]
    if rows.empty:
        return None
    row = rows.iloc[0]
    return Agreed(*(float(row[name]) for name in ("mean", "ci_low", "ci_high", "p_value")), int(row["n_runs"]))


def _table(lines: list[Line]) -> pd.DataFrame:
    rows = [asdict(line) for line in lines]
    return pd.DataFrame({column: [row[column] for row in rows] for column in COLUMNS}).astype(COLUMNS)


def _text(spec: Mapping[str, Any], experiment: Experiment, evidence: Evidence, found: Advice) -> str:
    training = next(iter(spec["methods"].values()))["training"]
    hidden = "-".join(str(width) for width in training["hidden"])
    measured = " on simulated data" if spec["simulated"] else ""
    about = [
        f"Advice{measured} for {len(evidence.tasks)} tasks: {len(experiment.methods)} ways to train them on "
        f"{evidence.splits} splits, networks of width {hidden}, at most {training['max_epochs']} epochs.",
        f"In brackets: {1 - evidence.alpha:.0%} intervals over splits; those of changes and cosines are widened for "
        "the alloys that splits have in common (Nadeau and Bengio 2003), by a ratio that was made for test alloys: of "
        "cosines, which come of training alloys, they speak of these alloys more than of others. A direction is stated "
        "where Holm's method over all statements of its kind leaves it.",
    ]
    pasted = ""
    if found.groups and not evidence.groupings:
        pasted = paste(found.groups, experiment.methods)
    return text(about, found.lines, pasted)
