"""Reading and writing files whole: under a temporary name first, then renamed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd

from alloymtl.errors import UserError

FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "your quota is used up"}
"""What keeps a file from being written that the user can mend."""
HOUR = 3600.0


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` only if the block ends well.

    A reader, or a run that follows a kill, therefore sees the old file or the new one and never a part of one. The
    temporary name holds host and process, so that two nodes never write the same one.

    Raises:
        UserError: there is no room for the file; the old one, if there was one, is as it was.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, target)
    except OSError as fault:
        if fault.errno not in FULL:
            raise
        what = f"this file could not be written: {FULL[fault.errno]}. What was there before is unharmed."
        raise UserError(str(target), what, "make room and start again.") from fault
    finally:
        with suppress(OSError):
            temporary.unlink()


def sweep(folder: Path) -> None:
    """Remove what killed processes have left of ``atomic`` in a folder.

    Those are temporary files whose process was one of this host and is gone, and of other hosts' those that nobody has
    touched for an hour.
    """
    host = socket.gethostname()
    for left in folder.glob(".*.tmp"):
        with suppress(OSError, ValueError):
            name, number = left.name.removesuffix(".tmp").rsplit(".", 1)
            dead = not Path(f"/proc/{int(number)}").exists() if name.endswith(f".{host}") else False
            if dead or time.time() - left.stat().st_mtime > HOUR:
                left.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8 with Unix line ends, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON with a stable layout; NaN is refused, since other readers cannot take it."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_again(source: Path, path: Path) -> None:
    """Give a file's content a second name; where the file system has no such thing, a second copy."""
    with atomic(path) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)


def read_json(path: str | Path) -> Any:
    """Read one JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_parquet(path: str | Path, table: pd.DataFrame) -> str:
    """Write a table as Parquet without its index; the same table always gives the same bytes.

    Returns:
        Checksum of the bytes that were written, which another process may have replaced since.
    """
    with atomic(path) as temporary:
        table.to_parquet(temporary, engine="pyarrow", index=False, compression="zstd")
        return sha256(temporary)


def read_parquet(path: str | Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet table, or some of its columns."""
    return pd.read_parquet(path, engine="pyarrow", columns=columns)


def write_csv(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table as UTF-8 CSV without its index."""
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n")


def sha256(path: str | Path) -> str:
    """Checksum of a file's bytes, as hexadecimal text."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
