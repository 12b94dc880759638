"""Small raw tables of every shape that is read, and the ways to write them to a file."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 24
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE]-?\d+)?")


@dataclass
class Base:
    """A table of text cells, its header first, and what a config says of it."""

    name: str
    table: list[list[str]]
    source: dict[str, Any]
    elements: tuple[str, ...] = ("Al", "Fe", "Co")
    kind: str = "regression"
    unit: str = "GPa"
    is_clean: bool = True  # every row is accepted or merged
    is_nested: bool = False  # dots in the headers stand for keys of keys
    others: dict[str, bytes] = field(default_factory=dict)  # further files, by path


def words(text: str) -> list[str]:
    return text.split()


def composition(basis, **how):
    return dict.fromkeys(("formula", "columns", "lists", "table")) | {"basis": basis} | how


def made_up() -> list[Base]:
    """Tables of alloys that all differ, so that a row's fate depends on itself alone."""
    amounts = [(10 + n + 0.25, 60 - n + 0.5, 29.25) for n in range(ROWS)]
    at = [[f"{a}", f"{b}", f"{c}"] for a, b, c in amounts]
    hv = [f"{n + 1.5}" for n in range(ROWS)]
    tall = zip(at, hv, range(ROWS), strict=True)
    columns = [["lot", "X", "Y", "Al", "Fe", "Co", "HV", "note"]]
    columns += [[f"L{n}", f"{n}", "5", *row, label, f"as cast, {n}"] for row, label, n in tall]
    ratios = [["Alloy", "HV", "reference"]]
    ratios += [[f"Al{0.1 * n + 0.25:.2f} Co1 Fe1", label, f'Smith "{n}" et al.'] for n, label in enumerate(hv)]
    groups = [["Alloy", "HV"], *([f"(AlFe){20 + n}Co{80 - n}", label] for n, label in enumerate(hv))]
    weights = [["Fe wt.%", "Al wt.%", "HV"], *([f"{30 + n}", f"{70 - n}", f"{100 + n}"] for n in range(ROWS))]
    classes = [["Al", "Fe", "Co", "phase"], *([*row, "OX"[n % 2]] for n, row in enumerate(at))]
    korean = [["시료", "Al", "Fe", "Co", "경도 (GPa)"]]
    korean += [[f"시편-{n}", *row, label] for n, (row, label) in enumerate(zip(at, hv, strict=True))]
    nested = [["Info.id", "Info.Composition", "Info.Ratio (%)", "XRD.Amorphous", "Nano indentation.Hardness"]]
    for n, row in enumerate(at):
        listed = [f"Ex-{n}", '["Al", "Fe", "Co"]', f"[{', '.join(row)}]", "true", f"[{n + 1}, {n + 2}.5]"]
        nested.append(listed)
    found = {"elements": "Info.Composition", "amounts": "Info.Ratio (%)"}
    by_column = composition("wt.%", columns={"Fe": "Fe wt.%", "Al": "Al wt.%"})
    return [
        Base("columns", columns, {"label": "HV", "unit": "GPa", "composition": composition("at.%")}),
        Base("lots", columns, {"label": "HV", "unit": "GPa", "id": "lot", "composition": composition("at.%")}),
        Base(
            "ratios",
            ratios,
            {"label": "HV", "unit": "GPa", "composition": composition("atomic ratio", formula="Alloy")},
        ),
        Base("groups", groups, {"label": "HV", "unit": "GPa", "composition": composition("at.%", formula="Alloy")}),
        Base("weights", weights, {"label": "HV", "unit": "HV", "composition": by_column}),
        Base(
            "classes",
            classes,
            {"label": "phase", "classes": {"O": 1, "X": 0}, "composition": composition("at.%")},
            kind="classification",
        ),
        Base("korean", korean, {"label": "경도 (GPa)", "composition": composition("at.%")}),
        Base(
            "nested",
            nested,
            {"label": "Nano indentation.Hardness", "composition": composition("at.%", lists=found)},
            is_nested=True,
        ),
    ]


# As in config/public.yaml.
PUBLIC_ELEMENTS = words("Be Mg Al Si Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Y Zr Nb Mo Pd Ag La Ce Nd Gd Hf Ta W Au")


def public(folder: Path, rows: int | None = 60) -> list[Base]:
    """Published tables, thinned out to some rows; all of them for None."""

    def cut(table):
        step = max(1, (len(table) - 1) // rows) if rows else 1
        return [table[0], *table[1::step]]

    def text(name):
        with open(folder / name, encoding="utf-8-sig", newline="") as stream:
            return cut(list(csv.reader(stream)))

    def sheet(name, title):
        book = openpyxl.load_workbook(folder / name, read_only=True, data_only=True)
        found = [["" if cell is None else str(cell) for cell in row] for row in book[title].iter_rows(values_only=True)]
        book.close()
        return cut(found)

    solved = text("ml_r_mg/ML-R-MG_reconstructed_compositions_DERIVED.csv")
    film_elements = {symbol: symbol for symbol in solved[0][solved[0].index("Ag") :]}
    match = {"ravg": "ravg_A", "delta": "delta_frac", "dHmix": "dHmix_kJmol"}
    elsewhere = {"path": "other/solved.csv", "match": match, "member": None, "sheet": None, "header": 1, "url": ""}
    films = composition("atomic fraction", columns=film_elements, table=elsewhere)
    alloy = composition("atomic ratio", formula="Alloy")
    alloys = composition("atomic ratio", formula="Alloys")
    copper = composition("wt.%")
    tables = [
        ("cu", text("cu_alloys/Corrected_Cu_alloys_database.csv"), "Electrical conductivity (%IACS)", "%IACS", copper),
        ("mpea", text("mpea/MPEA_dataset.csv"), "PROPERTY: HV", "HV", composition("atomic ratio", formula="FORMULA")),
        ("hardness", text("xiong/Hardness.csv"), "Hardness (HV)", "HV", alloys),
        ("films", sheet("ml_r_mg/ML-R-MG.xlsx", "allset_Literature"), "rho", "ohm_m", films),
        ("solved", solved, "rho_ohm_m", "ohm_m", composition("atomic fraction", columns=film_elements)),
    ]
    found = []
    for name, table, label, unit, how in tables:
        target = "GPa" if unit == "HV" else "uohm_cm"
        source = {"label": label, "unit": unit, "composition": how}
        found.append(Base(name, table, source, tuple(PUBLIC_ELEMENTS), unit=target, is_clean=False))
    found[3].others = {"other/solved.csv": delimited(solved)}
    for name, file, label, classes, how in (
        ("glasses", "xiong/GFA.csv", "GFA", {"BMG": 1, "RMG": 1, "CRA": 0}, alloy),
        ("phases", "xiong/Formed_Phases.csv", "Phase(s)", {"AM": 1, "*": 0}, alloys),
    ):
        source = {"label": label, "classes": classes, "composition": how}
        base = Base(name, text(file), source, tuple(PUBLIC_ELEMENTS), kind="classification", is_clean=False)
        found.append(base)
    return found


def delimited(table, separator=",", line_end="\n", encoding="utf-8", quoting=csv.QUOTE_MINIMAL, comma=False) -> bytes:
    """The table as delimited text; characters that the encoding has not become question marks."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=line_end, quoting=quoting)
    for row in table:
        writer.writerow([c.replace(".", ",") if comma and NUMBER.fullmatch(c) else c for c in row])
    errors = "surrogatepass" if encoding.startswith("utf") else "replace"
    return text.getvalue().encode(encoding, errors)


def _typed(cell: str) -> Any:
    return float(cell) if NUMBER.fullmatch(cell) and len(cell) < 20 else cell


def workbook(table) -> bytes:
    """The table as a sheet; characters that a sheet cannot hold become question marks."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("data")
    for row in table:
        clean = [re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "?", cell) for cell in row]
        sheet.append([_typed(cell[:32_000]) for cell in clean])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def parquet(table) -> bytes:
    """The table with a column of numbers where all its cells are such."""
    header, *rows = table
    columns = []
    for n in range(len(header)):
        cells = [row[n] if n < len(row) else "" for row in rows]
        cells = [cell.encode("utf-8", "replace").decode() for cell in cells]
        values = [_typed(cell) for cell in cells]
        columns.append(pa.array(values if all(isinstance(value, float) for value in values) else cells))
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, names=[h.encode("utf-8", "replace").decode() for h in header]), stream)
    return stream.getvalue()


def objects(table, is_nested: bool) -> list[dict[str, Any]]:
    """The rows as objects."""
    header, *rows = table
    found = []
    for row in rows:
        one: dict[str, Any] = {}
        for name, cell in zip(header, row, strict=False):
            inner = one
            *above, last = name.split(".") if is_nested else [name]
            for key in above:
                inner = inner.setdefault(key, {})
                if not isinstance(inner, dict):
                    break
            else:
                inner[last] = _value(cell)
        found.append(one)
    return found


def _value(cell: str) -> Any:
    try:
        return json.loads(cell) if cell.startswith(("[", "true", "false")) else _typed(cell)
    except (ValueError, RecursionError):
        return cell


def documents(table, is_nested: bool, shape: str) -> bytes:
    """The rows as JSON of some shape: ``list``, ``lines`` or ``wrapped``."""
    found = objects(table, is_nested)
    if shape == "lines":
        text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in found)
    else:
        text = json.dumps({"data": found} if shape == "wrapped" else found, ensure_ascii=False, indent=1)
    return text.encode("utf-8", "surrogatepass")


def pick_dialect(rng: Random, table) -> dict[str, Any]:
    """How to write a table as text, so that it can be read back."""
    encodings = ["utf-8", "utf-8-sig", "utf-16", "cp949", "cp1252"]
    rng.shuffle(encodings)
    text = "\n".join(map(",".join, table))
    encoding = next((e for e in encodings if _fits(text, e)), "utf-8")
    separator = rng.choice(",,;\t|")
    return {
        "separator": separator,
        "line_end": rng.choice(["\n", "\r\n", "\r"]),
        "encoding": encoding,
        "quoting": rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        "comma": separator != "," and rng.random() < 0.4,
    }


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
