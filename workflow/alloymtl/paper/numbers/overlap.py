"""Numbers of what gradients tell of tasks at different overlaps of their labels: agreement, gains of pairs, groups."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.evaluation.affinity.agreements import FEWEST_TASKS
from alloymtl.evaluation.affinity.kinds import LABELS, LABELS_LEFT, MAGNITUDES
from alloymtl.evaluation.balancing.correlation import PEARSON
from alloymtl.evaluation.samples import units
from alloymtl.evaluation.statistics import holm, paired_t
from alloymtl.experiment import BENEFIT, TASKONOMY
from alloymtl.paper.affinity import SHOWN, WINDOW, strength, truth
from alloymtl.paper.material import Material
from alloymtl.paper.numbers.store import Store
from alloymtl.paper.numbers.tests import key_of, sign
from alloymtl.paper.overlap import Arm, arms
from alloymtl.paper.spec import ordered

LOW, HIGH = "low", "high"
"""Ends of the range of overlaps of an arm."""
DECIMALS = 2
"""Of correlations, overlaps and percentage points."""
SAME = 1e-9
"""Difference below which two overlaps are one."""


def overlap(material: Material, store: Store) -> None:
    """What the arms tell; ``overlap`` is None where there is none with enough tasks.

    ``arms`` has those of at least four tasks, each with the agreement of its cosines with the truth of simulated tasks
    (with label correlations elsewhere), whatever its sign, at the lowest and the highest overlap, and its change
    between them, paired over splits; whether a threshold is found; what pairs and groups of tasks gain; and whether
    known groups are recovered.
    ``few`` has the titles of those with fewer tasks.
    """
    every = list(arms(material))
    told = [arm for arm in every if len(arm.table("agreement"))]
    if not told:
        store.facts["overlap"] = None
        return
    found = [_arm(arm, store) for arm in told]
    store.facts["overlap"] = {"arms": found, "few": [a.title for a in every if len(a.study.tasks) < FEWEST_TASKS]}
    store.number("overlap.published.x0", float(material.overlap_reported_values["sigmoid_x0"]), 1)
    store.count("overlap.arms", len(found))
    series = [series for arm in found for series in arm["thresholds"]]
    store.count("overlap.series", len(series))
    store.count("overlap.thresholds", sum(one["found"] for one in series))


def _arm(arm: Arm, store: Store) -> dict[str, Any]:
    study, name = arm.study, arm.name or "own"
    kinds = arm.table("agreement")["kind"]
    kind = truth(kinds) or strength(kinds)
    said = {
        "name": name,
        "title": arm.title,
        "masking": study.split["labels"]["kind"],
        "truth": kind,
        "method": study.experiments["affinity"].methods[0],
        "latent": None if study.simulation is None else study.simulation["latent_per"],
        "shared": 0.0 if study.simulation is None else study.simulation["relatedness"],
        "signal": None if study.simulation is None else study.simulation["signal"],
    }
    of_method = arm.table("agreement")["method"].isin(["", said["method"]])
    lines = arm.table("agreement")[of_method & (arm.table("agreement")["statistic"] == PEARSON)]
    of_levels = _overlaps(name, lines, store)
    return {
        **said,
        "several": len(of_levels) > 1,
        "splits": len(study.experiments["affinity"].split_seeds) > 1,
        "agreement": [_agreement(arm, name, lines, e, kind, of_levels, store) for e in SHOWN],
        "signed": _signed(name, lines, kind, of_levels[-1], store),
        "left": _agreement(arm, name, lines, LABELS_LEFT, LABELS, of_levels, store),
        "thresholds": _thresholds(arm, name, said["method"], kind, store),
        "benefit": _benefit(arm, name, said["method"], store),
        "groups": _groups(arm, name, said["method"], [of_levels[0], of_levels[-1]], store),
        "gains": _gains(arm, name, store),
    }


def _overlaps(name: str, lines: pd.DataFrame, store: Store) -> list[str]:
    """Levels from the smallest to the largest overlap; the last one alone where all have the same."""
    of_level = lines.groupby("level", sort=False)["overlap"].first().sort_values(kind="stable")
    if of_level.iloc[-1] - of_level.iloc[0] < SAME:
        of_level = of_level.iloc[-1:]
    for place, index in ((LOW, of_level.iloc[0]), (HIGH, of_level.iloc[-1])):
        store.number(key_of("overlap", name, place, "jaccard"), index, DECIMALS)
    return list(of_level.index)


def _agreement(
    arm: Arm, name: str, lines: pd.DataFrame, estimator: str, kind: str, of_levels: list[str], store: Store
) -> dict[str, Any]:
    """Agreement of an estimator with a kind of relation at both ends, and its change between them."""
    window = "" if estimator == LABELS_LEFT else WINDOW
    mine = lines[(lines["estimator"] == estimator) & (lines["window"] == window) & (lines["kind"] == kind)]
    told: dict[str, Any] = {"estimator": estimator, LOW: None, HIGH: None, "change": None}
    for place, level in ((LOW, of_levels[0]), (HIGH, of_levels[-1])):
        for row in mine[mine["level"] == level].itertuples():
            key = key_of("overlap", name, estimator, place)
            if not np.isfinite([row.mean, row.ci_low, row.ci_high, row.p_value]).all():
                continue
            store.number(f"{key}.r", row.mean, DECIMALS)
            store.interval(key, row.ci_low, row.ci_high, DECIMALS)
            store.probability(f"{key}.p", row.p_value)
            told[place] = {"key": key}
    if len(of_levels) > 1 and told[LOW] and told[HIGH]:
        told["change"] = _change(arm, mine, of_levels, key_of("overlap", name, estimator, "change"), store)
    return told


def _signed(name: str, lines: pd.DataFrame, kind: str, level: str, store: Store) -> list[dict[str, Any]]:
    """Agreement at the highest overlap with the same relation and its sign, of each estimator that has it."""
    told, signed = [], {magnitude: of for of, magnitude in MAGNITUDES.items()}.get(kind)
    mine = lines[(lines["window"] == WINDOW) & (lines["kind"] == signed) & (lines["level"] == level)]
    for row in mine[mine["estimator"].isin(SHOWN)].itertuples():
        if np.isfinite([row.mean, row.ci_low, row.ci_high]).all():
            key = key_of("overlap", name, row.estimator, "signed")
            store.number(f"{key}.r", row.mean, DECIMALS)
            store.interval(key, row.ci_low, row.ci_high, DECIMALS)
            told.append({"estimator": row.estimator, "key": key})
    return told


def _change(arm: Arm, mine: pd.DataFrame, of_levels: list[str], key: str, store: Store) -> dict[str, Any] | None:
    """Difference of agreement between the highest and the lowest overlap, paired over splits."""
    row = mine.iloc[0]
    runs = arm.table("agreement_runs")
    for column in ("method", "estimator", "window", "kind", "statistic"):
        runs = runs[runs[column] == row[column]]
    at = [
        runs[runs["level"] == level].set_index(["split_seed", "seed"])["value"]
        for level in (of_levels[-1], of_levels[0])
    ]
    both = pd.concat(at, axis=1, join="inner").dropna()
    values = [units(both.iloc[:, place], list(both.index)) for place in (0, 1)]
    if len(values[0]) < 2:
        return None
    t = paired_t(*values, 1 - arm.study.evaluation["alpha"])
    store.number(f"{key}.difference", t.mean_difference, DECIMALS)
    store.interval(key, t.ci_low, t.ci_high, DECIMALS)
    return {"key": key, "sign": sign(t.ci_low, t.ci_high)}


def _thresholds(arm: Arm, name: str, method: str, kind: str, store: Store) -> list[dict[str, Any]]:
    table, told = arm.table("thresholds"), []
    if not len(table):
        return told
    mine = table[(table["method"] == method) & (table["window"] == WINDOW) & (table["kind"] == kind)]
    # Without a finite margin there were too few overlaps to fit a transition.
    for row in mine[mine["estimator"].isin(SHOWN) & np.isfinite(mine["margin"])].itertuples():
        key = key_of("overlap", name, row.estimator, "threshold")
        if row.found:
            store.number(f"{key}.x0", row.x0, DECIMALS)
            store.interval(key, row.low, row.high, DECIMALS)
        told.append({"estimator": row.estimator, "found": bool(row.found), "key": key})
    return told


def _benefit(arm: Arm, name: str, method: str, store: Store) -> list[dict[str, Any]]:
    """How cosines and what is known of tasks go with what pairs gain, level by level from the highest overlap."""
    table = arm.table("benefit")
    if not len(table):
        return []
    told: list[dict[str, Any]] = []
    for level in reversed([str(level) for level in ordered(arm.study.experiments[BENEFIT])]):
        lines = table[(table["level"] == level) & (table["statistic"] == PEARSON)]
        found = []
        for row in lines.itertuples():
            shown = row.method == method and row.window == WINDOW and row.predictor in SHOWN
            if not (shown or row.predictor == MAGNITUDES[LABELS]) or not np.isfinite([row.value, row.p_value]).all():
                continue
            key = key_of("overlap", name, "benefit", level, row.predictor)
            store.number(f"{key}.r", row.value, DECIMALS)
            store.probability(f"{key}.p", row.p_value)
            found.append({"predictor": row.predictor, "key": key, "p": row.p_value, "rises": row.value > 0})
        gained = arm.table("pair_gains")
        pairs = gained[(gained["level"] == level)].drop_duplicates(["first", "second"])["gain"].dropna()
        if not found or pairs.empty:
            continue
        key = key_of("overlap", name, "benefit", level)
        if math.isfinite(lines["overlap"].iloc[0]):
            store.number(f"{key}.jaccard", lines["overlap"].iloc[0], DECIMALS)
        store.count(f"{key}.pairs", len(pairs))
        store.count(f"{key}.positive", int((pairs > 0).sum()))
        store.number(f"{key}.mean", pairs.mean(), DECIMALS)
        told.append({"level": level, "key": key, "predictors": found})
    # One family: every predictor at every level.
    every = [one for at in told for one in at["predictors"]]
    for one, p in zip(every, holm([one["p"] for one in every]) if every else (), strict=True):
        one["shown"] = bool(p < arm.study.evaluation["alpha"])
    return told


def _groups(arm: Arm, name: str, method: str, ends: list[str], store: Store) -> list[dict[str, Any]]:
    """Verdicts on groups at both ends of the overlap, and how well known ones are recovered."""
    table, scores, told = arm.table("groupings"), arm.table("group_scores"), []
    for place, level in _ends(ends):
        mine = table[(table["level"] == level) & (table["method"] == method) & (table["window"] == WINDOW)]
        for row in mine[mine["source"].isin(SHOWN)].itertuples():
            key = key_of("overlap", name, "groups", place, row.source)
            if math.isfinite(row.p_value):
                store.probability(f"{key}.p", row.p_value)
            known, which = None, None
            if len(scores):
                same = scores[(scores["level"] == level) & (scores["method"] == method) & (scores["window"] == WINDOW)]
                same = same[(same["source"] == row.source) & (same["score"] == "ari")]
                known = _score(same, key, arm.study.evaluation["alpha"], store)
                which = _which(arm, same)
            told.append(
                {
                    "place": place,
                    "source": row.source,
                    "verdict": row.verdict,
                    "key": key,
                    "known": known,
                    "which": which,
                }
            )
    return told


def _ends(ends: list[str]) -> list[tuple[str, str]]:
    return [(HIGH, ends[-1])] if ends[0] == ends[-1] else [(LOW, ends[0]), (HIGH, ends[-1])]


def _score(lines: pd.DataFrame, key: str, alpha: float, store: Store) -> str | None:
    """Names the adjusted Rand index of known groups; says whether they are recovered wholly, partly or not shown."""
    if lines.empty or not math.isfinite(lines["value"].iloc[0]):
        return None
    row = lines.iloc[0]
    store.number(f"{key}.ari", row["value"], DECIMALS)
    store.probability(f"{key}.ari_p", row["p_value"])
    # No run may have a value for every pair, and then none has a grouping of its own.
    if math.isfinite(row["recovered"]):
        store.percent(f"{key}.recovered", round(row["recovered"], 3))
    if row["p_value"] >= alpha:
        return "not shown"
    return "wholly" if row["value"] > 1 - SAME else "partly"


def _which(arm: Arm, lines: pd.DataFrame) -> str | None:
    """What the known groups are: ``planted`` by the simulator, ``proposed`` by the config, or those of ``labels``."""
    if lines.empty:
        return None
    simulation = arm.study.simulation
    planted = simulation is not None and simulation["relatedness"] > 0 and simulation["latent_per"] == "cluster"
    return "planted" if planted else lines["known"].iloc[0]


def _gains(arm: Arm, name: str, store: Store) -> list[dict[str, Any]]:
    """Contrasts between ways of grouping tasks, level by level from the highest overlap."""
    table = arm.table("group_contrasts")
    if not len(table) or TASKONOMY not in arm.study.experiments:
        return []
    told = []
    for level in reversed([str(level) for level in ordered(arm.study.experiments[TASKONOMY])]):
        contrasts = []
        for row in table[table["level"] == level].itertuples():
            if not np.isfinite([row.difference, row.ci_low, row.ci_high, row.p_holm]).all():
                continue
            key = key_of("overlap", name, "gains", level, row.contrast.replace(" ", "_"))
            store.number(f"{key}.difference", row.difference, DECIMALS)
            store.interval(key, row.ci_low, row.ci_high, DECIMALS)
            store.probability(f"{key}.p", row.p_holm)
            if row.partitions:
                store.count(f"{key}.better", row.better)
                store.count(f"{key}.partitions", row.partitions)
            contrasts.append({"contrast": row.contrast, "key": key, "random": bool(row.partitions)})
        if contrasts:
            told.append({"level": level, "contrasts": contrasts})
    return told
