"""Methods that differ in their sampler alone, as one row of a table with a group of columns for each sampler."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from alloymtl.evaluation.balancing.roles import family
from alloymtl.paper.balancing import batches
from alloymtl.paper.latex import Tex, escape
from alloymtl.paper.spec import MethodView, PaperStudy
from alloymtl.paper.tables.delta import FAMILY_MARK
from alloymtl.paper.tables.parts import DASH, grouped_heading
from alloymtl.paper.tables.tabular import Tabular


def twins(study: PaperStudy, names: Iterable[str]) -> list[dict[str, str]]:
    """Some methods by sampler, those together that differ in it alone, in the order of the first of each."""
    rows: list[dict[str, str]] = []
    for name in names:
        method = study.methods[name]
        sampler = method.parts["sampler"].name
        alike = (row for row in rows if sampler not in row and _same(method, study.methods[first(row)]))
        row = next(alike, None)
        if row is None:
            rows.append({sampler: name})
        else:
            row[sampler] = name
    return rows


def first(row: Mapping[str, str]) -> str:
    """The method that gives a row its title."""
    return next(iter(row.values()))


def _same(method: MethodView, other: MethodView) -> bool:
    kinds = [kind for kind in method.parts if kind != "sampler"]
    return all(method.parts[kind] == other.parts[kind] for kind in kinds) and method.training == other.training


def title(study: PaperStudy, name: str) -> Tex:
    """A method's title, with the mark of its family where it has one."""
    method = study.methods[name]
    return Tex(escape(method.title) + (FAMILY_MARK if family(method.balancer) else ""))


@dataclass(frozen=True)
class Beside:
    """The columns of such a table.

    Args:
        samplers: samplers, in order.
        before: headings of the columns before the groups.
        heading: headings of each group's columns.
        columns: their specification, one letter each.
    """

    samplers: Sequence[str]
    before: Sequence[str]
    heading: Sequence[str]
    columns: str

    def tabular(self) -> Tabular:
        """The table without rows."""
        titles = [(escape(batches(sampler).capitalize()), len(self.heading)) for sampler in self.samplers]
        line = [*self.before, *list(self.heading) * len(self.samplers)]
        columns = "l" + "r" * (len(self.before) - 1) + self.columns * len(self.samplers)
        return Tabular(columns, grouped_heading([("", len(self.before)), *titles], line))

    def cells(self, row: Mapping[str, str], of_method: Callable[[str], Iterable[Tex]]) -> list[Tex]:
        """Cells of a row in every group; dashes where it has no method of a sampler."""
        cells: list[Tex] = []
        for sampler in self.samplers:
            cells += of_method(row[sampler]) if sampler in row else [DASH] * len(self.heading)
        return cells
