"""Which runs of a study its shipped records stand for, decided when Snakemake starts.

A record stands for a run whose specification and whose data's specification are those that it was made with, unless the
run has been trained here: own runs come first. Where only code has changed since, the record is stale: good enough for
a target that rebuilds tables and figures, and trained anew by every other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alloymtl.evaluation.manifest import JOB, Entry, Manifest, checksum, code_checksum, file_checksum, prefix
from alloymtl.experiment import collected
from alloymtl.run import Run
from alloymtl.study import Study

REBUILDING = frozenset(
    {"data", "tables", "figures", "claims", "paper", "arxiv"}
    | {"make_tables", "make_figures", "judge", "audit", "numbers", "render"}
)
"""Targets that only need what the runs have told."""
REBUILT_FOLDERS = ("tables", "figures", "paper")
REBUILT_FILES = ("claims.csv", "audit.csv")
NAMED_METHODS = 8


def rebuilds(targets: Iterable[str], root: str) -> bool:
    """Whether all that is asked for can be made from stale records too.

    Args:
        targets: names of rules and files, as given to Snakemake; none stands for ``all``.
        root: folder of the study.
    """
    asked = list(targets)
    return bool(asked) and all(_rebuilds(target, root) for target in asked)


def _rebuilds(target: str, root: str) -> bool:
    if target in REBUILDING:
        return True
    path = Path(target)
    folders = [Path(root, name) for name in REBUILT_FOLDERS]
    return path in [Path(root, name) for name in REBUILT_FILES] or any(path.is_relative_to(f) for f in folders)


def data_specification(study: Study) -> dict[str, Any]:
    """All that the config says of a study's features and partitions, but for the seeds of the partitions."""
    # The order of the simulated tasks is part of the simulated world.
    simulation = {**study.simulation, "rows": list(study.simulation["rows"].items())} if study.simulated else None
    tasks = [task.to_ingest_dict() for task in study.tasks]
    return {"simulation": simulation, "data": study.data, "tasks": tasks, "split": study.split}


def data_modules(study: Study) -> list[str]:
    """The modules that make a study's features and partitions."""
    steps = ["ingest", "features", "split", *(["simulate"] if study.simulated else [])]
    return [f"alloymtl.data.{step}" for step in steps]


def measured_files(study: Study) -> list[str]:
    """Raw files that the simulator does not write."""
    return sorted(set(study.raw_files()) - study.simulated_paths)


def tables_needed(study: Study) -> dict[str, set[str]]:
    """The collected tables that hold rows of each run, by the run's folder."""
    needed = {run.folder: {"metrics", "runs"} for run in study.runs()}
    extras = {method.name: method.extras() for method in study.trained}
    for name, cells in collected(list(study.experiments.values()), extras).items():
        for cell in cells:
            needed[study.run(*cell).folder].add(name)
    return needed


@dataclass(frozen=True)
class Shipped:
    """A run that a record stands for, and whether its code or that of its data has changed since."""

    run: Run
    entry: Entry
    other_code: bool
    other_data_code: bool

    @property
    def stale(self) -> bool:
        """Whether any of it has changed."""
        return self.other_code or self.other_data_code


class Coverage:
    """The runs of a study and its controls that shipped records stand for.

    Args:
        study: the study.
        folder: its shipped records, which need not exist.

    Raises:
        UserError: the manifest is damaged or of another study.
    """

    def __init__(self, study: Study, folder: Path) -> None:
        self.folder = folder
        self.manifest = Manifest.read(folder)
        # Every study by the name that the manifest has for it.
        self.studies: Mapping[str, Study] = {"": study, **study.controls}
        self._shipped = {name: self._of(name) for name in self.studies}

    def shipped(self, control: str) -> dict[str, Shipped]:
        """Runs of a control (or, with the empty name, of the study) whose record is of their specification and data.

        By folder, and whether or not they have been trained here as well.
        """
        return self._shipped[control]

    def covered(self, control: str, stale: bool) -> dict[str, Shipped]:
        """The runs for which a record is used, by folder.

        Args:
            control: a control's name, or the empty one.
            stale: whether a stale record is good enough.
        """
        runs = Path(self.studies[control].root, "runs")
        return {
            folder: shipped
            for folder, shipped in self._shipped[control].items()
            if (stale or not shipped.stale) and not (runs / folder / "record.json").is_file()
        }

    def sample(self, size: int, seed: int) -> list[tuple[str, Run]]:
        """Some of the shipped runs that the study still has, as (control, run); all of them if there are no more.

        They are drawn from the study and its controls together. A run's place in the draw depends on the seed and on
        the run alone, so that the sample outlasts records that are added.

        Args:
            size: how many.
            seed: of the draw.
        """
        runs = [(control, shipped.run) for control, found in self._shipped.items() for shipped in found.values()]

        def place(item: tuple[str, Run]) -> bytes:
            control, run = item
            return hashlib.sha256(f"{seed}/{prefix(control)}{run.folder}".encode()).digest()

        return sorted(runs, key=place)[:size]

    def note(self) -> str | None:
        """One line on the stale records among those that are used where stale ones are; None if there is none."""
        used = [shipped for control in self.studies for shipped in self.covered(control, stale=True).values()]
        methods = list(dict.fromkeys(shipped.run.method for shipped in used if shipped.other_code))
        changed = []
        if methods:
            more = len(methods) - NAMED_METHODS
            changed.append(", ".join(methods[:NAMED_METHODS]) + (f" and {more} more methods" if more > 0 else ""))
        if any(shipped.other_data_code for shipped in used):
            changed.append("the data")
        if not changed:
            return None
        return (
            f"{self.folder}: the code behind {' and '.join(changed)} has changed since these records were made; they "
            "are used as they are. `snakemake --cores N all` retrains what has changed."
        )

    def _of(self, control: str) -> dict[str, Shipped]:
        study = self.studies[control]
        data = self.manifest.data.get(control) if self.manifest else None
        if data is None or data["specification"] != checksum(data_specification(study)):
            return {}
        if data["raw"] != {path: file_checksum(path) for path in measured_files(study)}:
            return {}
        other_data_code = data["code"] != code_checksum(data_modules(study))
        code = {method.name: code_checksum([JOB, *method.modules()]) for method in study.trained}
        needed = tables_needed(study)
        found = {}
        for run in study.runs():
            entry = self.manifest.entry(control, run.folder)
            if entry and entry.specification == checksum(run.to_dict()) and needed[run.folder] <= set(entry.tables):
                found[run.folder] = Shipped(run, entry, entry.code != code[run.method], other_data_code)
        return found
