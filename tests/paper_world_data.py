"""What is known of a made-up study's data before training: its profile, and near-copies across partitions."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

from alloymtl.files import write_csv

REPEATED = 3  # alloys of each task that were measured twice
NEAR = {"stratified": 0.6, "grouped": 0.25, "clustered": 0.1}  # share of near-duplicates under each kind of split
THRESHOLDS = {"0.1": 0.2, "0.5": 0.6, "1": 1.0, "2": 1.5}  # its share of that
TRAINING = {"any task": 1.0, "same task": 0.8}


def write_profile(study):
    """Files ``profile_*`` of a study: tasks, histograms, overlap and elements."""
    sizes = study.alloys
    write_csv(study.inputs["profile_tasks"], pd.DataFrame([_task(t, study) for t in study.spec["tasks"]]))
    bars = [bar for t in study.spec["tasks"] for bar in _histogram(t, sizes[t["name"]])]
    write_csv(study.inputs["profile_histograms"], pd.DataFrame(bars))
    pairs = [_pair(a, b, sizes) for a, b in product(study.tasks, study.tasks)]
    write_csv(study.inputs["profile_overlap"], pd.DataFrame(pairs))
    held = [_element(t, n, e, study) for t in [*study.tasks, "all tasks"] for n, e in enumerate(_elements(study))]
    write_csv(study.inputs["profile_elements"], pd.DataFrame(held))


def write_leakage(study):
    """File ``leakage`` of a study: every kind of split, but no clusters where there is one task.

    Where the study's own split is by clusters, one by system is possible with the first seed alone.
    """
    own = study.spec["split"]["kind"]
    seeds = sorted({s for e in study.spec["experiments"] for s in e["split_seeds"]})
    rows = []
    for kind, seed in product(NEAR, seeds):
        named = {"split": kind, "used": kind == own, "split_seed": seed}
        none = kind == "clustered" and kind != own and len(study.tasks) == 1
        if none or (kind == "grouped" and own == "clustered" and seed != seeds[0]):
            rows.append(
                {**named, "possible": False, "reason": "split.clusters: 50 clusters need as many alloys & more."}
            )
            continue
        for task, partition, training in product(study.tasks, ("validation", "test"), TRAINING):
            place = {"task": task, "partition": partition, "training": training}
            rows.append({**named, "possible": True, "reason": "", **place, **_near(study.alloys[task], kind, training)})
    write_csv(study.inputs["leakage"], pd.DataFrame(rows))


def _task(task, study):
    n = study.alloys[task["name"]]
    row = {"task": task["name"], "kind": task["kind"], "unit": task.get("unit", ""), "alloys": n}
    row |= {"readings": n + REPEATED, "systems": max(n // 10, 1), "repeated": REPEATED}
    if task["kind"] == "classification":
        return {**row, "class_0": n - n // 3, "class_1": n // 3}
    places = dict(zip(("minimum", "q1", "median", "q3", "maximum"), (4.2, 93.25, 120.5, 147.75, 260.0), strict=True))
    return {**row, **places, "mean": 121.3, "sd": 40.4, "spread": 0.052}


def _histogram(task, n):
    if task["kind"] == "classification":
        edges, counts = [-0.5, 0.5, 1.5], [n - n // 3, n // 3]
    else:
        edges = np.linspace(4.2, 260.0, 25)
        shape = np.exp(-(((edges[:-1] - 120) / 40) ** 2) / 2)
        counts = np.floor(n * shape / shape.sum()).astype(int)
        counts[0] += n - counts.sum()
    bins = zip(edges[:-1], edges[1:], counts, strict=True)
    return [{"task": task["name"], "bin_low": low, "bin_high": high, "alloys": c} for low, high, c in bins]


def _pair(first, second, sizes):
    """No alloy has labels of two tasks, as the made-up partitions have it."""
    both = sizes[first] if first == second else 0
    either = sizes[first] + sizes[second] - both
    return {"task_a": first, "task_b": second, "both": both, "either": either, "jaccard": both / either}


def _elements(study):
    return study.spec["data"]["elements"]


def _element(task, number, element, study):
    n = study.alloys.get(task, sum(study.alloys.values()))
    held = n // (number + 1)
    return {"task": task, "element": element, "alloys": held, "share": held / n, "mean_fraction": 0.25}


def _near(n, kind, training):
    alloys = -(-n * 15 // 100)
    shares = {t: NEAR[kind] * TRAINING[training] * part for t, part in THRESHOLDS.items()}
    counts = {f"within_{t}": int(alloys * share) for t, share in shares.items()}
    row = {"alloys": alloys, "training_alloys": n - 2 * alloys, **counts}
    row |= {f"share_{t}": counts[f"within_{t}"] / alloys for t in shares}
    return {**row, "median": 0.5 / NEAR[kind], "system_share": 0.0 if kind == "grouped" else 0.7}
