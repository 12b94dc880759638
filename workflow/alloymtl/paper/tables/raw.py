"""Tables A3 (raw files: how each was read, and where its rows went) and A4 (rejected rows by reason)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from alloymtl.paper.latex import Tex, count, escape
from alloymtl.paper.material import Material
from alloymtl.paper.tables.parts import DASH, notice
from alloymtl.paper.tables.tabular import Table, Tabular, paragraph
from alloymtl.paper.tables.words import words

ROWS = ("rows", "accepted", "merged", "rejected")
FOUND = ("format", "encoding", "separator", "decimal", "sheet")
FILES = ["task", "source", "of", "path", "files", "ignored", *ROWS, *FOUND]
LABELS, IGNORED = "labels", "ignored"
REJECTS = ["task", "rule", "reason", "rows", "files"]
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "space"}
MANY = 24  # reasons that a table on one page has room for
_UNSET = re.compile(r"[^\x20-\x7e\xa1-\xffΩμ−→Δ]+")  # characters that the paper's fonts lack


def files(material: Material) -> Table:
    """How the text of each raw source was read, and how many of its rows are labels, repeats and rejects.

    A source may be many files, in folders and archives. What only lends it compositions stands below it, without such
    rows. The CSV counts the sources of all tasks from 0.
    """
    read: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for reading in material.ingest["readings"]:
        if reading["format"] != IGNORED:
            read.setdefault((reading["source"], reading["of"]), []).append(reading)
    rows = []
    for number, source in enumerate(material.ingest["sources"]):
        for table in source["tables"]:
            counts = {key: source[key] for key in ROWS} if table["of"] == LABELS else {}
            found = _found(read.get((number, table["of"]), []))
            rows.append({"task": source["task"], "source": number, **table, **counts, **found})
    data = pd.DataFrame(rows).reindex(columns=FILES).astype(dict.fromkeys(ROWS, "Int64"))
    head = ["File", "Files", "Encoding", "Separator", "Rows", "Labels", "Repeats", "Rejected"]
    tabular = Tabular(paragraph(0.36) + "rllrrrr", [head])
    for task in material.study.tasks:
        tabular.panel(escape(task.title))
        for row in data[data["task"] == task.name].to_dict("records"):
            unread = rf" (and {count(row['ignored'])} unread)" if row["ignored"] else ""
            read = [Tex(f"{count(row['files'])}{unread}"), escape(row["encoding"]), escape(row["separator"])]
            tabular.row(_place(row), *read, *(DASH if pd.isna(row[key]) else count(row[key]) for key in ROWS))
    return Table(data, tabular.render())


def _place(row: Mapping[str, Any]) -> Tex:
    """Where a source lies: the last part of its path and, where that is one sheet of a workbook, its sheet."""
    return (
        Tex(f"{_name(row['path'])} ({printable(row['sheet'])})")
        if row["sheet"] and row["files"] == 1
        else _name(row["path"])
    )


def _found(readings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How many tables were read, and in which ways."""
    ways = {name: dict.fromkeys(_way(name, reading[name]) for reading in readings) for name in FOUND}
    return {"files": len(readings)} | {name: ", ".join(way for way in found if way) for name, found in ways.items()}


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
    named = {key: sorted(set(files)) for key, files in lines}
    of_rows = [named.get((row["task"], row["rule"], row["reason"]), []) for row in found]
    names = [", ".join(files) for files in of_rows]
    data = pd.DataFrame([{**row, "files": text} for row, text in zip(found, names, strict=True)], columns=REJECTS)
    shown = data.nlargest(MANY, "rows", keep="first")
    tabular = Tabular(f"l{paragraph(0.4)}{paragraph(0.3)}r", [["Rule", "Reason", "File", "Rows"]])
    for task in material.study.tasks:
        mine = data[data["task"] == task.name]
        if mine.empty:
            continue
        tabular.panel(escape(task.title))
        for row in shown[shown["task"] == task.name].itertuples():
            rule = Tex(rf"\texttt{{{printable(row.rule)}}}")
            tabular.row(rule, words(printable(row.reason)), _names(of_rows[row.Index]), count(row.rows))
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
