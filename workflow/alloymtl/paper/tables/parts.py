"""What the tables share: cells that show an interval, a level or a reported number, and the table that has nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alloymtl.paper.cells import spread
from alloymtl.paper.display import higher_is_better
from alloymtl.paper.latex import Tex, count, escape, fixed
from alloymtl.paper.material import Material
from alloymtl.paper.reported import Printed
from alloymtl.paper.tables.tabular import Table, Tabular, bold, spanning
from alloymtl.run import Level

DASH = Tex("--")


def level_title(level: Level) -> Tex:
    """A level as a heading."""
    return Tex("All labels" if str(level) == "all" else f"{count(int(level))} labels of the largest task")


def lower_first(text: str) -> Tex:
    """Words of a heading as the middle of a phrase."""
    return Tex(text[:1].lower() + text[1:])


def number(value: float, decimals: int) -> Tex:
    """A number with so many decimals; a dash where there is none."""
    return fixed(value, decimals) if math.isfinite(value) else DASH


def interval(low: float, high: float, decimals: int) -> Tex:
    """Both ends of an interval; a dash where there is none."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return DASH
    return Tex(f"[{fixed(low, decimals)}, {fixed(high, decimals)}]")


def mean_and_sd(row: Mapping[str, Any], decimals: int, best: bool = False) -> tuple[Tex, Tex]:
    """Cells of a column pair ``PLUS_MINUS``."""
    cells = fixed(row["mean"], decimals), fixed(row["sd"], decimals)
    return (bold(cells[0]), bold(cells[1])) if best else cells


def summary(values: NDArray[np.float64]) -> dict[str, Any]:
    """Mean and SD over runs, and their number."""
    mean, sd = spread(values)
    return {"mean": mean, "sd": sd, "n": values.size}


def best_of(metric: str, means: Iterable[float]) -> float:
    """The best of some means of a metric."""
    return max(means) if higher_is_better(metric) else min(means)


def prints_alike(first: float, second: float, decimals: int) -> bool:
    """Whether two numbers look the same once they are printed."""
    return f"{first:.{decimals}f}" == f"{second:.{decimals}f}"


def reported_of(material: Material, table: int | None, task: str, metric: str, **where: Any) -> Printed | None:
    """What the reported paper prints in a cell; None where the study has no such paper or its tables no such table."""
    if table is None or material.reported is None:
        return None
    return material.reported.of(table, task, metric, **where)


def reported_columns(printed: Printed | None, mean: float = math.nan) -> dict[str, Any]:
    """A reported mean and SD as columns of a CSV, with the digits that were printed, and ours minus theirs."""
    if printed is None:
        return {}
    return {"reported": printed.mean, "reported_sd": printed.std, "difference": mean - printed.value}


def with_columns(data: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """A table with these columns in this order; counts of runs and pairs stay whole numbers where a row has none."""
    return data.reindex(columns=columns).astype({name: "Int64" for name in ("n", "n_pairs") if name in columns})


def notice(columns: Iterable[str], text: str) -> Table:
    """A table that only says why there is nothing to show; its CSV has the columns and no row."""
    tabular = Tabular("l")
    tabular.row(Tex(text))
    return Table(pd.DataFrame(columns=list(columns)), tabular.render())


def note(text: str, share: float = 0.9) -> Tabular:
    """A paragraph to be stacked below tables; it does not widen their columns."""
    tabular = Tabular(rf"p{{{share:g}\linewidth}}")
    tabular.row(Tex(text))
    return tabular


def no_experiment(columns: Iterable[str], name: str) -> Table:
    """The table of an experiment that the study does not have."""
    return notice(columns, rf"This study has no experiment \texttt{{{escape(name)}}}.")


def grouped_heading(groups: Iterable[tuple[str, int]], line: Sequence[str]) -> list[list[Tex]]:
    """Two lines of a head: titles over so many columns each, a thin rule below each that has words, and their own."""
    above, rules, start = [], [], 1
    for title, width in groups:
        above.append(spanning(width, title) if width > 1 else Tex(title))
        if title:
            rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    return [above, [Tex("".join(rules) + line[0]), *(Tex(cell) for cell in line[1:])]]
