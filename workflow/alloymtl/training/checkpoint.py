"""Checkpoints: where a killed run goes on from."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alloymtl.files import atomic


def save(path: Path, key: str, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: the file.
        key: fingerprint of specification, inputs and code; only the same run may resume from it.
        meta: plain values.
        arrays: parameters, optimiser state.
    """
    text = json.dumps({"key": key, **meta})
    with atomic(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, meta=np.array(text), **arrays)


def load(path: Path, key: str) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """The checkpoint at ``path`` if it belongs to this very run, else None."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as content:
            meta = json.loads(str(content["meta"]))
            if meta.pop("key") != key:
                return None
            return meta, {name: content[name] for name in content.files if name != "meta"}
    except (zipfile.BadZipFile, ValueError, KeyError, OSError, EOFError):
        return None  # a damaged checkpoint costs time, never correctness: the run starts over
