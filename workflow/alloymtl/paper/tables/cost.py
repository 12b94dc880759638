"""Table A2: what each method costs."""

from __future__ import annotations

import pandas as pd

from alloymtl.errors import UserError
from alloymtl.paper.cells import MEND, RUN
from alloymtl.paper.latex import count, decimals_for, escape, fixed
from alloymtl.paper.material import Material
from alloymtl.paper.tables.tabular import Table, Tabular
from alloymtl.run import run_folder

COLUMNS = ["method", "level", "runs", "epochs", "best_epoch", "steps", "seconds", "hours"]
MEANS = ("epochs", "best_epoch", "steps", "seconds")
HEADING = ["Method", "Level", "Runs", "Epochs", "Best epoch", "Steps", "Seconds", "Hours in all"]


def make(material: Material) -> Table:
    """Runs of each method at each level, and the means of their epochs, optimiser steps and seconds of training.

    Raises:
        UserError: a run is missing or there twice.
    """
    methods = material.study.methods
    runs = _runs(material)
    rows, tabular = [], Tabular("llrrrrrr", [HEADING])
    for (method, level), mine in runs.groupby(level=["method", "level"], sort=False):
        means = {name: float(mine[name].mean()) for name in MEANS}
        hours = float(mine["seconds"].sum()) / 3600
        rows.append({"method": method, "level": level, "runs": len(mine), **means, "hours": hours})
        cells = [count(round(means[name])) for name in MEANS[:3]]
        cells += [fixed(means["seconds"], decimals_for([means["seconds"]])), fixed(hours, 2)]
        title = "all" if level == "all" else count(int(level))
        tabular.row(escape(methods[method].title), title, count(len(mine)), *cells)
    return Table(pd.DataFrame(rows, columns=COLUMNS), tabular.render())


def _runs(material: Material) -> pd.DataFrame:
    """Each run of the study once, by its cell: methods in their order, levels in that of the experiments."""
    experiments = material.study.experiments.values()
    cells = [c for m in material.study.methods for e in experiments for c in e.cells() if c[0] == m]
    wanted = list(dict.fromkeys((method, str(level), *seeds) for method, level, *seeds in cells))
    table = material.runs.set_index(list(RUN))
    missing = [cell for cell in wanted if cell not in table.index]
    if missing or not table.index.is_unique:
        cell = missing[0] if missing else table.index[table.index.duplicated()][0]
        where = f"{material.inputs['runs']}: {run_folder(*cell)}"
        raise UserError(where, "the run is missing or there twice.", MEND)
    return table.loc[wanted]
