"""Table B5: what each balancer costs, beside what it gains."""

from __future__ import annotations

from typing import Any

from alloymtl.evaluation.balancing.costs import COLUMNS
from alloymtl.paper.balancing import ABSENT, of_study
from alloymtl.paper.latex import Tex, count, decimals_for, fixed
from alloymtl.paper.material import Material
from alloymtl.paper.tables.across import Beside, first, title, twins
from alloymtl.paper.tables.parts import interval, notice, number
from alloymtl.paper.tables.tabular import Table

HEADING = (r"\textmu s/step", r"$\times$", r"$\times$ in all", r"$\Delta_m$", "Interval")
DECIMALS = 1  # of a change in percent
SIGNIFICANT = 2  # digits of a time at least
STEPS = ((10, 2), (100, 1))  # decimals of a ratio below a limit


def make(material: Material) -> Table:
    """A row for each method, a group of columns for each sampler, at the largest level.

    Microseconds per step, the same over those of the sampler's plain baseline, all seconds over those of the baseline,
    and Delta_m with its interval.
    """
    study, table = material.study, material.balancing_costs
    if of_study(study) is None or table.empty:
        return notice(COLUMNS, ABSENT)
    rows = {r["method"]: r for r in table.to_dict("records")}
    beside = Beside(list(table["sampler"].drop_duplicates()), ["Method", "Trainings"], HEADING, "rrrrc")
    tabular = beside.tabular()
    for row in twins(study, rows):
        name = first(row)
        cells = beside.cells(row, lambda m: _cells(rows[m]))
        tabular.row(title(study, name), count(rows[name]["trainings"]), *cells)
    return Table(table[list(COLUMNS)], tabular.render())


def _cells(row: dict[str, Any]) -> list[Tex]:
    step = row["microseconds_per_step"]
    decimals = decimals_for([step], SIGNIFICANT)
    return [
        fixed(step, decimals) if decimals else count(round(step)),
        *(_ratio(row[name]) for name in ("relative_step", "relative_seconds")),
        number(row["delta"], DECIMALS),
        interval(row["ci_low"], row["ci_high"], DECIMALS),
    ]


def _ratio(value: float) -> Tex:
    return number(value, next((decimals for limit, decimals in STEPS if value < limit), 0))
