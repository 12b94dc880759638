"""Made-up arms of overlap: cosines, relations and scores drawn about a planted truth, and the steps run on them."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from itertools import combinations, product
from unittest.mock import patch

import numpy as np
import pandas as pd

from alloymtl.evaluation.affinity import agreements, groupings, pairings
from alloymtl.evaluation.affinity.kinds import JACCARD, LABELS, LABELS_LEFT, MAGNITUDES, SIGNALS
from alloymtl.evaluation.affinity.threshold import threshold
from alloymtl.files import write_parquet
from alloymtl.paper.layout import AFFINITY_TABLES, BENEFIT_TABLES
from paper_fixture import experiment, specification

SPLITS = [1, 2, 3, 4, 5]
ROWS = 100
SERIES = [(e, "last fifth") for e in ("minibatch", "large", "corrected")] + [("minibatch", "all")]
STEPS = {
    agreements: ("agreement", "agreement_runs", "agreement_curves", "thresholds"),
    groupings: AFFINITY_TABLES[4:],
    pairings: BENEFIT_TABLES,
}
TASKS = {name: {"kind": "regression", "title": f"Property_{name} & more", "unit": "GPa"} for name in "abcdef"}
PLANTED = [["a", "b", "c"], ["d", "e", "f"]]
OTHERS = ([["a", "b", "d"], ["c", "e", "f"]], [["a", "e", "c"], ["d", "b", "f"]])


def grouped(title, groups):
    return {"title": title, "architecture": "grouped", "options": {"architecture": {"groups": groups}}}


METHODS = {
    "equal": {"title": "Equal weights"},
    "alone": grouped("Alone", []),
    **{
        f"pairs_{n}": {"title": f"Pairs {n}", "architecture": "pairs", "options": {"architecture": {"round": n}}}
        for n in range(1, 6)
    },
    "planted": grouped("Planted groups", PLANTED),
    **{f"drawn_{n}": grouped(f"Drawn groups {n}", groups) for n, groups in enumerate(OTHERS, 1)},
}
PAIRED = ["alone", *(f"pairs_{n}" for n in range(1, 6))]
GROUPED = ["alone", "equal", "planted", "drawn_1", "drawn_2"]


@contextmanager
def few_draws():
    """Fewer random draws than the steps take, which is all that takes time; what is shown does not depend on it."""
    few = partial(threshold, resamples=30)
    with patch.object(agreements, "threshold", few), patch.object(groupings, "DRAWS", 49):
        yield


class Arm:
    """An arm with its specification and the tables of its steps.

    Args:
        root: folder of its files.
        title: what the paper calls it.
        labels: ``split.labels``.
        levels: of the experiment ``affinity``, by the overlap that each makes.
        strength: how much of the truth is in the cosines of each level.
        tasks: their names.
        trains: whether it trains pairs and groups at its highest level.
        missing: whether a pair has no corrected cosine.
        seed: of its random numbers.
        splits: split seeds of its runs.
    """

    def __init__(
        self, root, title, labels, levels, strength, tasks="abcdef", trains=False, missing=False, seed=1, splits=SPLITS
    ):
        root.mkdir(parents=True)
        self.root, self.tasks, self.levels, self.splits = root, list(tasks), levels, splits
        self._missing, self._seed = missing, seed
        self._rng = np.random.default_rng(seed)
        self.truth = {(a, b): float(any({a, b} <= set(g) for g in PLANTED)) for a, b in combinations(tasks, 2)}
        self.truth = {pair: 0.6 * same + 0.1 * self._rng.random() for pair, same in self.truth.items()}
        runs = {"split_seeds": self.splits, "seeds": [42]}
        experiments = [experiment("affinity", ["equal"], levels=list(levels), **runs)]
        if trains:
            top = {"levels": [list(levels)[-1]], **runs}
            experiments += [experiment("benefit", PAIRED, **top), experiment("taskonomy", GROUPED, **top)]
        split = {"kind": "stratified", "validation": 0.15, "test": 0.15, "strata": 10, "labels": labels}
        own = {name: TASKS[name] for name in tasks}
        world = {"seed": 6, "relatedness": 0.0, "latent_per": "all", "signal": "physics", "rows": {}}
        self.spec = {**specification(own, METHODS, experiments, split=split, simulation=world), "title": title}
        self.inputs = {}
        self._write("affinity", self._cosines(strength))
        self._write("task_relations", self._relations())
        self._write("metrics", self._scores(experiments))
        for step, names in STEPS.items():
            if step is not pairings or trains:
                outputs = {name: root / f"{name}.parquet" for name in names}
                with few_draws():
                    step.step(self.spec, self.inputs, outputs)
                self.inputs |= outputs

    def table(self, name):
        return pd.read_parquet(self.inputs[name])

    def _write(self, name, rows):
        self.inputs[name] = self.root / f"{name}.parquet"
        write_parquet(self.inputs[name], pd.DataFrame(rows))

    def _cosines(self, strength):
        # Of each level its own, so that arms with other levels beside it have the same.
        rngs = {level: np.random.default_rng([self._seed, level]) for level in self.levels}
        for level, split, (first, second), (estimator, window) in product(self.levels, self.splits, self.truth, SERIES):
            value = strength[level] * self.truth[first, second] + 0.05 * rngs[level].normal()
            place = {"method": "equal", "level": str(level), "split_seed": split, "seed": 42}
            pair = {"first": first, "second": second, "estimator": estimator, "window": window}
            if not (self._missing and estimator == "corrected" and (first, second) == ("a", "b")):
                yield {**place, **pair, "value": float(value)}

    def _relations(self):
        for (level, overlap), split, (first, second) in product(self.levels.items(), self.splits, self.truth):
            size = self.truth[first, second]
            # A cosine knows nothing of a relation's sign, which is here another one for every other pair.
            own = size * (-1) ** (ord(first) + ord(second))
            left = own + 0.1 * (1 - overlap) * self._rng.normal() if overlap else np.nan
            values = {JACCARD: overlap, LABELS: 0.9 * own, LABELS_LEFT: left, SIGNALS: own}
            values |= {MAGNITUDES[LABELS]: 0.9 * size, MAGNITUDES[SIGNALS]: size}
            for kind, value in values.items():
                place = {"level": str(level), "split_seed": split, "first": first, "second": second}
                yield {**place, "kind": kind, "value": float(value), "n": 50}

    def _scores(self, experiments):
        cells = dict.fromkeys(
            cell for e in experiments for cell in product(e["methods"], map(str, e["levels"]), self.splits, [42])
        )
        level_of = {split: 0.02 * self._rng.normal() for split in self.splits}
        for (method, level, split, seed), task in product(cells, self.tasks):
            gain = 0.1 * np.mean([self.truth[tuple(sorted((task, o)))] for o in self._partners(method, task)] or [0])
            value = 0.6 + level_of[split] + gain + 0.003 * self._rng.normal()
            place = {"method": method, "level": level, "split_seed": split, "seed": seed, "task": task}
            yield {**place, "partition": "test", "metric": "r2", "value": float(value)}

    def _partners(self, method, task):
        """The tasks that a method trains together with a task."""
        if method == "equal":
            return [other for other in self.tasks if other != task]
        trained = pairings.partition(self.spec["methods"][method], self.tasks)
        return [other for group in trained if task in group for other in group if other != task]


def arms(root):
    """Arms by name: labels kept by chance, two that are the same at their highest level, and one of three tasks."""
    kept, exact, apart = {"kind": "kept"}, {"kind": "exact", "rows": ROWS}, {"kind": "apart", "rows": ROWS}
    percent = {10: 0.05, 30: 0.18, 50: 0.33, 70: 0.54, 100: 1.0}
    rising = dict(zip(percent, [0.0, 0.0, 0.0, 1.0, 1.0], strict=True))
    rows = {0: 0.0, 60: 0.43, 100: 1.0}
    even = dict.fromkeys(rows, 1.0)
    return {
        "kept": Arm(root / "kept", "Kept & lost", kept, percent, rising, seed=1),
        "even": Arm(root / "even", "Alike_alloys", exact, rows, even, trains=True, seed=2),
        "apart": Arm(root / "apart", "Systems apart", apart, {0: 0.0, 100: 1.0}, even, seed=2),
        "noisy": Arm(root / "noisy", "Noisy", exact, rows, dict.fromkeys(rows, 0.2), missing=True, seed=3),
        "three": Arm(root / "three", "Three tasks", exact, rows, even, tasks="abd", seed=4),
    }


def within(spec, inputs, found):
    """A study's specification and inputs with these arms among its controls."""
    controls = spec["controls"] | {name: arm.spec for name, arm in found.items()}
    files = {
        f"control_{name}_{table}": path
        for name, arm in found.items()
        for table, path in arm.inputs.items()
        if table in (*AFFINITY_TABLES, *BENEFIT_TABLES)
    }
    return {**spec, "controls": controls}, {**inputs, **files}
