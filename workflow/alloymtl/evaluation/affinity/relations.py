"""What is known of how two tasks are related, apart from any network: labels in common, their correlation, the truth.

Label correlation needs alloys that carry both labels. Where training labels are taken away to make tasks overlap less
(``data.overlap``), that of all measured labels (``labels``) is told from that of the labels that are left to train on
(``labels_left``), whose noise grows as the overlap falls: an agreement with the latter would fall for that alone.

Each relation that has a sign stands there once more without it. Every task has a head of its own, which may turn the
sign of what it reads: a task and its negative ask the same of the shared parameters. Gradients there can tell how
strong a relation is, and not which way it goes. arXiv:2604.07848 sets them against signed correlations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.data.overlap import jaccard
from alloymtl.evaluation.affinity.kinds import FEWEST, JACCARD, LABELS, LABELS_LEFT, MAGNITUDES, SIGNALS, WEIGHTS
from alloymtl.run import Level
from alloymtl.training.dataset import at_level


def relations(
    features: pd.DataFrame, split: pd.DataFrame, level: Level, tasks: Sequence[str], truth: Mapping[str, Any] | None
) -> Iterator[dict[str, Any]]:
    """One line for each pair of tasks and kind of relation: first, second, kind, value, n (alloys behind it).

    ``jaccard``: index of the tasks' training labels at the level. ``labels``: Pearson correlation over all alloys that
    carry both labels; ``labels_left``: over the training alloys that still do at the level. ``signals``: correlation of
    the noise-free signals of simulated tasks; ``weights``: cosine of the weights of designed ones (n is 0 for these
    two). ``MAGNITUDES`` are absolute values. A correlation over fewer than ``FEWEST`` alloys, or of labels that are all
    the same, is NaN.

    Args:
        features: table of the features step.
        split: table of the split step, for one split seed.
        level: of the runs.
        tasks: names, in the order in which pairs are formed.
        truth: of the simulator; None where labels were measured.
    """
    kept = at_level(split, level)
    labels = features.set_index("alloy")[[f"y:{task}" for task in tasks]].set_axis(list(tasks), axis=1)
    training = kept[kept["partition"] == "train"]
    there = pd.crosstab(training["alloy"], training["task"]).reindex(columns=list(tasks), fill_value=0) > 0
    left = labels.loc[there.index].where(there)
    index = jaccard(there.to_numpy())
    for a, b in combinations(range(len(tasks)), 2):
        pair = {"first": tasks[a], "second": tasks[b]}
        either = int((there.iloc[:, a] | there.iloc[:, b]).sum())
        yield {**pair, "kind": JACCARD, "value": float(index[a, b]), "n": either}
        yield from _both({**pair, "kind": LABELS, **correlation(labels.iloc[:, a], labels.iloc[:, b])})
        yield {**pair, "kind": LABELS_LEFT, **correlation(left.iloc[:, a], left.iloc[:, b])}
        for kind, key in ((SIGNALS, "signal_correlation_on_common_pool"), (WEIGHTS, "weight_cosines")):
            if truth is not None and key in truth and {tasks[a], tasks[b]} <= set(truth["tasks"]):
                row, column = (truth["tasks"].index(tasks[i]) for i in (a, b))
                yield from _both({**pair, "kind": kind, "value": float(truth[key][row][column]), "n": 0})


def _both(line: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A relation with its sign, and without."""
    yield line
    yield {**line, "kind": MAGNITUDES[line["kind"]], "value": abs(line["value"])}


def correlation(first: pd.Series, second: pd.Series) -> dict[str, float | int]:
    """Pearson correlation over the alloys that have both values, and how many these are."""
    both = first.notna() & second.notna()
    a, b = first[both].to_numpy(), second[both].to_numpy()
    n = int(both.sum())
    defined = n >= FEWEST and np.ptp(a) > 0 and np.ptp(b) > 0
    return {"value": float(np.corrcoef(a, b)[0, 1]) if defined else float("nan"), "n": n}
