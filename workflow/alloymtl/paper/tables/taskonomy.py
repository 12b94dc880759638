"""Table O5: does training in proposed groups of tasks beat training alone, all together, or in random groups?"""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any

import pandas as pd

from alloymtl.evaluation.affinity.taskonomy import ALONE, GAINS, OF_CONTRASTS, RANDOM, TOGETHER
from alloymtl.experiment import TASKONOMY
from alloymtl.paper.affinity import ARM, PAPER, every, key, level_of, numbered
from alloymtl.paper.latex import Tex, escape, p_value
from alloymtl.paper.material import Material
from alloymtl.paper.overlap import ABSENT, Arm, arms
from alloymtl.paper.reported import printed
from alloymtl.paper.spec import ordered
from alloymtl.paper.tables.parts import DASH, interval, note, notice, number
from alloymtl.paper.tables.tabular import Table, Tabular, stacked

COLUMNS = [ARM, "level", "kind", "name", *(c for c in GAINS if c not in ("level", "method"))]
COLUMNS += [c for c in OF_CONTRASTS if c not in (*GAINS, "contrast")]
ABSENT_TASKONOMY = "No arm has an experiment that trains groups of tasks."
DECIMALS = 2
PUBLISHED = (2, 3, 4)
"""Numbers of groups whose gains arXiv:2604.07848 reports."""


def make(material: Material) -> Table:
    """Above, what each method of each arm and level gains over training alone; below, the contrasts between them.

    A gain is Delta_m in percent with its interval; groups are written with the tasks' numbers, and below the random
    ones stands the mean of these. A contrast is in percentage points, paired over independent runs, with its interval
    and its p-value corrected over the contrasts of a level; beside that against random groups stands how many of them
    the proposed ones beat. Last, what arXiv:2604.07848 reports of groups by gradients against random ones. The CSV
    holds both kinds of rows.
    """
    if not any(True for _ in arms(material)):
        return notice(COLUMNS, ABSENT)
    there = [
        (arm, str(level))
        for arm in arms(material)
        if len(arm.table("group_gains"))
        for level in ordered(arm.study.experiments[TASKONOMY])
    ]
    if not there:
        return notice(COLUMNS, ABSENT_TASKONOMY)
    above: list[Tabular] = []
    contrasts = Tabular("lrcrr", [["Contrast", "Difference", "Interval", r"$p_\mathrm{Holm}$", "Beaten"]])
    for _, same in groupby(there, lambda place: [task.name for task in place[0].study.tasks]):
        gains = Tabular("llrc", [["Method", "Groups", r"$\Delta_m$ / \%", "Interval"]])
        for arm, level in same:
            title = escape(f"{arm.title}: {level_of(arm.study, level)}")
            gains.panel(title)
            _gains(gains, arm, level)
            contrasts.panel(title)
            for row in _of_level(arm, "group_contrasts", level):
                contrasts.row(*_contrast(row))
        above += [gains, note(key(arm.study))]
    told = material.overlap_reported_values
    contrasts.panel(f"As reported in {PAPER}, on training data")
    for n in PUBLISHED:
        contrasts.row(Tex(f"{n} groups by gradients against random"), printed(told[f"groups_{n}"]), DASH, DASH, DASH)
    return Table(_data(material), stacked(*above, contrasts))


def _data(material: Material) -> pd.DataFrame:
    """Gains and contrasts below each other; ``kind`` tells them apart, ``name`` is the method or the contrast."""
    gains = every(material, "group_gains", GAINS).rename(columns={"method": "name"}).assign(kind="gain")
    contrasts = every(material, "group_contrasts", OF_CONTRASTS).rename(columns={"contrast": "name"})
    table = pd.concat([gains, contrasts.assign(kind="contrast")], ignore_index=True).reindex(columns=COLUMNS)
    return table.astype({"better": "Int64", "partitions": "Int64"})


def _of_level(arm: Arm, name: str, level: str) -> list[dict[str, Any]]:
    table = arm.table(name)
    return table[table["level"] == level].to_dict("records")


def _gains(tabular: Tabular, arm: Arm, level: str) -> None:
    """A row for each method but the baseline, and one for the mean of the random groups after the last of these."""
    rows = [row for row in _of_level(arm, "group_gains", level) if row["role"] != ALONE]
    drawn = [row for row in rows if row["role"] == RANDOM]
    for row in rows:
        title = escape(arm.study.methods[row["method"]].title)
        groups = Tex("all") if row["role"] == TOGETHER else escape(numbered(arm.study, row["groups"]))
        delta, span = number(row["delta"], DECIMALS), interval(row["ci_low"], row["ci_high"], DECIMALS)
        tabular.row(title, groups, delta, span)
        if drawn and row is drawn[-1]:
            mean = sum(r["delta"] for r in drawn) / len(drawn)
            tabular.row(Tex("Mean of random groups"), Tex(""), number(mean, DECIMALS), DASH)


def _contrast(row: dict[str, Any]) -> list[Tex]:
    beaten = f"{row['better']} of {row['partitions']}" if row["partitions"] else "--"
    return [
        escape(row["contrast"].capitalize()),
        number(row["difference"], DECIMALS),
        interval(row["ci_low"], row["ci_high"], DECIMALS),
        DASH if math.isnan(row["p_holm"]) else p_value(row["p_holm"]),
        Tex(beaten),
    ]
