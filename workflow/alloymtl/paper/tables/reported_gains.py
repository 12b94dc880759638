"""Table B6: gains over independent networks as arXiv:2509.23915 reports them on other data, beside ours."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from alloymtl.paper.balancing import ABSENT, of_study
from alloymtl.paper.latex import Tex, count, escape
from alloymtl.paper.material import Material
from alloymtl.paper.reported import printed
from alloymtl.paper.tables.across import Beside, first, title, twins
from alloymtl.paper.tables.parts import DASH, interval, notice, number
from alloymtl.paper.tables.tabular import Table

COLUMNS = ["data", "backbone", "row", "published", "published_rank", "sampler", "method", "delta", "ci_low", "ci_high"]
COLUMNS += ["rank", "same_sign"]
HEADING = (r"$\Delta_m$", "Interval", "Rank", "Sign")
DECIMALS = 1  # of a change in percent


def make(material: Material) -> Table:
    """A panel for each data set and backbone, a row for each method that the paper and the study both have.

    Published Delta_m with its rank among the rows of the panel; for each sampler ours at the largest level with its
    interval, its rank among the same methods, and whether both have one sign.
    """
    if of_study(material.study) is None:
        return notice(COLUMNS, ABSENT)
    data = compared(material)
    if data.empty:
        return notice(COLUMNS, "The experiment on balancing has no method that stands in the published tables.")
    beside = Beside(list(data["sampler"].drop_duplicates()), ["Method", "Published", "Rank"], HEADING, "rcrl")
    tabular = beside.tabular()
    for (name, backbone), panel in data.groupby(["data", "backbone"], sort=False):
        tabular.panel(escape(", ".join(part for part in (name, backbone) if part)))
        for _, row in panel.groupby("row", sort=False):
            of_method = {r["method"]: r for r in row.to_dict("records")}
            (twin,) = twins(material.study, of_method)
            told = [printed(row["published"].iloc[0]), count(int(row["published_rank"].iloc[0]))]
            cells = beside.cells(twin, lambda m, found=of_method: _cells(found[m]))
            tabular.row(title(material.study, first(twin)), *told, *cells)
    return Table(data[COLUMNS], tabular.render())


def compared(material: Material) -> pd.DataFrame:
    """The columns ``COLUMNS`` for each reported cell and each sampler under which the study has that method plainly.

    Ranks count from the best, among the methods that both have in a panel under a sampler.
    """
    ours = {(r["sampler"], _balancer(material, r["method"])): r for r in _plain(material)}
    rows = [
        {**told, "published": told["delta"], **{name: own[name] for name in ("sampler", "method", *NUMBERS)}}
        for told in material.balancing_reported.to_dict("records")
        for (_, balancer), own in ours.items()
        if told["balancer"] == balancer
    ]
    data = pd.DataFrame(rows, columns=[*COLUMNS[:4], *COLUMNS[5:10]])
    theirs = data["published"].astype(float)
    panel = [data[name] for name in ("data", "backbone", "sampler")]
    return data.assign(
        published_rank=theirs.groupby(panel).rank(ascending=False, method="min"),
        rank=data["delta"].astype(float).groupby(panel).rank(ascending=False, method="min"),
        same_sign=np.sign(theirs) == np.sign(data["delta"].astype(float)),
    )


NUMBERS = ("delta", "ci_low", "ci_high")


def _plain(material: Material) -> Iterator[dict[str, Any]]:
    """Costs and gains of the first method of each balancer under each sampler, in hard sharing with plain Adam."""
    seen = set()
    for row in material.balancing_costs.to_dict("records"):
        method = material.study.methods[row["method"]]
        key = row["sampler"], method.balancer
        if method.architecture == "hard" and method.parts["optimiser"].name == "adam" and key not in seen:
            seen.add(key)
            yield row


def _balancer(material: Material, method: str) -> str:
    return material.study.methods[method].balancer


def same_order(data: pd.DataFrame) -> tuple[int, int]:
    """Pairs of methods of one panel and sampler that both order alike, and all pairs that neither ties."""
    alike = every = 0
    for _, panel in data.groupby(["data", "backbone", "sampler"], sort=False):
        theirs, ours = panel["published"].astype(float).to_numpy(), panel["delta"].to_numpy()
        for a, b in combinations(range(len(panel)), 2):
            product = (theirs[a] - theirs[b]) * (ours[a] - ours[b])
            if math.isfinite(product) and product != 0:
                every += 1
                alike += product > 0
    return alike, every


def _cells(row: dict[str, Any]) -> list[Tex]:
    if math.isnan(row["delta"]):
        return [DASH] * len(HEADING)
    return [
        number(row["delta"], DECIMALS),
        interval(row["ci_low"], row["ci_high"], DECIMALS),
        count(int(row["rank"])),
        Tex("same" if row["same_sign"] else "other"),
    ]
