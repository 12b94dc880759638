"""What a part says of itself: the literals at the top of its file, read from the source text without importing it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

LITERALS = ("OPTIONS", "CHOICES", "EXTRAS", "SHARED", "GRADIENTS", "FORM", "FAMILY")


@cache
def constants(file: Path) -> dict[str, Any]:
    """The ``LITERALS`` that a Python file assigns at its top level, by name; the caller changes none of them.

    Args:
        file: the source file.
    """
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assigned = {t.id: n.value for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if hasattr(t, "id")}
    return {word: ast.literal_eval(assigned[word]) for word in LITERALS if word in assigned}
