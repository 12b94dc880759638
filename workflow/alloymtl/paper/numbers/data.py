"""Numbers of a study's data: rows, labels, alloys that tasks share, and near-copies across partitions."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from alloymtl.data.leakage import ANY_TASK, NEAR_DUPLICATE, SAME_TASK, column
from alloymtl.data.repeats import alloy_of
from alloymtl.evaluation.audit.arithmetic import presence
from alloymtl.paper.latex import Tex, fixed, percent, shortest
from alloymtl.paper.material import Material
from alloymtl.paper.numbers.store import Store

ALMOST_ALL = 0.99  # a share above this is not rounded to all


def data(material: Material, store: Store) -> None:
    """What ingestion read, merged and rejected; labels and members of class 1 of each task; how often batches hold it.

    ``scarce`` names the tasks that a uniform batch may well lack.
    """
    study, ingest = material.study, material.ingest
    for key in ("rows", "accepted", "merged", "rejected", "traces"):
        total = sum(source[key] for source in ingest["sources"])
        store.count(f"data.{key}", total)
        store.facts[key] = total
    store.count("data.alloys", ingest["alloys"])
    labels = {task.name: ingest["labels"][task.name] for task in study.tasks}
    most = max(labels.values())
    store.number("data.imbalance", most / min(labels.values()), 1)
    for task, n in labels.items():
        store.count(f"task.{task}.alloys", n)
        store.add(f"task.{task}.weight", most / n, fixed(most / n, 1))
    for task, classes in ingest["classes"].items():
        store.count(f"task.{task}.positive", classes["1"])
    store.facts["largest"], store.facts["smallest"] = max(labels, key=labels.get), min(labels, key=labels.get)
    _overlaps(material, store)
    _presence(material, store)


def _overlaps(material: Material, store: Store) -> None:
    shared = []
    for first, second in combinations(material.study.tasks, 2):
        both, either = material.shared(first, second)
        key = f"overlap.{first.name}.{second.name}"
        store.count(key, both)
        store.add(f"{key}.share", both / either, Tex(rf"{100 * both / either:.2g}\,\%"))
        if both:
            shared.append([first.name, second.name, both])
    shared.sort(key=lambda pair: -pair[2])
    store.facts["overlaps"] = [pair[:2] for pair in shared]


def _presence(material: Material, store: Store) -> None:
    """How probable it is that a uniform batch holds a training row of a task, mean over splits, in whole per cent."""
    study = material.study
    size = study.main_methods[0].training["batch_size"]
    train = material.split[material.split["partition"] == "train"]
    store.facts["scarce"] = []
    for task in study.tasks:
        shares = []
        for seed in study.main.split_seeds:
            rows = train[train["split_seed"] == seed]
            total = rows["alloy"].nunique()
            shares.append(presence(int((rows["task"] == task.name).sum()), total, min(size, total)))
        share = float(np.mean(shares))
        text = rf"more than {100 * ALMOST_ALL:.0f}\,\%" if ALMOST_ALL < share < 1 else rf"{100 * share:.0f}\,\%"
        store.add(f"task.{task.name}.present", share, Tex(text))
        if share < ALMOST_ALL:
            store.facts["scarce"].append(task.name)


def repeats(material: Material, store: Store) -> None:
    """How many pairs of an alloy and a task have several rows (``repeated``), where measurements are kept apart."""
    split = material.split[material.split["split_seed"] == material.study.main.split_seeds[0]]
    rows = split.groupby(["task", alloy_of(split["alloy"])]).size()
    store.facts["repeated"] = int((rows > 1).sum())
    store.count("data.repeated", store.facts["repeated"])


def leakage(material: Material, store: Store) -> None:
    """Share of each task's test alloys with a near-duplicate in training, mean over split seeds of the main comparison.

    ``leakage`` lists the kinds of split that some of these seeds made, the study's own first; ``no_split`` those that
    none did, ``some_splits`` those that not all of them did, and ``leakage.<kind>.splits`` counts the seeds that did.
    """
    study = material.study
    seeds = study.main.split_seeds
    table = material.leakage[material.leakage["split_seed"].isin(seeds)]
    store.add("leakage.near", NEAR_DUPLICATE, shortest(NEAR_DUPLICATE))
    test = table[table["possible"] & (table["partition"] == "test")]
    kinds = dict.fromkeys(table.sort_values("used", ascending=False, kind="stable")["split"])
    store.facts["leakage"] = [kind for kind in kinds if kind in set(test["split"])]
    store.facts["no_split"] = [kind for kind in kinds if kind not in store.facts["leakage"]]
    made = {kind: test.loc[test["split"] == kind, "split_seed"].nunique() for kind in store.facts["leakage"]}
    store.facts["some_splits"] = [kind for kind, number in made.items() if number < len(seeds)]
    share, within = column("share", NEAR_DUPLICATE), column("within", NEAR_DUPLICATE)
    for kind in store.facts["leakage"]:
        store.count(f"leakage.{kind}.splits", made[kind])
        for task in study.tasks:
            rows = test[(test["split"] == kind) & (test["task"] == task.name)]
            of_any = rows[rows["training"] == ANY_TASK]
            key = f"leakage.{kind}.{task.name}"
            for name, training in (("share", ANY_TASK), ("own", SAME_TASK)):
                value = float(rows.loc[rows["training"] == training, share].mean())
                store.add(f"{key}.{name}", value, percent(value))
            store.count(f"{key}.near", round(of_any[within].mean()))
            store.count(f"{key}.alloys", round(of_any["alloys"].mean()))
