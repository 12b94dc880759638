"""``python -m alloymtl inspect FILE...``: proposes the config of files that are seen for the first time."""

from __future__ import annotations

from collections.abc import Sequence

from alloymtl.data.inspection.look import Seen, Unread, look
from alloymtl.data.inspection.write import block

__all__ = ["Seen", "Unread", "inspect", "look"]


def inspect(paths: Sequence[str]) -> str:
    """A block of YAML for the config: elements, and a task for every column that may be a label.

    Args:
        paths: files, folders or patterns, as the config would name them.

    Raises:
        UserError: a path cannot be read.
    """
    return block([seen for path in paths for seen in look(path)])
