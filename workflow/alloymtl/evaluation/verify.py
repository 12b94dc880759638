"""Steps ``verify`` and ``verdict``: a sample of the shipped runs, trained anew and held to their records.

On the machine that made the records, with the same code, a run ends in the same bytes. Elsewhere it does not: training
is chaotic at the level of rounding, so that it ends somewhere else among the outcomes that another seed might have had.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from alloymtl.errors import UserError
from alloymtl.evaluation.manifest import JOB, Manifest, code_checksum, prefix
from alloymtl.evaluation.run_files import read_sealed
from alloymtl.files import read_parquet, write_csv
from alloymtl.run import Run, run_folder

log = logging.getLogger("alloymtl")

TOLERANCE = 3.0
"""How far a run may lie from its record, in SDs of the difference between two runs."""
PARTITION = "test"
ROW = ["task", "partition", "metric"]
CELL = ["method", "level", "split_seed", "seed"]


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write the table ``report``: one row for each run and task, with the task's first metric on the test rows.

    Columns: control (empty for the study itself), the run's cell, whether code and data (input files) are the ``same``
    as in the record or ``changed``, whether predictions and metrics are ``identical`` or ``other``, task, metric, its
    shipped and its retrained value, their difference, the SD between the runs of the method in the records, the
    difference in SDs of a difference of two runs (see ``spread``), and the run's verdict: ``identical``; ``agrees`` if
    no task lies further than ``TOLERANCE`` from its record; or ``differs``.

    The spec names the ``runs`` as (control, method, level, split seed, seed) and the first metric of each task of each
    control in ``metrics``; the inputs are the ``manifest`` and each run's new record, by the run's folder.

    Raises:
        UserError: there is nothing to verify, or the shipped records or a new one are damaged.
    """
    if not spec["runs"]:
        what = "there is no shipped record of a run of this study, as it is configured now."
        raise UserError(spec["folder"], what, "`make ship` makes them, once everything is built.")
    folder = inputs["manifest"].parent
    manifest = Manifest.read(folder)
    rows = []
    for control in dict.fromkeys(run[0] for run in spec["runs"]):
        files = [f"{prefix(control)}{name}.parquet" for name in ("metrics", "runs")]
        manifest.check_files(folder, files)
        metrics, runs = (read_parquet(folder / file) for file in files)
        for cell in (tuple(run[1:]) for run in spec["runs"] if run[0] == control):
            name = run_folder(*cell)
            record = read_sealed(inputs[f"{prefix(control)}{name}"])
            entry = manifest.entry(control, name)
            code = code_checksum([JOB, *Run.from_dict(record["specification"]).modules()])
            about = {
                "control": control,
                **dict(zip(CELL, cell, strict=True)),
                "code": "same" if code == entry.code else "changed",
                "data": "same" if record["inputs"] == dict(entry.inputs) else "changed",
            }
            rows += [{**about, **row} for row in _compare(record, cell, metrics, runs, spec["metrics"][control])]
    write_csv(outputs["report"], pd.DataFrame(rows))


def verdict(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Say one line for each run of a report.

    Raises:
        UserError: a run differs from its record.
    """
    report = pd.read_csv(inputs["report"], keep_default_na=False)
    differing = []
    for (control, *cell), rows in report.groupby(["control", *CELL], sort=False):
        name = f"{prefix(control)}{run_folder(*cell)}"
        found = rows["verdict"].iloc[0]
        worst = rows.loc[rows["distance"].astype(float).idxmax()]
        far = "" if found == "identical" else f", at most {float(worst['distance']):.2g} SD ({worst['task']})"
        changed = [f"other {what}" for what in ("code", "data") if rows[what].iloc[0] == "changed"]
        log.info("%s: %s%s", name, found, f"{far}{''.join(f', {what}' for what in changed)}")
        differing += [name] if found == "differs" else []
    if differing:
        what = f"{len(differing)} of {report.groupby(['control', *CELL]).ngroups} runs differ from their records: "
        mend = "where code or data were meant to change, build `all` and ship the records anew."
        raise UserError(str(inputs["report"]), f"{what}{', '.join(differing)}.", mend)


def spread(metrics: pd.DataFrame, method: str, level: str, task: str, metric: str) -> float:
    """SD of a metric between the runs of a method at a level: test rows, over seeds and split seeds.

    Few seeds make an uncertain SD, and a count such as F1 may by chance be equal in all of them. So it is taken to be
    at least the median of those of all methods at that level.

    Args:
        metrics: the collected metrics.
        method, level, task, metric: whose.
    """
    wanted = {"level": level, "task": task, "metric": metric, "partition": PARTITION}
    rows = metrics.loc[(metrics[list(wanted)] == pd.Series(wanted)).all(axis=1)]
    sds = rows.groupby("method")["value"].std(ddof=1)
    return float(max(sds[method], sds.median()))


def distance(difference: float, sd: float) -> float:
    """A difference of two runs in SDs of such a difference, which is larger than that of a run by the root of two."""
    if difference == 0:
        return 0.0
    return abs(difference) / (math.sqrt(2) * sd) if sd > 0 else math.inf


def _compare(
    record: Mapping[str, Any],
    cell: tuple[str, Any, int, int],
    metrics: pd.DataFrame,
    runs: pd.DataFrame,
    first: Mapping[str, str],
) -> list[dict[str, Any]]:
    """A retrained run beside its record, task by task."""
    method, level = cell[0], str(cell[1])
    own, account = (_of_cell(table, cell) for table in (metrics, runs))
    shipped = {tuple(row[:-1]): row[-1] for row in own[[*ROW, "value"]].itertuples(index=False, name=None)}
    retrained = {
        (task, partition, metric): float(value)
        for task, partitions in record["metrics"].items()
        for partition, values in partitions.items()
        for metric, value in values.items()
    }
    same = {
        "predictions": record["predictions_sha256"] == account["predictions_sha256"].iloc[0],
        "metrics": retrained == shipped,
    }
    rows = []
    for task, metric in first.items():
        before, after = (values[(task, PARTITION, metric)] for values in (shipped, retrained))
        sd = spread(metrics, method, level, task, metric)
        rows.append(
            {
                **{what: "identical" if equal else "other" for what, equal in same.items()},
                **{"task": task, "metric": metric, "shipped": before, "retrained": after},
                **{"difference": after - before, "sd": sd, "distance": distance(after - before, sd)},
            }
        )
    agrees = all(row["distance"] <= TOLERANCE for row in rows)
    found = "identical" if all(same.values()) else "agrees" if agrees else "differs"
    return [{**row, "verdict": found} for row in rows]


def _of_cell(table: pd.DataFrame, cell: tuple[str, Any, int, int]) -> pd.DataFrame:
    wanted = pd.Series(dict(zip(CELL, (cell[0], str(cell[1]), *cell[2:]), strict=True)))
    return table.loc[(table[CELL] == wanted).all(axis=1)]
