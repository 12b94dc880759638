"""Folders of runs that tests write: sealed as a training job seals its own."""

import hashlib
import json

from alloymtl.evaluation.seal import FILES, sealed


def seal(folder):
    """Let the record of a run stand for what it and the other files of its folder now hold."""
    path = folder / "record.json"
    files = {file.stem: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.glob("*.parquet"))}
    path.write_text(json.dumps(sealed({**json.loads(path.read_text()), FILES: files}), indent=1))
