"""The manifest of shipped records: which runs they hold, and the checksums that say what those were made from.

Shipped records are the collected tables of a study and of its controls, in ``records/<study>/``, with which tables and
figures can be made without training. This module reads a manifest whenever Snakemake starts, and so loads no library.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from alloymtl.errors import UserError
from alloymtl.run import Level, run_folder
from alloymtl.sources import ROOT, sources

FORMAT = 1
NAME = "manifest.json"
JOB = "alloymtl.evaluation.job"
"""The module that trains and scores a run."""
TABLES = ("metrics", "runs", "relations", "gradients", "cosines", "similarity", "search", "histories", "predictions")
"""The collected tables that are shipped, of a study and of each of its controls."""


def mend(folder: Path) -> str:
    """What to do about records that cannot be used."""
    return f"`git checkout -- {folder}` brings them back; without the folder `{folder}` every run is trained."


def file_checksum(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal text."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checksum(value: Any) -> str:
    """SHA-256 of plain values, whatever the order of their keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def code_checksum(modules: Iterable[str]) -> str:
    """SHA-256 of some modules and of all that they import from this package, data files included.

    Args:
        modules: dotted names.
    """
    return _code_checksum(tuple(sorted(set(modules))))


@cache
def _code_checksum(modules: tuple[str, ...]) -> str:
    return checksum([(file, _source_checksum(file)) for file in sources(modules, ROOT)])


@cache
def _source_checksum(file: str) -> str:
    return file_checksum(ROOT / file)


def prefix(control: str) -> str:
    """Folder of a control's tables below the records of its study; that of the study itself is the empty text."""
    return f"controls/{control}/" if control else ""


@dataclass(frozen=True)
class Entry:
    """A shipped run.

    Attributes:
        control: the control study that it belongs to; empty for the study itself.
        specification: checksum of ``Run.to_dict``.
        code: checksum of the code that decides the run.
        inputs: checksum of each file that it was trained from, by name.
        tables: the tables that hold rows of it.
        made_with: index into the manifest's list of commits and versions.
    """

    control: str
    method: str
    level: Level
    split_seed: int
    seed: int
    specification: str
    code: str
    inputs: Mapping[str, str]
    tables: tuple[str, ...]
    made_with: int

    @property
    def key(self) -> tuple[str, str]:
        """Control, and folder of the run below ``runs/``."""
        return self.control, run_folder(self.method, self.level, self.split_seed, self.seed)


@dataclass(frozen=True)
class Manifest:
    """What is shipped of a study.

    Attributes:
        study: its name.
        files: checksum (``sha256``) and size (``bytes``) of each file, by its path below the folder.
        data: for the study (the empty name) and each control what its runs were trained from. ``specification``:
            checksum of what the config says of it; ``code``: of the code that made it; ``raw``: of each raw file that
            was not simulated, by path; ``contents``: by checksum of a file of features or of a partition, the checksum
            of its values to six digits, which another machine gives too.
        made_with: commits and versions (``git_commit``, ``versions``) that the entries name by their index.
        entries: the shipped runs, in the order of the tables.
    """

    study: str
    files: Mapping[str, Mapping[str, Any]]
    data: Mapping[str, Mapping[str, Any]]
    made_with: tuple[Mapping[str, Any], ...]
    entries: tuple[Entry, ...]
    _index: Mapping[tuple[str, str], Entry] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {entry.key: entry for entry in self.entries})

    def entry(self, control: str, folder: str) -> Entry | None:
        """The shipped run of a control (or, with the empty name, of the study) by its folder below ``runs/``."""
        return self._index.get((control, folder))

    def check_files(self, folder: Path, names: Iterable[str]) -> None:
        """Make sure that some shipped files are the ones that the manifest speaks of.

        Args:
            folder: where they lie.
            names: their paths below it.

        Raises:
            UserError: one is missing, is not in the manifest, or differs.
        """
        for name in names:
            path = folder / name
            if name not in self.files or not path.is_file():
                raise UserError(str(path), "this file of the shipped records is missing.", mend(folder))
            if file_checksum(path) != self.files[name]["sha256"]:
                what = f"it is not the file that {folder / NAME} speaks of: its checksum differs."
                raise UserError(str(path), what, mend(folder))

    def text(self) -> str:
        """The manifest as JSON, one line for each run."""
        about = {"made_with": self.made_with, "files": self.files, "data": self.data}
        whole = json.dumps({"format": FORMAT, "study": self.study, **about}, indent=1, ensure_ascii=False)
        lines = ",\n  ".join(json.dumps(asdict(entry), ensure_ascii=False) for entry in self.entries)
        return f'{whole[:-2]},\n "runs": [\n  {lines}\n ]\n}}\n'

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The manifest of a folder of shipped records; None where there is no such folder.

        Raises:
            UserError: the manifest is missing or damaged, or of a format or a study that this is not.
        """
        if not folder.is_dir():
            return None
        path = folder / NAME
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            found = content["format"]
            if found != FORMAT:
                what = f"its format is {found!r}, and this version of the project reads format {FORMAT}."
                raise UserError(str(path), what, f"remove the folder `{folder}`; every run is then trained.")
            manifest = cls(
                study=content["study"],
                files={name: {"sha256": of["sha256"], "bytes": of["bytes"]} for name, of in content["files"].items()},
                data={name: _data(of) for name, of in content["data"].items()},
                made_with=tuple(content["made_with"]),
                entries=tuple(Entry(**{**run, "tables": tuple(run["tables"])}) for run in content["runs"]),
            )
        except OSError:
            raise UserError(str(path), "this manifest of shipped records is missing.", mend(folder)) from None
        except (ValueError, KeyError, TypeError, AttributeError) as damage:
            what = f"not a manifest of shipped records ({type(damage).__name__}: {damage})."
            raise UserError(str(path), what, mend(folder)) from None
        if manifest.study != folder.name:
            what = f"these are the records of the study {manifest.study!r} and not of {folder.name!r}."
            raise UserError(str(path), what, mend(folder))
        return manifest


def _data(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest says of the data of one study, each part there."""
    return {
        **{name: str(values[name]) for name in ("specification", "code")},
        **{name: dict(values[name]) for name in ("raw", "contents")},
    }
