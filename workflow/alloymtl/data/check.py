"""Step ``check``: is the union data set fit for training?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alloymtl import files
from alloymtl.data.raw.names import visible
from alloymtl.errors import UserError

FEWEST_LABELS = 10
FEWEST_MEMBERS = 4  # of a class: one for each partition, and one to spare


def check(report: Mapping[str, Any], data: Mapping[str, Any], rejects: str) -> None:
    """Make sure that a study may go on.

    Args:
        report: what ``ingest`` reported.
        data: the config's ``data`` section.
        rejects: path of the full list of rejected rows, for messages.

    Raises:
        UserError: there are invalid rows and the config says to stop, or a task or class is too small.
    """
    if report["invalid"] and data["invalid_rows"] == "stop":
        first, many = report["first_invalid"], report["invalid"]
        in_all = "This is the only invalid row; it is" if many == 1 else f"There are {many} invalid rows; all are"
        raise UserError(
            f"{_file(first)}, row {first['row']}" + (f", column {first['column']}" if first["column"] else ""),
            f"{first['reason']}: {first['value']!r}. {in_all} listed in {rejects}.",
            f"{first['mend']} Or set data.invalid_rows: reject to go on without invalid rows.",
        )
    for task, labelled in report["labelled"].items():
        if labelled < FEWEST_LABELS:
            what = f"only {labelled} alloys with a label are left, and {FEWEST_LABELS} are needed."
            raise UserError(f"tasks.{task}", what, f"add data, or see {rejects} for the rows that were rejected.")
    for task, classes in report["classes"].items():
        for name, members in classes.items():
            if members < FEWEST_MEMBERS:
                what = f"class {name} has {_alloys(members)}, and every partition needs one ({FEWEST_MEMBERS} in all)."
                raise UserError(f"tasks.{task}", what, f"add data or correct classes; {rejects} lists rejected rows.")


def _file(row: Mapping[str, Any]) -> str:
    file = visible(row["file"])
    return f"{file}: {visible(row['member'])}" if row["member"] else file


def _alloys(count: int) -> str:
    return "only 1 alloy" if count == 1 else f"only {count} alloys" if count else "no alloy"


def step(spec: Mapping[str, Any], inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> None:
    """Run the step; ``spec`` holds the config's ``data`` section and ``rejects``, the path to name in messages.

    Raises:
        UserError: see ``check``.
    """
    report = files.read_json(inputs["report"])
    check(report, spec["data"], spec["rejects"])
    files.write_json(outputs["checked"], {key: report[key] for key in ("alloys", "labels", "classes", "invalid")})
