"""Table B3: which balancers reach a grid search of the loss weights?"""

from __future__ import annotations

from typing import Any

from alloymtl.evaluation.balancing.equivalence import ALL_LEVELS, COLUMNS, UNDEFINED
from alloymtl.paper.balancing import ABSENT, of_study
from alloymtl.paper.latex import Tex, p_value
from alloymtl.paper.material import Material
from alloymtl.paper.tables.across import Beside, first, title, twins
from alloymtl.paper.tables.parts import DASH, interval, level_title, notice, number
from alloymtl.paper.tables.tabular import Table, stacked

ABSENT_SEARCH = "The experiment on balancing has no grid search of loss weights."
HEADING = (r"$\Delta\Delta_m$", "Interval", r"$p_{=}$", r"$p_{\neq}$", "Verdict")
DECIMALS = 2  # of percentage points


def make(material: Material) -> Table:
    """Above, gradient-norm scaling at each level and over levels; below, every method over levels.

    A group of columns for each sampler: difference of Delta_m from the grid search of that sampler in percentage
    points, its interval, the corrected p-values of equivalence and of a difference, and the verdict. The CSV holds
    every method at every level.
    """
    study, table = material.study, material.equivalence
    if of_study(study) is None or table.empty:
        return notice(COLUMNS, ABSENT if of_study(study) is None else ABSENT_SEARCH)
    rows = {(r["level"], r["method"]): r for r in table.to_dict("records")}
    samplers, levels = (list(table[name].drop_duplicates()) for name in ("sampler", "level"))
    over = ALL_LEVELS if ALL_LEVELS in levels else levels[-1]
    tabulars = []
    for row in twins(study, table.loc[table["primary"], "method"].drop_duplicates()):
        by_level = Beside(samplers, [title(study, first(row))], HEADING, "rcrrl")
        tabulars.append(by_level.tabular())
        for level in levels:
            tabulars[-1].row(_level(level), *by_level.cells(row, lambda m, at=level: _cells(rows[at, m])))
    every = Beside(samplers, [_level(over)], HEADING, "rcrrl")
    tabulars.append(every.tabular())
    for row in twins(study, table["method"].drop_duplicates()):
        tabulars[-1].row(title(study, first(row)), *every.cells(row, lambda m: _cells(rows[over, m])))
    return Table(table[list(COLUMNS)], stacked(*tabulars))


def _level(level: str) -> Tex:
    return Tex("Mean over levels") if level == ALL_LEVELS else level_title(level)


def _cells(row: dict[str, Any]) -> list[Tex]:
    if row["verdict"] == UNDEFINED:
        return [DASH, DASH, DASH, DASH, Tex(UNDEFINED)]
    return [
        number(row["difference"], DECIMALS),
        interval(row["ci_low"], row["ci_high"], DECIMALS),
        p_value(row["p_equivalence_holm"]),
        p_value(row["p_difference_holm"]),
        Tex(row["verdict"]),
    ]
