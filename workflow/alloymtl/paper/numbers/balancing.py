"""Numbers of balancing: what it gains over single-task networks, by sampler, by rank and by level."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from alloymtl.evaluation.balancing.delta_tables import BOTH, OVERALL, UNDEFINED
from alloymtl.paper.balancing import Balancing, of_study, row_of
from alloymtl.paper.material import Material
from alloymtl.paper.numbers.store import Store
from alloymtl.paper.numbers.tests import VERDICTS, key_of
from alloymtl.paper.samples import majority

BALANCING = "balancing"
DECIMALS = 1  # of changes in percent, and of ranks
FELL = (*VERDICTS, UNDEFINED)


def gains(material: Material, store: Store) -> None:
    """Delta_m at the largest level, and how often which verdict fell.

    ``balancing`` is None where there is no experiment. ``panels`` has an entry for each sampler: its methods, the plain
    baseline (``plain``), the method with the highest Delta_m (``best``), which methods are better, worse and so on than
    single-task networks (``alone``) and than the plain baseline (``own``), what the sampler alone does to the baseline
    (``batches``), how Delta_m changes from the smallest level to the largest (``rises``), and the ranks (``ranks``).
    ``together`` has the ranks among the methods of all samplers; None where there is one.
    """
    balancing = of_study(material.study)
    store.facts[BALANCING] = None
    if balancing is None:
        return
    table = material.delta
    families = table.drop_duplicates("method").groupby("family", sort=False)["method"].apply(list)
    store.facts[BALANCING] = {
        "alone": balancing.alone,
        "largest": str(balancing.levels[-1]),
        "smallest": str(balancing.levels[0]),
        "levels": len(balancing.levels),
        "task": majority(material).name,
        "families": {name: methods for name, methods in families.items() if name},
        "undefined": _undefined(material, balancing),
        "together": _together(material, balancing, store),
        "panels": [_panel(material, balancing, of_sampler, store) for of_sampler in balancing.samplers],
    }
    store.count(f"{BALANCING}.joint", sum(len(balancing.joint(s)) for s in balancing.samplers))
    store.count(f"{BALANCING}.levels", len(balancing.levels))


def _undefined(material: Material, balancing: Balancing) -> list[str]:
    """Tasks of which percentages of the single-task value mean nothing, at some level."""
    table = material.delta
    undefined = table[(table["against"] == balancing.alone) & (table["verdict"] == UNDEFINED)]
    return [task.name for task in material.study.tasks if task.name in set(undefined["task"])]


def _panel(material: Material, balancing: Balancing, of_sampler: str, store: Store) -> dict[str, Any]:
    joint, plain = balancing.joint(of_sampler), balancing.plain(of_sampler)
    key, level = key_of(BALANCING, of_sampler), str(balancing.levels[-1])
    path = material.inputs["delta"]

    def overall(method: str, against: str) -> pd.Series:
        return row_of(material.delta, path, level=level, method=method, against=against, task=OVERALL)

    of_all = {m: overall(m, balancing.alone) for m in joint}
    defined = {m: float(row["delta"]) for m, row in of_all.items() if not math.isnan(row["delta"])}
    panel: dict[str, Any] = {"sampler": of_sampler, "key": key, "methods": joint, "plain": plain, "own": None}
    panel["alone"] = _tally(store, f"{key}.alone", {m: row["verdict"] for m, row in of_all.items()})
    panel["best"] = max(defined, key=defined.__getitem__) if defined else None
    for method in dict.fromkeys([plain, panel["best"]]):
        if method in defined:
            _change(store, key_of(BALANCING, "of", method), of_all[method])
    if plain is not None:
        against = {m: overall(m, plain) for m in joint if m != plain}
        panel["own"] = _tally(store, f"{key}.own", {m: row["verdict"] for m, row in against.items()})
    panel["batches"] = _batches(balancing, of_sampler, store, overall)
    panel["rises"] = _rises(material, balancing, of_sampler, store)
    panel["ranks"] = _ranks(material, of_sampler, [balancing.alone, *joint], [balancing.alone, plain], store)
    return panel


def _together(material: Material, balancing: Balancing, store: Store) -> dict[str, Any] | None:
    """Ranks among the methods of all samplers."""
    if len(balancing.samplers) < 2:
        return None
    joint = [method for of_sampler in balancing.samplers for method in balancing.joint(of_sampler)]
    told = [balancing.alone, *balancing.plains]
    return {**_ranks(material, BOTH, [balancing.alone, *joint], told, store), "told": told}


def _batches(balancing: Balancing, of_sampler: str, store: Store, overall: Any) -> dict[str, Any] | None:
    """What the plain baseline gains under a sampler over itself under the first one."""
    plains = {name: balancing.plain(name) for name in balancing.samplers}
    first = next((name for name, plain in plains.items() if plain is not None), None)
    if first is None or first == of_sampler or plains[of_sampler] is None:
        return None
    row = overall(plains[of_sampler], plains[first])
    key = key_of(BALANCING, of_sampler, "batches")
    if row["verdict"] != UNDEFINED:
        _change(store, key, row)
    return {"against": first, "verdict": row["verdict"], "key": key}


def _rises(material: Material, balancing: Balancing, of_sampler: str, store: Store) -> dict[str, Any] | None:
    """How Delta_m changes from the smallest level to the largest: the plain baseline in numbers, all by verdict."""
    if len(balancing.levels) < 2:
        return None
    path, plain = material.inputs["delta_levels"], balancing.plain(of_sampler)
    rows = {m: row_of(material.delta_levels, path, method=m) for m in balancing.joint(of_sampler)}
    key = key_of(BALANCING, of_sampler, "rises")
    told = plain is not None and rows[plain]["verdict"] != UNDEFINED
    if told:
        _change(store, key_of(key, "plain"), rows[plain])
    of = _tally(store, key, {m: row["verdict"] for m, row in rows.items()})
    return {"of": of, "plain": str(rows[plain]["verdict"]) if told else None}


def _ranks(
    material: Material, of_sampler: str, compared: Sequence[str], told: Sequence[str | None], store: Store
) -> dict[str, Any]:
    """Ranks among some methods: who is best, and whom ranks do not tell from it; the mean ranks of some of them."""
    table, path = material.ranks, material.inputs["ranks"]
    rows = {m: row_of(table, path, sampler=of_sampler, method=m) for m in compared}
    ranks = {m: float(row["mean_rank"]) for m, row in rows.items()}
    best, first = min(ranks, key=ranks.__getitem__), rows[compared[0]]
    difference = float(first["critical_difference"])
    within = [m for m in compared if m != best and ranks[m] - ranks[best] <= difference]
    key = key_of(BALANCING, of_sampler or "together", "ranks")
    store.count(f"{key}.blocks", int(first["blocks"]))
    store.count(f"{key}.methods", len(compared))
    store.count(f"{key}.within", len(within))
    store.number(f"{key}.difference", difference, DECIMALS)
    for method in dict.fromkeys([best, *told]):
        if method is not None:
            store.number(key_of(key, "of", method), ranks[method], DECIMALS)
    p_value = float(first["p_value"])
    if not math.isnan(p_value):
        store.number(f"{key}.statistic", float(first["statistic"]), DECIMALS)
        store.probability(f"{key}.p", p_value)
    differ = None if math.isnan(p_value) else p_value < material.study.evaluation["alpha"]
    return {"key": key, "best": best, "within": within, "differ": differ}


def _change(store: Store, key: str, row: Mapping[str, Any]) -> None:
    store.number(f"{key}.delta", row["delta"], DECIMALS)
    store.interval(key, row["ci_low"], row["ci_high"], DECIMALS)
    store.probability(f"{key}.p", row["p_holm"])


def _tally(store: Store, key: str, verdicts: Mapping[str, str]) -> dict[str, list[str]]:
    """Methods by verdict, and their numbers."""
    of = {verdict: [method for method, fell in verdicts.items() if fell == verdict] for verdict in FELL}
    store.count(f"{key}+all", len(verdicts))
    for verdict, methods in of.items():
        store.count(f"{key}+{verdict.replace(' ', '_')}", len(methods))
    return of
