"""The checksums that a run record carries, by which one that was cut short or edited is told from a whole one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alloymtl.files import sha256

SEAL = "sha256"
"""Key of the checksum of all other keys; the last one of a record."""
FILES = "files"
"""Key of the checksums of the run's other files, by name without ending."""


def _checksum(content: Mapping[str, Any]) -> str:
    """SHA-256 of the content, whatever the order of its keys and the layout of its file."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a record with its checksum as last key.

    Raises:
        ValueError: the content holds a number that is not finite.
    """
    plain = {key: value for key, value in content.items() if key != SEAL}
    return {**plain, SEAL: _checksum(plain)}


def is_intact(record: Mapping[str, Any]) -> bool:
    """Whether a record that was read back is the one that was written; one without a checksum is not."""
    plain = {key: value for key, value in record.items() if key != SEAL}
    try:
        return record.get(SEAL) == _checksum(plain)
    except ValueError:
        return False


def damaged(record: Mapping[str, Any], folder: Path) -> list[str]:
    """Names of a run's other files that are missing or not those that its record was written with.

    Args:
        record: an intact one.
        folder: the run's.
    """
    paths = {name: folder / f"{name}.parquet" for name in record[FILES]}
    return [name for name, path in paths.items() if not path.is_file() or sha256(path) != record[FILES][name]]
