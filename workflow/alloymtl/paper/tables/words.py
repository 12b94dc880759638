"""Tables of words: table 10 (what the reported paper proposes), C9 (claims) and C10 (checks of numbers)."""

from __future__ import annotations

import re

import pandas as pd

from alloymtl.paper.latex import Tex, escape
from alloymtl.paper.material import Material
from alloymtl.paper.tables.parts import notice
from alloymtl.paper.tables.tabular import LongTable, Table, Tabular, paragraph

PROPERTIES = ["cluster", "properties", "physics"]
CLAIMS = ["id", "statement", "reported", "reproduced", "ci_low", "ci_high", "verdict", "why"]
AUDIT = ["check", "where", "severity", "found", "verdict", "mend"]
NO_PAPER = "This study stands beside no reported paper."


def properties(material: Material) -> Table:
    """The clusters of properties that the reported paper proposes to learn together: words, and no result."""
    if material.reported is None:
        return notice(PROPERTIES, NO_PAPER)
    tabular = Tabular("l" + paragraph(0.45) + paragraph(0.35), [["Cluster", "Properties", "Common physics"]])
    rows = []
    for row, text in material.reported.texts(10).itertuples(index=False):
        names, _, physics = text.rpartition(": ")
        tabular.space()
        rows.append([row, names, physics])
        tabular.row(escape(row), escape(names.replace(";", ",")), escape(physics))
    return Table(pd.DataFrame(rows, columns=PROPERTIES), tabular.render())


def claims(material: Material) -> Table:
    """Every claim of the reported paper: what it says, what this study finds, and whether that agrees.

    The CSV says why.
    """
    table = material.claims.reindex(columns=CLAIMS)
    if table.empty:
        return notice(CLAIMS, NO_PAPER)
    long = LongTable((0.07, 0.36, 0.17, 0.26, 0.14), ["", "Claim", "Reported", "Reproduced", "Verdict"])
    for row in table.itertuples(index=False):
        found = f"{row.reproduced} [{row.ci_low}, {row.ci_high}]" if row.ci_low else row.reproduced or "--"
        long.row(*(words(cell) for cell in (row.id, row.statement, row.reported, found, row.verdict)))
    return Table(table, long.render())


def audit(material: Material) -> Table:
    """Every check of numbers against each other, those of the reported paper and this study's, and what it found.

    The CSV has a check's severity, and what is done about it here.
    """
    table = material.audit.reindex(columns=AUDIT)
    if table.empty:
        return notice(AUDIT, "No number of this study was checked.")
    long = LongTable((0.2, 0.2, 0.48, 0.12), ["Check", "Where", "Found", "Verdict"])
    places = table["where"].str.partition(", ")
    for source, rows in table.groupby(places[0], sort=False):
        long.panel(words(source))
        last = ""
        for place, row in zip(places.loc[rows.index, 2], rows.itertuples(index=False), strict=True):
            check = "" if row.check == last else row.check
            long.row(*(words(cell) for cell in (check[:1].upper() + check[1:], place, row.found, row.verdict)))
            last = row.check
    return Table(table, long.render())


def words(text: str) -> Tex:
    """Plain words as LaTeX, with signs before numbers, R2 and arrows as mathematics sets them."""
    tex = re.sub(r"(?<![\w.])-(?=\d)", r"\\ensuremath{-}", escape(text))
    tex = tex.replace("+-", r"$\pm$").replace(r" \%", r"\,\%")
    tex = re.sub(r"\br2\b|\bR2\b", "$R^2$", tex)
    return Tex(tex.replace(r"-\textgreater{}", r"$\rightarrow$"))
