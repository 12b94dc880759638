"""Step ``tables``: the tables of the paper, each as CSV in full precision and as a LaTeX tabular.

A new table is one function with ``@table`` and one name in ``layout.TABLES``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from alloymtl.errors import UserError
from alloymtl.evaluation.metrics import NAMES
from alloymtl.files import write_csv, write_text
from alloymtl.paper.cells import MEND, spread
from alloymtl.paper.display import (
    PARTITIONS,
    higher_is_better,
    metric_decimals,
    metric_heading,
    metric_title,
    unit,
)
from alloymtl.paper.latex import Tex, count, decimals_for, escape, fixed, p_value
from alloymtl.paper.layout import TABLES
from alloymtl.paper.material import TEST_NUMBERS, Material
from alloymtl.paper.spec import MethodView, PaperStudy
from alloymtl.paper.tabular import PLUS_MINUS, Table, Tabular, bold, spanning
from alloymtl.run import Level
from alloymtl.task import Task

REGISTRY: dict[str, Callable[[Material], Table]] = {}


def table(stem: str) -> Callable[[Callable[[Material], Table]], Callable[[Material], Table]]:
    """Register the function that makes the table of that file name."""

    def register(make: Callable[[Material], Table]) -> Callable[[Material], Table]:
        REGISTRY[stem] = make
        return make

    return register


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write every table of ``layout.TABLES`` as ``<stem>_csv`` and ``<stem>_tex``.

    Raises:
        UserError: a cell of the matrix or a test is missing, or a value is no number.
    """
    material = Material(PaperStudy.from_spec(spec), inputs)
    note = f"% Study {material.study.name}. Made by `alloymtl tables`; needs booktabs, adjustbox and siunitx.\n"
    mark = "% Simulated data.\n" if material.study.simulated else ""
    for stem in TABLES:
        made = REGISTRY[stem](material)
        write_csv(outputs[f"{stem}_csv"], made.data)
        write_text(outputs[f"{stem}_tex"], note + mark + made.tex)


@table("table1_data")
def data_summary(material: Material) -> Table:
    """Alloys of each task by partition, and of the union of all tasks (distinct alloys).

    Where split seeds give different counts, the tabular shows their range; the CSV has them all.
    """
    study = material.study
    rows = [row for seed in study.main.split_seeds for row in _counts(material, seed)]
    data = pd.DataFrame(rows)
    tabular = Tabular("llrrrrr", [["Task", "Label", "Alloys", "Training", "Validation", "Test", "$N_{\\max}/N_t$"]])
    for task in study.tasks:
        label = escape(f"{task.negative} / {task.positive}") if task.kind == "classification" else unit(task)
        mine = data[data["task"] == task.name]
        ratio = fixed(mine["imbalance"].iloc[0], 1)
        tabular.row(escape(task.title), label, *(_range(mine[c]) for c in ("alloys", *PARTITIONS)), ratio)
    tabular.rule()
    union = data[data["task"] == "union"]
    tabular.row("Union (distinct alloys)", "", *(_range(union[c]) for c in ("alloys", *PARTITIONS)), "")
    return Table(data, tabular.render())


def _counts(material: Material, split_seed: int) -> Iterator[dict[str, Any]]:
    mine = material.split[material.split["split_seed"] == split_seed]
    labels = material.ingest["labels"]
    most = max(labels[task.name] for task in material.study.tasks)
    for task in material.study.tasks:
        parts = mine.loc[mine["task"] == task.name, "partition"].value_counts()
        if parts.sum() != labels[task.name]:
            what = f"{parts.sum()} labels are split and {labels[task.name]} were read."
            raise UserError(f"{material.inputs['split']}: split {split_seed}, task {task.name}", what, MEND)
        row = {"split_seed": split_seed, "task": task.name, "kind": task.kind, "unit": task.unit}
        counts = {p: int(parts.get(p, 0)) for p in PARTITIONS}
        yield {**row, "alloys": labels[task.name], **counts, "imbalance": most / labels[task.name]}
    distinct = mine.drop_duplicates("alloy")["partition"].value_counts()
    row = {"split_seed": split_seed, "task": "union", "kind": "", "unit": "", "alloys": int(distinct.sum())}
    yield {**row, **{p: int(distinct.get(p, 0)) for p in PARTITIONS}, "imbalance": math.nan}


def _range(values: pd.Series) -> Tex:
    low, high = int(values.min()), int(values.max())
    return count(low) if low == high else Tex(f"{count(low)}--{count(high)}")


@table("table2_comparison")
def main_comparison(material: Material) -> Table:
    """Mean and SD over runs of every metric of the main comparison, the best in bold, tests against the baseline."""
    study = material.study
    rows, tabular = [], _methods_tabular(study)
    for level in study.main.levels:
        if len(study.main.levels) > 1:
            tabular.panel(_level_title(level))
        for task in study.tasks:
            tabular.rule()
            for number, metric in enumerate(study.metrics(task)):
                found = _row(material, level, task, metric, tested=True)
                rows += found
                tabular.row(escape(task.title) if number == 0 else "", *_row_cells(metric, task, found))
    return Table(pd.DataFrame(rows), tabular.render())


@table("tableA1_metrics")
def other_metrics(material: Material) -> Table:
    """Mean and SD over runs of every other metric that was measured."""
    study = material.study
    columns = ["level", "task", "metric", "method", "mean", "sd", "n", "best", "p_holm", "significant"]
    rows, tabular = [], _methods_tabular(study)
    for level in study.main.levels:
        if len(study.main.levels) > 1:
            tabular.panel(_level_title(level))
        for task in study.tasks:
            left = material.scores.measured(task) - set(study.metrics(task))
            shown = [name for name in NAMES[task.kind] if name in left]
            if shown:
                tabular.rule()
            for number, metric in enumerate(shown):
                found = _row(material, level, task, metric, tested=False)
                rows += found
                tabular.row(escape(task.title) if number == 0 else "", *_row_cells(metric, task, found))
    if not rows:
        tabular.row(spanning(tabular.width, "Every metric that was measured is in the main comparison.", "l"))
    return Table(pd.DataFrame(rows, columns=columns), tabular.render())


def _methods_tabular(study: PaperStudy) -> Tabular:
    names = [spanning(2, escape(method.title)) for method in study.main_methods]
    return Tabular("ll" + PLUS_MINUS * len(names), [["Task", "Metric", *names]])


def _level_title(level: Level) -> Tex:
    return Tex("All alloys" if level == "all" else f"{count(int(level))} alloys of the largest task")


def _row(material: Material, level: Level, task: Task, metric: str, tested: bool) -> list[dict[str, Any]]:
    """One row of a comparison, a dict for each method."""
    study = material.study
    values = {m.name: material.scores.of(study.main, m.name, level, task, metric) for m in study.main_methods}
    means = {name: v.mean() for name, v in values.items()}
    best = max(means.values()) if higher_is_better(metric) else min(means.values())
    decimals = metric_decimals(metric, means.values())
    rows = []
    for name, runs_of in values.items():
        mean, sd = spread(runs_of)
        pair = (study.baseline, name)
        p = math.nan
        if tested and pair in study.main.comparisons:
            p = float(material.test(study.main.name, level, pair, task, metric)["p_holm"])
        row = {"level": str(level), "task": task.name, "metric": metric, "method": name, "mean": mean, "sd": sd}
        # Methods that print the same number share the bold face.
        is_best = f"{mean:.{decimals}f}" == f"{best:.{decimals}f}"
        significant = p < study.evaluation["alpha"]
        rows.append({**row, "n": runs_of.size, "best": is_best, "p_holm": p, "significant": significant})
    return rows


def _row_cells(metric: str, task: Task, rows: list[dict[str, Any]]) -> Iterator[str]:
    yield metric_heading(metric, task)
    decimals = metric_decimals(metric, [row["mean"] for row in rows])
    for row in rows:
        mean, sd = fixed(row["mean"], decimals), fixed(row["sd"], decimals)
        mark = r"\rlap{$^{\ast}$}" if row["significant"] else ""
        yield bold(mean) if row["best"] else mean
        yield (bold(sd) if row["best"] else sd) + mark


@table("table3_tests")
def paired_tests(material: Material) -> Table:
    """Every paired test on the first metric of its task, of every experiment and level."""
    study = material.study
    columns = ["experiment", "level", "baseline", "method", "task", "metric", "n_pairs", *TEST_NUMBERS, "verdict"]
    rows = []
    head = ["Task", "Metric", r"$\Delta$", "Interval", "$t$", "d.f.", "$p$", "$p_{\\text{Holm}}$", "$g$", "Verdict"]
    tabular = Tabular("llrcrrrrrl", [head])
    tested = [e for e in study.experiments.values() if e.comparisons]
    several = len(tested) > 1 or any(len(e.levels) > 1 for e in tested)
    for experiment in tested:
        for level in experiment.levels:
            for pair in experiment.comparisons:
                versus = f"{escape(study.methods[pair[1]].title)} against {escape(study.methods[pair[0]].title)}"
                where = f" ({escape(experiment.name)}, {_level_title(level).lower()})" if several else ""
                tabular.panel(versus + where)
                for task in study.tasks:
                    found = material.test(experiment.name, level, pair, task, study.metrics(task)[0])
                    rows.append(found[columns])
                    tabular.row(escape(task.title), *_test_cells(found))
    if not rows:
        tabular.row(spanning(tabular.width, "This study compares no pair of methods.", "l"))
    return Table(pd.DataFrame(rows, columns=columns), tabular.render())


def _test_cells(test: pd.Series) -> Iterator[str]:
    low, high = test["ci_low"], test["ci_high"]
    d = metric_decimals(test["metric"], [test["mean_difference"]])
    yield metric_title(test["metric"])
    yield fixed(test["mean_difference"], d)
    yield f"[{fixed(low, d)}, {fixed(high, d)}]"
    yield number_or_infinity(test["t"])
    yield str(int(test["df"]))
    yield p_value(test["p_value"])
    yield p_value(test["p_holm"])
    # The small-sample correction of g is zero at two pairs, whatever the difference.
    yield number_or_infinity(test["effect_size"]) if test["n_pairs"] > 2 else "--"
    yield escape(test["verdict"])


def number_or_infinity(value: float) -> Tex:
    """Two decimals; a ratio whose spread is zero has an infinity for its limit."""
    return fixed(value, 2) if math.isfinite(value) else Tex(r"$\infty$" if value > 0 else r"$-\infty$")


@table("table4_relations")
def learned_relations(material: Material) -> Table:
    """Strength of each learned relation between two different tasks, over runs; the CSV has self-relations too."""
    study = material.study
    columns = ["method", "receiver", "source", "mean", "sd", "min", "max", "n"]
    pairs = [(receiver, source) for receiver in study.tasks for source in study.tasks]
    head = [r"Receiver $\leftarrow$ source", spanning(2, r"Mean $\pm$ SD"), "Smallest", "Largest"]
    tabular = Tabular("l" + PLUS_MINUS + "rr", [head])
    rows = []
    for method in material.related:
        if len(material.related) > 1:
            tabular.panel(escape(method.title))
        found = [_strength(material, method, receiver, source) for receiver, source in pairs]
        decimals = max(3, decimals_for([row["mean"] for row in found], 2, most=6))
        rows += found
        for (receiver, source), row in zip(pairs, found, strict=True):
            if receiver is not source:
                edge = rf"{escape(receiver.title)} $\leftarrow$ {escape(source.title)}"
                tabular.row(edge, *(fixed(row[c], decimals) for c in ("mean", "sd", "min", "max")))
    if not tabular.body:
        why = "No method of this study learns relations between tasks." if not material.related else "One task only."
        tabular.row(spanning(tabular.width, why, "l"))
    return Table(pd.DataFrame(rows, columns=columns), tabular.render())


def _strength(material: Material, method: MethodView, receiver: Task, source: Task) -> dict[str, Any]:
    values = material.relation(method, receiver, source)
    mean, sd = spread(values)
    name = {"method": method.name, "receiver": receiver.name, "source": source.name}
    return {**name, "mean": mean, "sd": sd, "min": values.min(), "max": values.max(), "n": values.size}
