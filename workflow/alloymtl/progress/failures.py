"""What went wrong, said once more at the end, where the user is looking."""

from __future__ import annotations

from pathlib import Path

MARK = " ERROR error: "


def last_words(logs: str | Path, since: float) -> list[str]:
    """The error lines that steps have written to their logs.

    Args:
        logs: folder of logs, searched with its subfolders.
        since: only logs written after this time (seconds since the epoch).

    Returns:
        ``error: ...`` lines, each once, in the order of their logs' names.
    """
    lines: dict[str, None] = {}
    for path in sorted(Path(logs).rglob("*.log")):
        if path.stat().st_mtime < since:
            continue
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if MARK in line:
                lines[f"error: {line.partition(MARK)[2]}"] = None
    return list(lines)
