"""Which source files decide a step's output: its module and all that it imports from this package.

A rule lists them as an input. Snakemake compares small inputs by checksum, so an edit reruns exactly the steps that it
can affect, and a ``git checkout`` or a touched file reruns nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
# By contract these decide no number: a better message must not retrain a study.
WITHOUT_EFFECT = ("alloymtl.errors", "alloymtl.progress", "alloymtl.sources")


def _file(module: str) -> Path | None:
    path = ROOT / module.replace(".", "/")
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def _imports(file: Path) -> frozenset[str]:
    """Modules of this package that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(m for m in found if m.split(".")[0] == "alloymtl" and _file(m))


@cache
def _closure(module: str) -> frozenset[Path]:
    seen: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name in seen or any(name == w or name.startswith(f"{w}.") for w in WITHOUT_EFFECT):
            continue
        seen.add(name)
        parent = name.rpartition(".")[0]
        todo += [*_imports(_file(name)), *([parent] if parent else [])]
    files = {_file(name) for name in seen}
    # A data file named like the module beside it belongs to it.
    data = {d for f in files for d in f.parent.glob(f"{f.stem}.*") if d.suffix not in {".py", ".pyc"}}
    return frozenset(files | data)


def sources(modules: Iterable[str], relative_to: Path) -> list[str]:
    """Files behind some modules, sorted, as paths relative to a folder where they lie in it.

    Args:
        modules: dotted names, for example ``alloymtl.data.ingest``.
        relative_to: usually the working directory.
    """
    files = frozenset().union(*(_closure(m) for m in modules))
    return sorted(str(f.relative_to(relative_to) if f.is_relative_to(relative_to) else f) for f in files)
