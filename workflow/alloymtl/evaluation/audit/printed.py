"""Checks of what tables print: rows that agree, baselines that do not, percentages, missing spread."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pandas as pd

from alloymtl.evaluation.audit.arithmetic import percent_range
from alloymtl.evaluation.audit.registry import FLAG, NOTE, OK, check
from alloymtl.evaluation.audit.tables import Audited, Row
from alloymtl.evaluation.metrics import HIGHER_IS_BETTER
from alloymtl.evaluation.synergy import combined
from alloymtl.evaluation.tails import METRICS as TAILS
from alloymtl.run import FOLDERS, PARTITIONS


@check("rows that agree in every digit", printed_only=True)
def identical_rows(audited: Audited, name: str) -> Iterator[Row]:
    """Methods whose rows of a table are equal to every digit: different methods cannot give that."""
    mend = "equal predictions of two methods stop the build."
    for table, rows in audited.scores.groupby("table", sort=False):
        alike: dict[tuple, list[str]] = {}
        for _, own in rows.groupby("method", sort=False):
            numbers = tuple((r.level, r.task, r.metric, r.mean, r.std) for r in own.itertuples())
            alike.setdefault(numbers, []).append(own["row"].iloc[0])
        for numbers, labels in alike.items():
            if len(labels) > 1 and len(numbers) > 1:
                shown = ", ".join(mean for *_, mean, _ in numbers)
                found = f"{', '.join(labels[:-1])} and {labels[-1]} agree in all {len(numbers)} numbers ({shown})."
                yield Row(name, audited.where(str(table)), "critical", found, FLAG, mend)


@check("one baseline with several values")
def several_values(audited: Audited, name: str) -> Iterator[Row]:
    """The same method with different scores in different tables, though nothing else differs."""
    mend = "one set of runs of a method serves all tables."
    rows = audited.scores[audited.scores["metric"].isin(HIGHER_IS_BETTER)]
    for (method, _, task, metric), own in rows.groupby(["method", "level", "task", "metric"], sort=False):
        values = own.groupby("mean_value", sort=False)["table"].agg(list)
        if len(values) > 1:
            each = "; ".join(f"{value:.3f} ({', '.join(map(str, tables))})" for value, tables in values.items())
            spread = max(values.index) - min(values.index)
            found = f"{method}, {metric} of {task}: {each}; range {spread:.3f}."
            severity, verdict = ("critical", FLAG) if audited.reported else ("low", NOTE)
            yield Row(name, audited.where(*dict.fromkeys(own["table"])), severity, found, verdict, mend)


@check("tables without spread")
def without_spread(audited: Audited, name: str) -> Iterator[Row]:
    """Tables of scores that give neither standard deviation nor number of runs."""
    rows = audited.scores[audited.scores["metric"].isin(HIGHER_IS_BETTER)]
    bare = [str(table) for table, own in rows.groupby("table", sort=False) if own["std_value"].isna().all()]
    if bare:
        found = f"{len(bare)} of {rows['table'].nunique()} tables of scores have no standard deviation and no test."
        yield Row(name, audited.where(*bare), "high", found, FLAG, "every score here has its runs and its interval.")


@check("percentages", printed_only=True)
def percentages(audited: Audited, name: str) -> Iterator[Row]:
    """Relative changes that do not follow from the scores beside them, or only from digits that were rounded away."""
    mend = "percentages here are computed from unrounded scores."
    for table, rows in audited.scores.groupby("table", sort=False):
        scores = {(r.method, r.level, r.task, r.metric): r for r in rows.itertuples()}
        for row in rows[rows["delta_value"].notna()].itertuples():
            base = scores.get((row.baseline, row.level, row.task, row.metric))
            if base is None:
                continue
            where = f"{audited.where(str(table))}: {row.row}, {row.metric} of {row.task}"
            change = (base.mean_value, row.mean_value, base.mean_half, row.mean_half)
            yield _percentage(name, where, change, row.delta_value, row.delta_half, mend)
    for claim, part in _parts(audited):
        if part.get("relative") and "printed" in part and "size" in part:
            before, after = part["printed"]
            halves = [0.5 * 10.0 ** -len(f"{value:.3g}".partition(".")[2]) for value in (before, after)]
            half = part.get("rounding", 0.05)
            yield _percentage(name, f"{audited.source}, {claim}", (before, after, *halves), part["size"], half, mend)


def _percentage(
    name: str, where: str, change: tuple[float, float, float, float], told: float, half: float, mend: str
) -> Row:
    before, after, *halves = change
    low, high = percent_range(before, after, *halves)
    plain = 100 * (after / before - 1)
    found = f"{before:g} to {after:g} is {plain:+.2f} % ({low:+.2f} to {high:+.2f} with rounding); printed {told:+g} %."
    if abs(plain - told) <= half + 1e-9:
        return Row(name, where, "info", found, OK, "")
    if low - half <= told <= high + half:
        return Row(name, where, "low", f"{found} It follows from unrounded scores only.", NOTE, mend)
    return Row(name, where, "high", found, FLAG, mend)


@check("parts without effect", printed_only=True)
def no_effect(audited: Audited, name: str) -> Iterator[Row]:
    """A part that changes nothing by itself, yet changes something when it joins another: it has switched that off."""
    values = {(r.table, r.method, r.level, r.task, r.metric): r.mean_value for r in audited.scores.itertuples()}
    methods = {key[1] for key in values}
    seen = set()
    for experiment in audited.experiments:
        for baseline, first, second, both in combined(experiment, audited.methods):
            for idle, other in ((first, second), (second, first)):
                if not {baseline, idle, other, both} <= methods or (idle, other) in seen:
                    continue
                seen.add((idle, other))
                yield from _idle(audited, name, values, baseline, idle, other, both)


def _idle(
    audited: Audited, name: str, values: dict[tuple, float], baseline: str, idle: str, other: str, both: str
) -> Iterator[Row]:
    """Whether ``idle`` does nothing in a table, while ``both`` there is not what ``other`` is elsewhere."""
    for table in dict.fromkeys(key[0] for key in values):
        scores = [key[2:] for key in values if key[:2] == (table, idle)]
        same = [s for s in scores if values.get((table, baseline, *s)) == values[table, idle, *s]]
        if not scores or len(same) < len(scores):
            continue
        for elsewhere in dict.fromkeys(key[0] for key in values if key[1] == other):
            pairs = [(values.get((table, both, *s)), values.get((elsewhere, other, *s))) for s in scores]
            if all(None not in pair for pair in pairs) and any(a != b for a, b in pairs):
                shown = "; ".join(f"{a:g} and {b:g}" for a, b in pairs)
                found = f"{idle} changes nothing, yet {both} differs from {other} ({shown})."
                mend = "each part is tested to change what it should."
                yield Row(name, audited.where(table, elsewhere), "critical", found, FLAG, mend)


@check("combinations left out", printed_only=True)
def factorial(audited: Audited, name: str) -> Iterator[Row]:
    """A table that combines parts of two kinds, with a combination missing."""
    for table, rows in audited.scores.groupby("table", sort=False):
        methods = list(dict.fromkeys(rows["method"]))
        if not all(m in audited.methods for m in methods):
            continue
        parts = {m: {kind: audited.methods[m][kind]["name"] for kind in FOLDERS} for m in methods}
        varied = [kind for kind in FOLDERS if len({p[kind] for p in parts.values()}) > 1]
        if len(varied) < 2 or "architecture" in varied:
            continue
        there = {tuple(p[kind] for kind in varied) for p in parts.values()}
        wanted = set(product(*(dict.fromkeys(p[kind] for p in parts.values()) for kind in varied)))
        if missing := sorted(wanted - there):
            shown = "; ".join(" with ".join(combination) for combination in missing)
            found = f"{len(there)} of {len(wanted)} combinations of {' and '.join(varied)}; missing: {shown}."
            yield Row(name, audited.where(str(table)), "medium", found, NOTE, "all combinations are run.")


@check("order of levels")
def monotone(audited: Audited, name: str) -> Iterator[Row]:
    """A score that neither falls nor rises throughout as the number of labels grows."""
    rows = audited.scores[audited.scores["metric"].isin(HIGHER_IS_BETTER)]
    if not audited.reported:
        rows = rows[rows["metric"].isin(audited.primary)]
    for (table, method, task, metric), own in rows.groupby(["table", "method", "task", "metric"], sort=False):
        own = own.assign(size=pd.to_numeric(own["level"].replace("all", "inf"))).sort_values("size")
        means = own["mean_value"].to_numpy()
        if len(own) < 3 or len(set(own["size"])) < len(own) or (own["mean_value"].is_monotonic_increasing):
            continue
        if own["mean_value"].is_monotonic_decreasing:
            continue
        best = means.argmax() if HIGHER_IS_BETTER[metric] else means.argmin()
        shown = ", ".join(f"{value:.3f} ({level})" for value, level in zip(means, own["level"], strict=True))
        found = f"{method}, {metric} of {task}: {shown}; best at {own['level'].iloc[best]}."
        alone = audited.spread_of(audited.baseline, task, metric, "all")
        if alone is not None and method != audited.baseline and HIGHER_IS_BETTER[metric] and (means > alone.mean).any():
            above = ", ".join(own["level"][means > alone.mean])
            found += f" Above {audited.baseline} ({alone.mean:.3f}) at {above}."
        severity, verdict = ("critical", FLAG) if audited.reported else ("info", NOTE)
        mend = "levels are nested, share their test rows, and are compared with equal numbers of steps too."
        yield Row(name, audited.where(str(table)), severity, found, verdict, mend)


@check("mixed tails", printed_only=True)
def mixed_tails(audited: Audited, name: str) -> Iterator[Row]:
    """Metrics of large errors of which some improve and some do not."""
    rows = audited.scores[audited.scores["metric"].isin(TAILS)]
    for (table, task), own in rows.groupby(["table", "task"], sort=False):
        first, *others = dict.fromkeys(own["method"])
        base = own[own["method"] == first].set_index("metric")["mean_value"]
        for method in others:
            value = own[own["method"] == method].set_index("metric")["mean_value"]
            change = 100 * (value / base - 1)
            if (change < 0).any() and (change > 0).any():
                shown = ", ".join(f"{metric} {percent:+.0f} %" for metric, percent in change.items())
                found = f"{method} against {first}, {task}: {shown}. The largest error is that of one alloy."
                mend = "all four are shown with bootstrap intervals over alloys."
                yield Row(name, audited.where(str(table)), "medium", found, FLAG, mend)


@check("remedies against the main baseline")
def reaches_baseline(audited: Audited, name: str) -> Iterator[Row]:
    """Tables of remedies without the models that they have to beat in the end."""
    for table, rows in audited.scores.groupby("table", sort=False):
        judged = rows["metric"].isin(audited.primary or HIGHER_IS_BETTER) & ~rows["metric"].isin(TAILS)
        rows = rows[judged & (rows["level"] == "all")]
        if rows.empty or audited.baseline in set(rows["method"]) or rows["task"].nunique() < 2:
            continue
        behind = {}
        for row in rows.itertuples():
            alone = audited.spread_of(audited.baseline, row.task, row.metric, row.level)
            better = HIGHER_IS_BETTER[row.metric]
            if alone is not None and (row.mean_value < alone.mean if better else row.mean_value > alone.mean):
                shown = f"{row.task} {row.metric} {row.mean_value:.3f} against {alone.mean:.3f}"
                behind.setdefault(row.method, []).append(shown)
        methods = list(dict.fromkeys(rows["method"]))
        if behind and len(behind) == len(methods):
            least = min(behind, key=lambda m: len(behind[m]))
            found = f"none of {len(methods)} methods reaches {audited.baseline} on every score; {least} least behind: "
            found += f"{', '.join(behind[least])}."
            mend = "gains are given against the independent models as well."
            yield Row(name, audited.where(str(table)), "medium", found, NOTE, mend)


@check("label overlap")
def overlap(audited: Audited, name: str) -> Iterator[Row]:
    """Whether any alloy has the labels of two tasks, from the counts."""
    union = audited.sizes.get("union")
    if union is None:
        return
    tasks = {task: counts for task, counts in audited.sizes.items() if task != "union"}
    shared = sum(c[p] for c in tasks.values() for p in PARTITIONS) - sum(union[p] for p in PARTITIONS)
    found = f"{sum(union[p] for p in PARTITIONS):,} alloys carry "
    found += f"{sum(c[p] for c in tasks.values() for p in PARTITIONS):,} labels of {len(tasks)} tasks"
    if shared == 0 and len(tasks) > 1:
        found += ": no alloy has two, so that gradients of two tasks never come from the same alloys."
        mend = "overlap stands beside every cosine."
        yield Row(name, audited.where(), "critical" if audited.reported else "info", found, NOTE, mend)
    else:
        yield Row(name, audited.where(), "info", f"{found}: {shared:,} labels on alloys with another.", OK, "")


def _parts(audited: Audited) -> Iterator[tuple[str, dict]]:
    """(claim, rule) of every change that is claimed, parts of compound claims included."""
    for claim in audited.claims.claims if audited.claims else ():
        for part in claim.rule.get("parts", [claim.rule]):
            if part["kind"] in ("change", "tail"):
                yield f"claim {claim.id}", part
