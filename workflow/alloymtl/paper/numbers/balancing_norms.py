"""Numbers of balancing: is a grid search reached, do norms of gradients go with imbalance, what does it all cost?"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from alloymtl.evaluation.balancing.correlation import PEARSON
from alloymtl.evaluation.balancing.equivalence import ALL_LEVELS, VERDICTS
from alloymtl.evaluation.balancing.gradient_norms import AS_MET, CORRECTED, SCALED
from alloymtl.evaluation.balancing.norms import BOTH, EPOCH_CHANGES, EPOCHS, LEVELS, TASKS
from alloymtl.evaluation.balancing.roles import is_baseline, is_gradient_norm, is_grid_search
from alloymtl.paper.balancing import made, of_study
from alloymtl.paper.material import Material
from alloymtl.paper.numbers.store import Store
from alloymtl.paper.numbers.tests import key_of, sign
from alloymtl.paper.spec import ordered
from alloymtl.paper.tables.reported_gains import compared, same_order

EQUIVALENCE, NORMS, COSTS, GAINS = "equivalence", "norms", "costs", "gains"
POINTS = 2  # decimals of percentage points, and of ratios near one
RATIO = 1  # decimals of a ratio
CORRELATION = 2
WORDS = {TASKS: "tasks", BOTH: "both", LEVELS: "levels", EPOCHS: "epochs", EPOCH_CHANGES: "changes"}
BY_TASK = (LEVELS, EPOCHS)
ROLES = {"plain": is_baseline, "scaled": is_gradient_norm, "searched": is_grid_search}


def equivalence(material: Material, store: Store) -> None:
    """Whether gradient-norm scaling reaches the grid search of its sampler, over levels, and how the others fell.

    ``equivalence`` is None where no sampler has both. ``panels`` has an entry for each sampler: ``reference``, the
    ``verdict`` of gradient-norm scaling (``method``; None where the sampler has none), that at each level by verdict
    (``levels``), and the other methods by verdict (``others``).
    """
    store.facts[EQUIVALENCE] = None
    table = material.equivalence
    if of_study(material.study) is None or table.empty:
        return
    alpha = material.study.evaluation["alpha"]
    store.number(f"{EQUIVALENCE}.margin", table["margin"].iloc[0], RATIO)
    store.percent(f"{EQUIVALENCE}.coverage", 1 - 2 * alpha)
    over = ALL_LEVELS if (table["level"] == ALL_LEVELS).any() else table["level"].iloc[-1]
    panels = [_against_search(rows, over, store) for _, rows in table.groupby("sampler", sort=False)]
    store.facts[EQUIVALENCE] = {"panels": panels, "over_levels": over == ALL_LEVELS}


def _against_search(table: pd.DataFrame, over: str, store: Store) -> dict[str, Any]:
    """One sampler's part."""
    sampler, reference = table[["sampler", "reference"]].iloc[0]
    key = key_of(EQUIVALENCE, sampler)
    shown = table[table["level"] == over]
    own, others = (shown[shown["primary"] == primary] for primary in (True, False))
    panel: dict[str, Any] = {"sampler": sampler, "reference": reference, "key": key, "method": None, "verdict": None}
    by_level = table[table["primary"] & (table["level"] != ALL_LEVELS)]
    panel["levels"] = {v: list(by_level.loc[by_level["verdict"] == v, "level"]) for v in VERDICTS}
    panel["others"] = {v: list(others.loc[others["verdict"] == v, "method"]) for v in VERDICTS}
    for verdict, methods in panel["others"].items():
        store.count(f"{key}+{verdict.replace(' ', '_')}", len(methods))
    store.count(f"{key}+all", len(others))
    if len(own):
        row = own.iloc[0]
        panel |= {"method": row["method"], "verdict": row["verdict"]}
        if math.isfinite(row["difference"]):
            store.number(f"{key}.difference", row["difference"], POINTS)
            store.interval(key, row["ci_low"], row["ci_high"], POINTS)
            store.probability(f"{key}.p", row["p_equivalence_holm"])
            store.probability(f"{key}.differ", row["p_difference_holm"])
    return panel


def norms(material: Material, store: Store) -> None:
    """How unequal norms are and what they correlate with, at the largest level: method by method.

    ``norms`` is None where none were kept. Each entry of ``methods`` has the correlations of one method by measure
    (``as_met``, ``scaled``, ``corrected``) and by what they are over (``tasks``, ``both``, ``levels`` and ``epochs`` by
    task, ``changes``): a key, and where the interval lies (None without one).
    """
    store.facts[NORMS] = None
    table = material.norms
    if table.empty:
        return
    study = material.study
    level = ordered(study.experiments[table["experiment"].iloc[0]])[-1]
    shown = table[(table["coefficient"] == PEARSON) & table["level"].isin(["", str(level)])]
    methods = []
    for name, rows in shown.groupby("method", sort=False):
        entry = {"method": name, "sampler": rows["sampler"].iloc[0], "role": _role(material, name)}
        for word, measure in (("as_met", AS_MET), ("scaled", SCALED), ("corrected", CORRECTED)):
            key = key_of(NORMS, name, word)
            entry[word] = _correlations(rows[rows["measure"] == measure], key, store)
        methods.append(entry)
    store.count(f"{NORMS}.units", int(table["n_clusters"].iloc[0]))
    told = {"level": str(level), "methods": methods, "intervals": bool(table["ci_low"].notna().any())}
    store.facts[NORMS] = {**told, "levels": len(study.experiments[table["experiment"].iloc[0]].levels)}


def _correlations(table: pd.DataFrame, key: str, store: Store) -> dict[str, Any]:
    """What one method's norms by one measure correlate with, and their ``ratio``."""
    found: dict[str, Any] = {}
    for row in table.itertuples(index=False):
        if row.over == TASKS and math.isfinite(row.ratio):
            found["ratio"] = f"{key}.ratio"
            store.number(found["ratio"], row.ratio, RATIO)
        # Over epochs each task is told by itself, over changes between epochs all are told together.
        if not math.isfinite(row.value) or (row.over in BY_TASK) != (row.task != ""):
            continue
        word = WORDS[row.over]
        own = key_of(key, word, *([row.task] if row.task else []))
        store.number(own, row.value, CORRELATION)
        store.count(f"{own}.points", row.n_points)
        told: dict[str, Any] = {"key": own, "sign": None}
        if math.isfinite(row.ci_low):
            store.interval(own, row.ci_low, row.ci_high, CORRELATION)
            told["sign"] = sign(row.ci_low, row.ci_high)
        if row.task:
            found.setdefault(word, {})[row.task] = told
        else:
            found[word] = told
    return found


def _role(material: Material, name: str) -> str | None:
    method = made(material.study.methods[name])
    return next((role for role, plays in ROLES.items() if plays(method)), None)


def costs(material: Material, store: Store) -> None:
    """Time of a step and of all trainings, relative to the plain baseline of the sampler.

    ``costs`` is None where there is no experiment. Each entry of ``panels`` has the methods of a sampler that are told
    of by the part they play (``plain``, ``scaled``, ``searched``), and those of the cheapest and the dearest step.
    """
    store.facts[COSTS] = None
    table = material.balancing_costs
    if of_study(material.study) is None or table.empty:
        return
    panels = []
    for sampler, rows in table[table["baseline"] != ""].groupby("sampler", sort=False):
        joint = rows[[made(material.study.methods[m])["architecture"]["name"] != "independent" for m in rows["method"]]]
        panel = {role: next((m for m in joint["method"] if _role(material, m) == role), None) for role in ROLES}
        once = joint[(joint["trainings"] == 1) & (joint["method"] != joint["baseline"])]
        if len(once):
            panel["cheapest"] = once.loc[once["relative_step"].idxmin(), "method"]
            panel["dearest"] = once.loc[once["relative_step"].idxmax(), "method"]
        for row in joint[joint["method"].isin([m for m in panel.values() if m])].itertuples(index=False):
            key = key_of(COSTS, row.method)
            store.number(f"{key}.microseconds", row.microseconds_per_step, 0)
            store.number(f"{key}.step", row.relative_step, POINTS)
            store.number(f"{key}.all", row.relative_seconds, RATIO)
            store.count(f"{key}.trainings", row.trainings)
        panels.append({"sampler": sampler, **panel})
    store.facts[COSTS] = {"panels": panels, "level": table["level"].iloc[0]}


def gains(material: Material, store: Store) -> None:
    """Signs and order of the gains that arXiv:2509.23915 reports, beside ours on other data.

    ``gains`` is None where both have no method in common, else whether there are pairs to order.
    """
    store.facts[GAINS] = None
    if of_study(material.study) is None:
        return
    data = compared(material).dropna(subset=["delta"])
    if data.empty:
        return
    alike, pairs = same_order(data)
    store.count(f"{GAINS}.cells", len(data))
    store.count(f"{GAINS}.same_sign", int(data["same_sign"].sum()))
    store.count(f"{GAINS}.pairs", pairs)
    store.count(f"{GAINS}.same_order", alike)
    store.facts[GAINS] = {"pairs": pairs}
