"""Step ``ship``: from a finished study to its shipped records, the collected tables with a manifest."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from alloymtl.errors import UserError
from alloymtl.evaluation.manifest import (
    JOB,
    TABLES,
    Entry,
    Manifest,
    checksum,
    code_checksum,
    file_checksum,
    prefix,
)
from alloymtl.evaluation.run_files import RECORD, read_sealed
from alloymtl.evaluation.shipped import KEY, content_checksum
from alloymtl.files import atomic, write_text
from alloymtl.run import Run, run_folder

log = logging.getLogger("alloymtl")


def step(spec: dict[str, Any], inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
    """Write the manifest, and beside it the tables of the study and its controls.

    Runs that were not trained here are those of the present shipped records (``shipped`` of the inputs); their entries
    are carried over.

    The spec names the study and in ``studies``, for it (the empty name) and each control, the ``root``, the files of
    ``features`` and ``splits``, the checksum ``data`` of what the config says of them, the ``modules`` that make them
    and the ``raw`` files that were measured.

    Raises:
        UserError: a run has neither a record nor a shipped one, its record is damaged, or it was trained from other
            data than there are now.
    """
    shipped = Manifest.read(inputs["shipped"].parent) if "shipped" in inputs else None
    folder, writer = outputs["manifest"].parent, _Writer(shipped)
    files, data, entries = {}, {}, []
    for control, study in spec["studies"].items():
        tables = {name: Path(study["root"], f"{name}.parquet") for name in TABLES}
        for name, path in tables.items():
            files[f"{prefix(control)}{name}.parquet"] = _ship(path, folder / f"{prefix(control)}{name}.parquet")
        made = [writer.entry(control, Path(study["root"], "runs"), *found) for found in _runs(tables)]
        entries += made
        data[control] = {
            "specification": study["data"],
            "code": code_checksum(study["modules"]),
            "raw": {path: file_checksum(path) for path in study["raw"]},
            "contents": _contents(control, study, made, shipped),
        }
    manifest = Manifest(spec["study"], files, data, tuple(writer.made_with), tuple(entries))
    write_text(outputs["manifest"], manifest.text())
    log.debug("%d runs, %d bytes", len(entries), sum(file["bytes"] for file in files.values()))


class _Writer:
    """Makes the entries of a manifest; each commit with its versions is listed once."""

    def __init__(self, shipped: Manifest | None) -> None:
        self.made_with: list[Mapping[str, Any]] = []
        self._shipped = shipped

    def entry(self, control: str, runs: Path, cell: tuple[str, Any, int, int], tables: tuple[str, ...]) -> Entry:
        """The entry of one run: from its own record, or as it was shipped before."""
        method, level, split_seed, seed = cell
        folder = run_folder(method, level, split_seed, seed)
        path = runs / folder / RECORD
        if path.is_file():
            record = read_sealed(path)
            run = Run.from_dict(record["specification"])
            made_with = {name: record[name] for name in ("git_commit", "versions")}
            found = (
                checksum(run.to_dict()),
                code_checksum([JOB, *run.modules()]),
                dict(sorted(record["inputs"].items())),
            )
        else:
            before = self._shipped.entry(control, folder) if self._shipped else None
            if before is None:
                raise UserError(
                    str(path), "this run has neither a record nor a shipped one.", "build the target `runs`."
                )
            made_with = self._shipped.made_with[before.made_with]
            found = before.specification, before.code, before.inputs
        if made_with not in self.made_with:
            self.made_with.append(made_with)
        return Entry(control, method, level, split_seed, seed, *found, tables, self.made_with.index(made_with))


def _ship(source: Path, target: Path) -> dict[str, Any]:
    """Copy a table; what the manifest says of it."""
    with atomic(target) as temporary:
        shutil.copyfile(source, temporary)
    return {"sha256": file_checksum(target), "bytes": target.stat().st_size}


def _runs(tables: Mapping[str, Path]) -> list[tuple[tuple[str, Any, int, int], tuple[str, ...]]]:
    """The runs in the order of the tables, each with the names of the tables that hold rows of it."""
    cells = {name: _cells(path) for name, path in tables.items()}
    return [(cell, tuple(name for name in TABLES if cell in cells[name])) for cell in cells["runs"]]


def _cells(path: Path) -> dict[tuple[str, Any, int, int], None]:
    """The runs that a table holds, in its order."""
    with pq.ParquetFile(path) as file:
        keys: pd.DataFrame = file.read(columns=list(KEY)).select(KEY).to_pandas().drop_duplicates()
    levels = (level if level == "all" else int(level) for level in keys["level"])
    rows = zip(keys["method"], levels, keys["split_seed"].tolist(), keys["seed"].tolist(), strict=True)
    return dict.fromkeys(rows)


def _contents(control: str, study: Mapping[str, Any], entries: list[Entry], shipped: Manifest | None) -> dict[str, str]:
    """Checksums of values by checksums of files, for every file that some run was trained from."""
    known = dict(shipped.data[control]["contents"]) if shipped and control in shipped.data else {}
    for path in (study["features"], *study["splits"]):
        known[file_checksum(path)] = content_checksum(path)
    used = {checksum for entry in entries for checksum in entry.inputs.values()}
    for entry in entries:
        for name, wanted in entry.inputs.items():
            if wanted not in known:
                where = run_folder(entry.method, entry.level, entry.split_seed, entry.seed)
                what = f"this run was trained from other {name} than there are now."
                raise UserError(where, what, "delete its folder and build the target `runs`.")
    return {file: values for file, values in sorted(known.items()) if file in used}
