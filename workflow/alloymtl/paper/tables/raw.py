"""Tables A3 (raw files: how each was read, and where its rows went) and A4 (rejected rows by reason)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import pandas as pd

from alloymtl.paper.latex import Tex, count, escape
from alloymtl.paper.material import Material
from alloymtl.paper.tables.parts import DASH, notice
from alloymtl.paper.tables.tabular import Table, Tabular, paragraph
from alloymtl.paper.tables.words import words

ROWS = ("rows", "accepted", "merged", "rejected")
FOUND = ("format", "encoding", "separator", "decimal", "sheet")
FILES = ["task", "path", "files", "ignored", *ROWS, *FOUND]
IGNORED = "ignored"
REJECTS = ["task", "rule", "reason", "rows", "files"]
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "space"}
MANY = 24  # reasons that a table on one page has room for
_UNSET = re.compile(r"[^\x20-\x7e\xa1-\xffΩμ−→Δ]+")  # characters that the paper's fonts lack


def files(material: Material) -> Table:
    """How the text of each raw source was read, and how many of its rows are labels, repeats and rejects.

    A source may be many files, in folders and archives. Files that only lend compositions to others have no such rows.
    """
    of_labels, of_compositions = (
        [r for r in material.ingest["readings"] if r["of"] == of] for of in ("labels", "compositions")
    )
    rows = []
    for source in material.ingest["sources"]:
        mine = [r for r in of_labels if r["task"] == source["task"] and _holds(source["path"], r["file"])]
        rows.append({**{key: source[key] for key in ("task", "path", *ROWS)}, **_found(mine)})
    for task, file in dict.fromkeys((r["task"], r["file"]) for r in of_compositions):
        mine = [r for r in of_compositions if (r["task"], r["file"]) == (task, file)]
        rows.append({"task": task, "path": file, **_found(mine)})
    data = pd.DataFrame(rows, columns=FILES).astype(dict.fromkeys(ROWS, "Int64"))
    head = ["File", "Files", "Encoding", "Separator", "Rows", "Labels", "Repeats", "Rejected"]
    tabular = Tabular(paragraph(0.36) + "rllrrrr", [head])
    for task in material.study.tasks:
        tabular.panel(escape(task.title))
        for row in data[data["task"] == task.name].to_dict("records"):
            unread = rf" (and {count(row['ignored'])} unread)" if row["ignored"] else ""
            read = [Tex(f"{count(row['files'])}{unread}"), escape(row["encoding"]), escape(row["separator"])]
            tabular.row(_name(row["path"]), *read, *(DASH if pd.isna(row[key]) else count(row[key]) for key in ROWS))
    return Table(data, tabular.render())


def _holds(path: str, file: str) -> bool:
    """Whether a file is of a source, whose path may be a file, a folder, a pattern, or an archive in parts."""
    path, file = (unicodedata.normalize("NFC", text) for text in (path, file))
    return file == path or file.startswith((f"{path.rstrip('/')}/", f"{path}.part")) or fnmatchcase(file, path)


def _found(readings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How many tables were read, in which ways, and how many files lay there that are none."""
    read = [reading for reading in readings if reading["format"] != IGNORED]
    ways = {name: dict.fromkeys(_way(name, reading[name]) for reading in read) for name in FOUND}
    counts = {"files": len(read), "ignored": len(readings) - len(read)}
    return counts | {name: ", ".join(way for way in found if way) for name, found in ways.items()}


def _way(name: str, value: str | None) -> str:
    if name == "separator" and value is not None:
        return SEPARATORS.get(value, value)
    return value or ""


def rejects(material: Material) -> Table:
    """Rejected rows of each task by reason, and the files that they are in.

    The tabular has the commonest reasons where there are too many for a page, and says how many it leaves out.
    """
    found = [row for row in material.ingest["summary"] if row["rows"]]
    if not found:
        return notice(REJECTS, "No row was rejected.")
    lines = material.rejects.groupby(["task", "rule", "reason"])["file"]
    named = {key: ", ".join(sorted(set(files))) for key, files in lines}
    key = ("task", "rule", "reason")
    data = pd.DataFrame([{**row, "files": named.get(tuple(row[k] for k in key), "")} for row in found], columns=REJECTS)
    shown = data.nlargest(MANY, "rows", keep="first")
    tabular = Tabular(f"l{paragraph(0.4)}{paragraph(0.3)}r", [["Rule", "Reason", "File", "Rows"]])
    for task in material.study.tasks:
        mine = data[data["task"] == task.name]
        if mine.empty:
            continue
        tabular.panel(escape(task.title))
        for row in shown[shown["task"] == task.name].itertuples(index=False):
            rule = Tex(rf"\texttt{{{printable(row.rule)}}}")
            tabular.row(rule, words(printable(row.reason)), _names(row.files.split(", ")), count(row.rows))
        rest = mine.drop(shown.index, errors="ignore")
        if len(rest):
            text = Tex(f"{count(len(rest))} further reasons, in the CSV")
            tabular.row("", text, "", count(int(rest["rows"].sum())))
    return Table(data, tabular.render())


def _names(paths: Sequence[str]) -> Tex:
    """The file, or how many there are."""
    return _name(paths[0]) if len(paths) == 1 else Tex(f"{count(len(paths))} files")


def _name(path: str) -> Tex:
    """Last part of a path."""
    return printable(path.rstrip("/").rpartition("/")[2], breaks=True)


def printable(text: str, breaks: bool = False) -> Tex:
    """Text of a user's files as LaTeX, dots in place of characters that the paper's fonts lack.

    Args:
        text: the text.
        breaks: whether a line may end after any mark, as a path needs it.
    """
    parts = [escape(part) for part in _UNSET.split(unicodedata.normalize("NFC", text))]
    if breaks:
        parts = [re.sub(r"(\\_|[/.,:=&+])(?=\S)", r"\1\\allowbreak{}", part) for part in parts]
    return Tex(r"\ldots{}".join(parts))
