"""Checks of what tables imply: p-values, units, what varies between runs, collapsed relations, batches, power."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, product

from alloymtl.evaluation.audit.arithmetic import (
    Printed,
    confusion,
    detectable_effect,
    implied_correlation,
    implied_sd,
    paired_range,
    presence,
    r2_sampling_sd,
)
from alloymtl.evaluation.audit.registry import FLAG, NOTE, OK, check
from alloymtl.evaluation.audit.tables import Audited, Row

RAW = "every value of every run is kept, and tests are computed from them."
# A correlation between runs of common seeds below this is possible, and hardly to be expected.
UNLIKELY = -0.5


@check("p-values", printed_only=True)
def p_values(audited: Audited, name: str) -> Iterator[Row]:
    """P-values in tables, exact or as a bound, that the printed means and deviations do not allow."""
    t = audited.table
    for row in t[(t["p_value"] != "") & (t["baseline"] != "")].itertuples():
        pair = _pair(audited, row.method, row.baseline, row.task, row.metric, row.level)
        if pair is None:
            continue
        what = f"{row.method} against {row.baseline}, {row.metric} of {row.task}"
        if row.p_value.startswith("<"):
            yield _bound(audited, name, str(row.table), what, pair, float(row.p_value[1:]))
        else:
            yield _exact(audited, name, str(row.table), what, pair, float(row.p_value))


def _bound(audited: Audited, name: str, table: str, what: str, pair: tuple[Printed, Printed], bound: float) -> Row:
    allowed = paired_range(*pair, audited.replicates)
    found = f"{what}: printed p < {bound:g}; means and SDs allow {allowed.low:.2g} to {allowed.high:.2g}."
    if allowed.low >= bound:
        return Row(name, audited.where(table), "high", found, FLAG, RAW)
    if allowed.high < bound:
        return Row(name, audited.where(table), "info", found, OK, "")
    return Row(name, audited.where(table), "low", f"{found} It needs pairs that are positively correlated.", NOTE, RAW)


def _exact(audited: Audited, name: str, table: str, what: str, pair: tuple[Printed, Printed], p_value: float) -> Row:
    n = audited.replicates
    allowed, wider = paired_range(*pair, n), paired_range(*pair, n, population=True)
    correlation = implied_correlation(*pair, n, p_value)
    found = f"{what}: printed p = {p_value:g}; means and SDs allow {allowed.low:.2g} to {allowed.high:.2g}"
    if not allowed.low <= p_value <= allowed.high:
        found += ", so it is impossible"
        if wider.low <= p_value <= wider.high:
            needed = implied_correlation(*pair, n, p_value, population=True)
            found += f"; were the SDs of divisor n, it would need a correlation of {needed:.2f} between paired runs"
        return Row(name, audited.where(table), "high", f"{found}.", FLAG, RAW)
    found += f"; it needs a correlation of {correlation:.2f} between paired runs."
    if correlation < UNLIKELY:
        return Row(name, audited.where(table), "high", found, FLAG, RAW)
    return Row(name, audited.where(table), "info", found, OK, "")


@check("claims of significance", printed_only=True)
def claims_of_significance(audited: Audited, name: str) -> Iterator[Row]:
    """Claims that tests are significant, which the printed means and deviations do not bear out."""
    for claim in audited.claims.claims if audited.claims else ():
        for rule in claim.rule.get("parts", [claim.rule]):
            if rule["kind"] != "change" or "alpha" not in rule:
                continue
            failing, tested = [], 0
            several = (v if isinstance(v := rule[key], list) else [v] for key in ("method", "task", "metric"))
            for method, task, metric in product(*several):
                baseline = rule.get("baseline", method)
                pair = _pair(audited, method, baseline, task, metric, str(rule.get("level", "all")))
                if pair is not None:
                    tested += 1
                    allowed = paired_range(*pair, audited.replicates)
                    if allowed.low >= rule["alpha"]:
                        failing.append(f"{method}, {metric} of {task}: {allowed.low:.3f} to {allowed.high:.3f}")
            if tested:
                where = f"{audited.source}, claim {claim.id}"
                found = f"{len(failing)} of {tested} tests cannot have p < {rule['alpha']:g}"
                found += f" ({'; '.join(failing)})." if failing else "."
                yield Row(
                    name, where, "high" if failing else "info", found, FLAG if failing else OK, RAW * bool(failing)
                )


@check("units of errors")
def units_of_errors(audited: Audited, name: str) -> Iterator[Row]:
    """The standard deviation of test labels that RMSE and R2 imply, which is about 1 for standardised labels."""
    first, seen = {}, set()
    for row in audited.scores[audited.scores["metric"].isin(["rmse_z", "r2"])].itertuples():
        first.setdefault((row.table, row.method, row.level, row.task), {})[row.metric] = row.mean_value
    for (table, method, _, task), value in first.items():
        if len(value) < 2 or value["r2"] >= 1 or (table, task) in seen:
            continue
        seen.add((table, task))
        sd = implied_sd(value["rmse_z"], value["r2"])
        found = f"{method}, {task}: RMSE and R2 imply test labels with an SD of {sd:.3f}"
        if not audited.reported or abs(sd - 1) < 0.15:
            yield Row(name, audited.where(table), "info", f"{found}, so errors are in training SDs.", OK, "")
        else:
            found += "; neither the stated unit nor a plain standardisation gives that."
            yield Row(name, audited.where(table), "high", found, FLAG, "errors are given in both.")


@check("what varies between runs")
def split_fixed(audited: Audited, name: str) -> Iterator[Row]:
    """Deviations over runs that are too small for test sets that were drawn anew in each run."""
    splits = len(audited.main.split_seeds)
    mend = "splits and seeds are separate, and several splits are compared as splits."
    if not audited.reported and splits == 1:
        found = f"one split and {len(audited.main.seeds)} seeds: deviations hold the noise of training alone."
        yield Row(name, audited.where(audited.main.name), "medium", found, NOTE, "name more split seeds.")
        return
    rows = audited.scores[(audited.scores["metric"] == "r2") & (audited.scores["method"] == audited.baseline)]
    for row in rows[rows["std_value"].notna() & (rows["level"] == "all")].itertuples():
        n = audited.sizes.get(row.task, {}).get("test")
        if n is None or not 0 < row.mean_value < 1 or (not audited.reported and row.table != audited.main.name):
            continue
        expected = r2_sampling_sd(row.mean_value, n)
        found = (
            f"{row.method}, r2 of {row.task}: SD {row.std_value:.4f}; test sets of {n:,} drawn anew give {expected:.4f}"
        )
        if row.std_value < expected / 2:
            found += ", so one split served all runs, and tests speak of the noise of training alone."
            yield Row(name, audited.where(str(row.table)), "high", found, FLAG, mend)
        else:
            yield Row(name, audited.where(str(row.table)), "info", f"{found}.", OK, "")


@check("few positives")
def few_positives(audited: Audited, name: str) -> Iterator[Row]:
    """Gains of recall in alloys, beside the sampling error of recall."""
    wanted = ("accuracy", "f1", "recall")
    values: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for row in audited.scores[audited.scores["metric"].isin(wanted) & (audited.scores["level"] == "all")].itertuples():
        values.setdefault((row.table, row.task), {}).setdefault(row.method, {})[row.metric] = row.mean_value
    for (table, task), methods in values.items():
        n = audited.sizes.get(task, {}).get("test")
        base = methods.get(audited.baseline)
        if n is None or base is None or len(base) < 3 or not _defined(base):
            continue
        told = confusion(*(base[m] for m in wanted), n)
        error = math.sqrt(base["recall"] * (1 - base["recall"]) / told.positives)
        for method, own in methods.items():
            if method == audited.baseline or len(own) < 3 or not _defined(own):
                continue
            other, gain = confusion(*(own[m] for m in wanted), n), own["recall"] - base["recall"]
            found = (
                f"{method} against {audited.baseline}, {task}: recall {gain:+.3f} is {gain * told.positives:+.1f} of "
            )
            found += f"{told.positives:.1f} positives; precision {told.precision:.3f} to {other.precision:.3f}; the "
            found += f"sampling error of recall is {error:.3f}."
            small = abs(gain) < 2 * error
            severity = ("high" if audited.reported else "medium") if small else "info"
            mend = "average precision and AUC stand beside F1." * small
            yield Row(name, audited.where(table), severity, found, NOTE if small else OK, mend)


def _defined(scores: dict[str, float]) -> bool:
    return 0 < scores["recall"] < 1 and 0 < scores["f1"] < 2 * scores["recall"] and scores["accuracy"] < 1


@check("collapsed relations")
def collapsed_relations(audited: Audited, name: str) -> Iterator[Row]:
    """Learned relations, none below zero, whose deviation is the largest that one run alone can make.

    Of n values of which one is x and the others are 0, the SD is sqrt(n) times the mean (sqrt(n - 1) times with divisor
    n), and no values above zero can have more.
    """
    rows = audited.table[(audited.table["metric"] == "strength") & audited.table["std_value"].notna()]
    mend = "relations of every run are shown, without their penalty too, and of tasks that are related by construction."
    for (table, method, _), own in rows.groupby(["table", "method", "level"], sort=False):
        n = audited.replicates if audited.reported else len(_experiment(audited, str(table)))
        least = [
            max(0.0, r.std_value - r.std_half) / (r.mean_value + r.mean_half) for r in own.itertuples() if r.mean_value
        ]
        most = [
            (r.std_value + r.std_half) / max(r.mean_value - r.mean_half, 1e-12)
            for r in own.itertuples()
            if r.mean_value
        ]
        hit = sum(
            low <= math.sqrt(n) * 1.001 and high >= 0.99 * math.sqrt(n - 1)
            for low, high in zip(least, most, strict=True)
        )
        if n < 3 or not least:
            continue
        found = f"{method}: in {hit} of {len(own)} relations the SD is as large against the mean as {n} runs allow"
        if hit * 2 > len(own):
            found += ": one run has all the strength and the others have none."
            yield Row(name, audited.where(str(table)), "high", found, FLAG, mend)
        else:
            yield Row(name, audited.where(str(table)), "info", f"{found}.", OK, "")


def _experiment(audited: Audited, name: str) -> list[tuple[int, int]]:
    return next(e for e in audited.experiments if e.name == name).replicates()


@check("batches")
def batches(audited: Audited, name: str) -> Iterator[Row]:
    """How often a uniform batch holds a task, and what weights by size make of it."""
    train = {task: counts["train"] for task, counts in audited.sizes.items() if task != "union"}
    if "union" not in audited.sizes or len(train) < 2:
        return
    total, b = audited.sizes["union"]["train"], audited.batch_size
    held = {task: presence(n, total, b) for task, n in train.items()}
    steps, most = math.ceil(total / b), max(train, key=lambda t: train[t])
    shown = "; ".join(f"{task} in {held[task]:.1%} ({b * train[task] / total:.2f} rows)" for task in train)
    pairs = "; ".join(
        f"{x} and {y} {held[x] + held[y] - presence(train[x] + train[y], total, b):.1%}"
        for x, y in combinations(train, 2)
    )
    found = f"batches of {b} from {total:,} rows, {steps:,} steps an epoch: {shown}; together: {pairs}."
    mend = "counts of steps are recorded, and batches that hold every task are a control."
    yield Row(name, audited.where(), "high" if audited.reported else "info", found, NOTE, mend)
    for task in train:
        if held[task] >= 0.99 or train[task] == train[most]:
            continue
        labels, weight = train[most] / train[task], held[task] * train[most] / train[task] / held[most]
        found = f"{task}: {steps * held[task]:,.0f} of {steps:,} steps hold it, {labels:.1f} times fewer labels but "
        found += (
            f"{held[most] / held[task]:.1f} times fewer steps than {most}. With weights inverse to size and losses "
        )
        found += f"averaged over the labels of a batch it weighs {weight:.1f} times as much as {most}."
        mend = "weights and the reduction of the loss are varied together."
        yield Row(name, audited.where(), "high" if audited.reported else "info", found, NOTE, mend)


@check("power")
def power(audited: Audited, name: str) -> Iterator[Row]:
    """The smallest effect that the number of runs can show."""
    n = audited.replicates
    if n < 2:
        return
    found = (
        f"{n} pairs show, with a power of 80 % at 0.05, a mean difference of {detectable_effect(n):.2f} SDs or more."
    )
    yield Row(name, audited.where(), "medium" if n < 10 else "info", found, NOTE, "more seeds and splits.")


def _pair(
    audited: Audited, method: str, baseline: str, task: str, metric: str, level: str
) -> tuple[Printed, Printed] | None:
    one, other = (audited.spread_of(m, task, metric, level) for m in (method, baseline))
    return None if one is None or other is None else (one, other)
