"""The files of one run as bytes, held to the checksums that its record carries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alloymtl.errors import UserError
from alloymtl.evaluation.seal import FILES, SEAL, is_intact

RECORD = "record.json"
RETRAIN = "delete the run's folder and start the build again; it trains the run anew."


@dataclass(frozen=True)
class RunFiles:
    """A run whose files are those that its record names.

    Attributes:
        folder: where they lie.
        record: the run record.
        contents: bytes of the files that were asked for, by name without ending.
    """

    folder: Path
    record: Mapping[str, Any]
    contents: Mapping[str, bytes]

    def path(self, name: str) -> Path:
        """Where a file of the run lies, by its name without ending."""
        return self.folder / f"{name}.parquet"


def read_run(folder: Path, expected: Collection[str], wanted: Collection[str]) -> RunFiles:
    """Record and files of one run. Every file that the record names is held to its checksum, also those not wanted.

    Args:
        folder: the run's.
        expected: names of files, without ending, that the record must name.
        wanted: the ones whose bytes are kept.

    Raises:
        UserError: the record is missing, damaged or lacks checksums, or a file is missing or is not the one it names.
    """
    path = folder / RECORD
    record = read_sealed(path)
    files = record.get(FILES)
    if not isinstance(files, dict):
        raise UserError(str(path), "it holds no checksums of the run's other files.", RETRAIN)
    if unnamed := sorted(set(expected) - set(files)):
        raise UserError(str(path), f"it holds no checksum of {unnamed[0]}.parquet.", RETRAIN)
    run = RunFiles(folder, record, contents := {})
    others = []
    for name, checksum in files.items():
        found, content = _digest(run.path(name), keep=name in wanted)
        if found != checksum:
            others.append(run.path(name))
        elif name in wanted:
            contents[name] = content
    if others:
        also = f" The same goes for {', '.join(other.name for other in others[1:])}." if others[1:] else ""
        what = f"it is not the file that {RECORD} names by its checksum: cut short, edited, or of another run.{also}"
        raise UserError(str(others[0]), what, RETRAIN)
    return run


def read_sealed(path: Path) -> dict[str, Any]:
    """One run record, after a check that it is the one that was written.

    Raises:
        UserError: there is none, it is not a run record, or it is not the one that its checksum is of.
    """
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(str(path.parent), f"this run has no {RECORD}.", "build the target `runs`.") from None
    except OSError as fault:
        raise _unreadable(path, fault) from None
    except (ValueError, RecursionError) as damage:
        raise UserError(str(path), f"not a run record ({damage!r}): cut short or edited.", RETRAIN) from None
    if not isinstance(record, dict):
        raise UserError(str(path), f"not a run record (a {type(record).__name__}).", RETRAIN)
    if SEAL not in record:
        raise UserError(str(path), "the record carries no checksum: cut short, edited, or of older code.", RETRAIN)
    if not is_intact(record):
        raise UserError(str(path), "the record is not the one that its checksum is of: it was edited.", RETRAIN)
    return record


def _digest(path: Path, *, keep: bool) -> tuple[str, bytes]:
    """SHA-256 of a file as hexadecimal text, and its bytes if they are to be kept."""
    try:
        with open(path, "rb", buffering=0) as stream:
            if not keep:
                return hashlib.file_digest(stream, "sha256").hexdigest(), b""
            content = stream.read()
        return hashlib.sha256(content).hexdigest(), content
    except FileNotFoundError:
        raise UserError(str(path), "this file of the run is missing.", RETRAIN) from None
    except OSError as fault:
        raise _unreadable(path, fault) from None


def _unreadable(path: Path, fault: OSError) -> UserError:
    return UserError(str(path), f"it cannot be read ({fault.strerror or fault!r}).", f"see to the disk, or {RETRAIN}")
