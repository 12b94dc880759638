"""Table B1: what each balancer gains over independent networks, task by task and over all tasks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pandas as pd

from alloymtl.evaluation.balancing.delta_tables import COLUMNS, OVERALL, UNDEFINED
from alloymtl.evaluation.balancing.roles import sampler
from alloymtl.paper.balancing import ABSENT, Balancing, batches, of_study, row_of, titles
from alloymtl.paper.latex import Tex, escape
from alloymtl.paper.material import Material
from alloymtl.paper.tables.parts import DASH, level_title, lower_first, notice, number
from alloymtl.paper.tables.tabular import LongTable, Table
from alloymtl.run import Level

MARKS = {"better": r"$^{\uparrow}$", "worse": r"$^{\downarrow}$", "identical": "$^{=}$"}
FAMILY_MARK = r"$^{\dagger}$"
NAME, ALL, PLAIN = 0.21, 0.185, 0.08  # shares of the width: a method's title, Delta_m, and that against the baseline
WITH_INTERVAL, BARE = 0.15, 0.085  # shares of the width that a task's change needs with its interval and without
DECIMALS = 1  # of a change in percent


def make(material: Material) -> Table:
    """A panel for each level and sampler, a row for each method; every panel starts with the baseline of each sampler.

    A cell is the change against the independent networks in percent, higher is better, with its interval. The last
    column is Delta_m against the plain baseline of the method's own sampler. Of many tasks the changes stand without
    their intervals, of very many not at all, and a line says so. The CSV holds every row of ``delta``.
    """
    balancing = of_study(material.study)
    if balancing is None:
        return notice(COLUMNS, ABSENT)
    rows = _Rows(material, balancing)
    # Without the space TeX breaks no first word.
    named = [rf"\hspace{{0pt}}{escape(task.title)}" for task in rows.tasks]
    heading = ["Method", r"$\Delta_m$", *named, "Plain"]
    table = LongTable([NAME, ALL, *[rows.share] * len(rows.tasks), PLAIN], heading)
    for level, of_sampler in product(balancing.levels, balancing.samplers):
        title = escape(batches(of_sampler).capitalize())
        table.panel(title if len(balancing.levels) == 1 else f"{title}, {lower_first(level_title(level))}")
        others = [name for name in balancing.joint(of_sampler) if name not in balancing.plains]
        called = titles(material.study, balancing, of_sampler)
        for name in [*balancing.plains, *others]:
            table.row(*rows.cells(level, name, called[name]))
    for note in rows.notes():
        table.row(Tex(rf"\multicolumn{{{len(heading)}}}{{@{{}}p{{\linewidth}}@{{}}}}{{{note}}}"))
    return Table(material.delta[list(COLUMNS)], table.render())


class _Rows:
    """Cells of the table."""

    def __init__(self, material: Material, balancing: Balancing) -> None:
        self._study, self._path, self._table = material.study, material.inputs["delta"], material.delta
        self._balancing = balancing
        tasks = material.study.tasks
        self.share = (1 - NAME - ALL - PLAIN) / len(tasks)
        self.tasks = tasks if self.share >= BARE else ()

    def cells(self, level: Level, method: str, title: str) -> Iterator[Tex]:
        """The row of a method at a level."""
        balancing = self._balancing
        of_sampler = sampler(balancing.methods[method])
        plain = balancing.plain(of_sampler)
        overall = self._row(level, method, balancing.alone, OVERALL)
        yield Tex(escape(title) + (FAMILY_MARK if overall["family"] else ""))
        yield _change(overall)
        for task in self.tasks:
            row = self._row(level, method, balancing.alone, task.name)
            yield _change(row) if self.share >= WITH_INTERVAL else _value(row)
        yield DASH if plain in (None, method) else _value(self._row(level, method, plain, OVERALL))

    def notes(self) -> Iterator[str]:
        """What the marks of the rows say."""
        families = [name for name in self._table["family"].drop_duplicates() if name]
        if families:
            yield f"{FAMILY_MARK}~One family ({'; '.join(map(escape, families))}): not independent evidence."
        if (self._table["verdict"] == UNDEFINED).any():
            yield f"{DASH}~The baseline's mean is not surely positive, so that no percentage of it means anything."

        if self.share < WITH_INTERVAL:
            yield f"{'Intervals of single tasks' if self.tasks else 'Single tasks'} stand in the CSV of this table."

    def _row(self, level: Level, method: str, against: str, task: str) -> pd.Series:
        return row_of(self._table, self._path, level=str(level), method=method, against=against, task=task)


def _value(row: pd.Series) -> Tex:
    """A change with the mark of its verdict."""
    return Tex(number(row["delta"], DECIMALS) + MARKS.get(row["verdict"], ""))


def _change(row: pd.Series) -> Tex:
    """A change with its interval."""
    if row["verdict"] == UNDEFINED:
        return DASH
    low, high = (number(row[name], DECIMALS) for name in ("ci_low", "ci_high"))
    return Tex(rf"{_value(row)} {{\scriptsize[{low},\,{high}]}}")
