"""The cases of the fuzz test: raw files and a config, spoiled in some way, each made again from its number alone."""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import fuzz_archives as archives
import fuzz_tables as tables
from fuzz_archives import Member, pack
from fuzz_tables import Base, words

DATA = {
    "composition_tolerance": 0.01,
    "decimals": 2,
    "invalid_rows": "stop",
    "other_elements": "stop",
    "traces": 0,
    "missing": ["-", "n/a"],
    "repeats": "mean",
}


@dataclass
class Case:
    """Raw files with a config, and what is known beforehand of their fate.

    Attributes:
        name: what was made and how it was spoiled.
        files: contents by path.
        data: the config's ``data`` section.
        task: the task with its sources.
        rows: rows of its source, where they are known.
        fine: rows, from 0, that must not be rejected.
        ended: exit status, where it is known.
    """

    name: str
    files: dict[str, bytes]
    data: dict[str, Any]
    task: dict[str, Any]
    rows: int | None = None
    fine: frozenset[int] = frozenset()
    ended: int | None = None


def new_case(base: Base, files: dict[str, bytes], **source: Any) -> Case:
    """A case of a base whose rows lie in some files, below ``raw/data`` unless a path says otherwise."""
    where = {"path": next(iter(files), "raw/data.csv")} | base.source | source
    task = {"name": "target", "kind": base.kind, "sources": [where]}
    if base.kind == "regression":
        task |= {"unit": base.unit, "minimum": 0.0}
    return Case(base.name, files | base.others, DATA | {"elements": list(base.elements)}, task)


NUMBERS = words(
    "NaN nan inf -inf Infinity 1e999 -1e999 1e308 1.7e308 5e-324 1e-400 -0 -1 +5 1_000 0x1F 1,234.5 "
    "1.234,5 1e5.0 1e 5±1 5(1) <5 ~5 5-10 ٣٫٥ ٣ ５ −5 ½ ² 1'000 5% 5O --5 5- .5 5. . - + e5 1E+05 100 0 33 "
    "True TRUE false"
)
FORMULAS = words(
    "Fe-1 ((Fe Fe)) Fe()2 Xx20 fe20 Fe20 Al20Fe80 Al1e999Fe Al99999999999999999999Fe Al20-Fe80 Fe20Fe30 "
    "{Al[Fe(Co)2]3}4 (AlFe)0Co100 Al₂Fe₃ Al20Fe60Cu20 Al,Fe Al·Fe AlFe2+ H2O Ø Al20Fe80%"
)
LISTS = [
    "[1, 2",
    "[" * 20,
    "[" * 100_000,
    "{",
    "[]",
    "[null]",
    "[1, [2]]",
    '["a"]',
    "[NaN]",
    "[1e999, 1]",
    "{}",
    "[1,2]]",
]
LISTS += [
    "[-1e308, 1e308]",
    "[1.7e308, 1.7e308, 1.7e308]",
    '["Al"]',
    '{"a": [1, {"b": 2}]}',
    "[true]",
    '["Al", "Fe", "Xx"]',
]
TEXTS = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    '=HYPERLINK("x")',
    "％",
    "\u202e5",
    "\u200b5",
    "\ufeff5",
    "🧪",
    "‘",
    " ",
]
TEXTS += [
    "a\nb",
    "a\rb",
    "a\r\nb",
    "=1\r+2",
    '"',
    '""',
    "'",
    "a;b",
    "a\tb",
    "a|b",
    "a,b",
    "\\",
    "\\n",
    "%s{0}",
    "$HOME",
    "../../x",
    "é" * 300,
]
TEXTS += ["\x0b", "\x1a", "\x1f", "\x7f", "\x85", "\u2028", "x" * 4000, "9" * 400, "0." + "0" * 400 + "1"]
HARD = ["\0", "5\0", "\ud800", "x" * 200_000, "9" * 200_000, "\0" * 100]  # may well make the whole file unreadable
GENTLE = (*NUMBERS, *FORMULAS, *LISTS, *TEXTS)
HEADERS = [
    "",
    " ",
    "HV",
    "Al",
    "label",
    "=1+1",
    "x" * 500,
    "a\nb",
    "Al ",
    "ＨＶ",
    "hv",
    "μ",
    "Unnamed: 0",
    "1",
    "\u202eHV",
]


def spoil_table(rng: Random, base: Base) -> tuple[Base, set[int], list[str]]:
    """The base with some cells, rows or columns changed; the rows (from 0) that were; and how."""
    table = [list(row) for row in base.table]
    touched: set[int] = set()
    notes = []
    width = len(table[0])
    for _ in range(rng.choice([1, 1, 2, 4])):
        way = rng.choice(
            ["cell"] * 8 + ["hard", "ragged", "ragged", "twice", "drop", "swap rows", "columns", "header", "blank"]
        )
        if way in ("twice", "drop", "swap rows", "columns", "header"):
            touched = set(range(len(table) + 10))
        number = rng.randrange(1, len(table))
        row = table[number]
        if way in ("cell", "hard") and row:
            for _ in range(rng.choice([1, 1, 1, width])):
                column = rng.randrange(len(row))
                row[column] = rng.choice(GENTLE if way == "cell" else HARD)
                notes.append(f"row {number}, cell {column}: {row[column][:12]!r}")
            touched.add(number - 1)
        elif way == "ragged" and row:
            table[number] = (
                [*row, *["more"] * rng.choice([1, 3])] if rng.random() < 0.5 else row[: rng.randrange(1, len(row) + 1)]
            )
            touched.add(number - 1)
        elif way == "blank":
            table[number] = [""] * width
            touched.add(number - 1)
        elif way == "twice":
            table[number:number] = [list(row)] * rng.choice([1, 5])
        elif way == "drop" and len(table) > 2:
            del table[number : number + rng.choice([1, 5, 100])]
            if len(table) < 2:
                table.append([""] * width)
        elif way == "swap rows":
            other = rng.randrange(len(table))
            table[number], table[other] = table[other], table[number]
        elif way == "columns" and all(len(row) == width for row in table):
            first, second = rng.randrange(width), rng.randrange(width)
            for row in table[rng.choice([0, 1]) :]:
                row[first], row[second] = row[second], row[first]
        elif way == "header" and table[0]:
            table[0][rng.randrange(len(table[0]))] = rng.choice(HEADERS)
        notes.append(way)
    return replace(base, table=table), touched, notes


def spoil_bytes(rng: Random, content: bytes) -> tuple[bytes, str]:
    """The content with some bytes changed, and how."""
    at = rng.randrange(max(1, len(content)))
    to = at + rng.choice([1, 2, 10, 100, 1000])
    way = rng.choice(words("truncate flip flip insert delete zero twice swap lines bits encode mojibake quote behind"))
    if way == "truncate":
        content = content[:at]
    elif way in ("flip", "bits"):
        changed = bytearray(content)
        for _ in range(rng.choice([1, 1, 5, 50])):
            if changed:
                place = rng.randrange(len(changed))
                changed[place] = changed[place] ^ (1 << rng.randrange(8)) if way == "bits" else rng.randrange(256)
        content = bytes(changed)
    elif way == "insert":
        what = rng.choice(
            [rng.randbytes(rng.choice([1, 3, 50])), b"\0", b"\n", b"\r", b'"', b"\xef\xbb\xbf", b"\xff\xfe", b"\x1a"]
        )
        content = content[:at] + what + content[at:]
    elif way == "delete":
        content = content[:at] + content[to:]
    elif way == "zero":
        content = content[:at] + bytes(len(content[at:to])) + content[to:]
    elif way == "twice":
        content = content[:to] + content[at:]
    elif way == "swap":
        content = content[at:] + content[:at]
    elif way == "lines":
        lines = content.splitlines(keepends=True)
        number = rng.randrange(max(1, len(lines)))
        lines[number : number + 1] = rng.choice(
            [[], lines[number : number + 1] * 3, [line.rstrip() for line in lines[number : number + 2]]]
        )
        content = b"".join(lines)
    elif way == "encode":
        content = content.decode("utf-8", "replace").encode(
            rng.choice(["utf-16", "utf-16-le", "utf-32", "cp949", "cp1252", "utf-7", "cp037", "johab", "shift_jis"]),
            "replace",
        )
    elif way == "mojibake":
        content = content.decode("latin-1").encode("utf-8")
    elif way == "quote":
        content = content.replace(b",", b',"', rng.choice([1, 2, 3]))
    elif way == "behind":
        content += rng.choice([b"\n" * 50, b"\r\n \r\n", b"\x1a", b"total,5\n", b"\0" * 512, b"#", b'"'])
    return content, way


ENCODINGS = words(
    "utf-8 utf-8-sig UTF8 utf-16 utf-16-le utf-32 cp949 euc-kr cp1252 latin-1 ascii cp037 shift_jis utf-7 "
    "utf8x rot13 base64 hex zlib idna punycode undefined unicode_escape mbcs"
)
ENCODINGS += ["", " ", "utf-8\0", "x" * 2000, "utf-8\n"]
UNITS = [
    "GPa",
    "HV",
    "furlong",
    "",
    " ",
    "%IACS",
    "GPa/0",
    "1e999 GPa",
    "__import__('os')",
    "((((",
    "degC",
    "dB",
    "ohm_m",
    "uohm_cm",
    "%",
    "1",
    "[]",
    "GPa\n",
    "x" * 3000,
    "kgf/mm^2",
    "GPa**-1",
    "nan",
    "Hv",
    "delta_degC",
]
MEMBERS = ["*", "*.csv", "nope", "[", "**", "*/*", "[!a]*", "data.csv", "", "*" * 50, "\0", "*.zip", "?" * 300]
TEXT_KEYS = ["", " ", "HV", "Al", "Alloy", "lot", "nope", "hv", "\n", "x" * 3000, "note", "Fe", "{}", "Info"]
PATHS = [
    "raw",
    "raw/",
    "raw/*",
    "raw/**",
    "raw/[",
    "raw/nope.csv",
    "raw/*.xyz",
    "./raw/../raw",
    "raw/data.csv/x",
    "raw/" + "x" * 300,
    "raw/\0",
    "raw/" * 3000,
    "",
    "raw/=1.csv",
]


def spoil_config(rng: Random, case: Case) -> str:
    """Change the case's config in some way that the schema allows, and say how."""
    source, how = case.task["sources"][0], dict(case.task["sources"][0]["composition"])
    source["composition"] = how
    way = rng.choice(
        words(
            "encoding separator decimal sheet member header label unit classes id basis formula columns lists "
            "table decimals tolerance traces missing repeats elements path minimum transform kind"
        )
    )
    value: Any = None
    if way == "encoding":
        value = source[way] = rng.choice(ENCODINGS)
    elif way == "separator":
        value = source[way] = rng.choice(
            [
                ",",
                ";",
                "\t",
                "|",
                "||",
                " ",
                "  ",
                "a",
                '"',
                "é",
                "\0",
                "🧪",
                "\u2028",
                ".",
                "5",
                ", ",
                '","',
                "x" * 100,
            ]
        )
    elif way == "decimal":
        value = source[way] = rng.choice([".", ","])
    elif way == "sheet":
        value = source[way] = rng.choice(["data", "Sheet1", "", "x" * 3000, "\0", "Data"])
    elif way == "member":
        value = source[way] = rng.choice(MEMBERS)
    elif way == "header":
        value = source[way] = rng.choice([1, 2, 3, 5, 24, 25, 26, 1000, 10**9])
    elif way in ("label", "id"):
        value = source[way] = rng.choice(TEXT_KEYS)
    elif way == "unit":
        value = source[way] = rng.choice(UNITS)
    elif way == "classes":
        source[way] = rng.choice([{}, {"*": 0}, {"": 1}, {"O": 1}, {"1": 1, " 1": 0}, {"x" * 3000: 1}])
    elif way == "basis":
        value = how[way] = rng.choice(
            ["at.%", "wt.%", "atomic fraction", "weight fraction", "atomic ratio", "weight ratio"]
        )
    elif way == "formula":
        value = how[way] = rng.choice(TEXT_KEYS)
    elif way == "columns":
        how[way] = rng.choice(
            [{}, {"Xx": "Al"}, {"Al": "Al"}, {"Al": "HV", "Fe": "HV"}, {"Al": "nope"}, {"Tc": "Al", "Og": "Fe"}]
        )
    elif way == "lists":
        how[way] = {"elements": rng.choice(TEXT_KEYS), "amounts": rng.choice(TEXT_KEYS)}
    elif way == "table":
        match = rng.choice([{"Al": "Al"}, {"HV": "HV", "nope": "Al"}, {"lot": "lot"}, {"": ""}, {"Alloy": "Alloy"}])
        how[way] = {"path": rng.choice([source["path"], *PATHS]), "match": match}
    elif way == "decimals":
        value = case.data[way] = rng.randrange(7)
    elif way == "tolerance":
        value = case.data["composition_tolerance"] = rng.choice([0, 0.2])
    elif way == "traces":
        value = case.data[way] = rng.choice([0.1, 50, 100])
    elif way == "missing":
        value = case.data[way] = rng.choice([[], [""], ["0", "5"], ["x" * 3000], ["\0"]])
    elif way == "repeats":
        value = case.data[way] = rng.choice(["mean", "median", "keep"])
    elif way == "elements":
        value = case.data[way] = rng.choice([["Al", "Fe"], ["Fe", "Al", "Co", "Cu"], ["W", "Re"], ["Zr", "Fe"]])
    elif way == "path":
        value = source[way] = rng.choice(PATHS)
    elif way == "minimum":
        case.task |= rng.choice(
            [{"minimum": 1e308}, {"maximum": -1.0}, {"minimum": None}, {"minimum": 5.0, "maximum": 2.0}]
        )
    elif way == "transform":
        case.task[way] = "log10"
    elif way == "kind":
        case.task |= rng.choice([{"kind": "classification", "unit": ""}, {"kind": "regression", "unit": "GPa"}])
    return f"config {way} {str(value)[:30]!r}"


def random_case(rng: Random, bases: list[Base]) -> Case:
    """A case drawn at random: table, then format, then bytes, then container, then config, any of them spoiled."""
    base = rng.choice(bases)
    notes: list[str] = []
    touched: set[int] = set()
    spoil = rng.choices(["nothing", "table", "bytes", "archive", "config", "all"], [1, 6, 5, 3, 4, 3])[0]
    if spoil in ("table", "all"):
        base, touched, notes = spoil_table(rng, base)
    format_ = rng.choices(["text", "sheet", "parquet", "list", "lines", "wrapped", "single"], [8, 2, 1, 1, 1, 1, 1])[0]
    if base.is_nested and rng.random() < 0.6:
        format_ = rng.choice(["list", "lines", "wrapped", "single"])
    forced: dict[str, Any] = {}
    pieces = _written(rng, base, format_, forced, notes)
    is_text = format_ == "text"
    if spoil in ("bytes", "all"):
        number = rng.randrange(len(pieces))
        name, content = pieces[number]
        content, way = spoil_bytes(rng, content)
        pieces[number] = (name, content)
        notes.append(way)
    files, where = _contained(rng, pieces, notes, spoil == "archive" or (spoil == "all" and rng.random() < 0.3))
    case = new_case(base, files, **forced)
    case.task["sources"][0]["path"] = where
    if spoil in ("nothing", "table"):
        names = len(set(base.table[0])) == len(base.table[0])
        case.rows = len(base.table) - 1 if names or is_text or format_ == "sheet" else None
        hard = any("hard" in note for note in notes)
        if is_text and {"encoding", "separator", "decimal"} <= forced.keys() and not hard:
            if base.is_clean and base.source.get("id") is None:
                case.fine = frozenset(range(case.rows or 0)) - touched
            # A bad cell is a rejected row, and never the end of the build.
            if not touched >= set(range(case.rows or 0)) and not any(note.startswith("broken") for note in notes):
                case.ended = 0
    if spoil in ("config", "all"):
        notes.append(spoil_config(rng, case))
    case.name = f"{base.name} as {format_} in {where[:60]}: {', '.join(notes) or 'as it is'}"
    return case


def _written(
    rng: Random, base: Base, format_: str, forced: dict[str, Any], notes: list[str]
) -> list[tuple[str, bytes]]:
    """The table as files of some format; for text, how it is written goes to ``forced``, as a config would force it."""
    if format_ == "sheet":
        return [("data.xlsx", tables.workbook(base.table))]
    if format_ == "parquet":
        return [("data.parquet", tables.parquet(base.table))]
    if format_ == "single":
        found = tables.objects(base.table, base.is_nested)
        encoded = (json.dumps(one, ensure_ascii=False).encode("utf-8", "surrogatepass") for one in found)
        return [(f"{number:03d}.json", content) for number, content in enumerate(encoded)]
    if format_ != "text":
        return [("data.json", tables.documents(base.table, base.is_nested, format_))]
    dialect = tables.pick_dialect(rng, base.table)
    if any(sign in cell for row in base.table for cell in row for sign in "\r\n"):
        dialect["quoting"] = csv.QUOTE_ALL  # Python's writer leaves other line ends than its own bare
    if rng.random() < 0.6:
        forced |= {"encoding": dialect["encoding"], "separator": dialect["separator"]}
        forced["decimal"] = "," if dialect["comma"] else "."
    content = tables.delimited(base.table, **dialect)
    if rng.random() < 0.25 and dialect["encoding"] not in ("utf-8-sig", "utf-16"):
        content = b'measured in 2021\n"to be continued"\n'.replace(b"\n", dialect["line_end"].encode()) + content
        forced["header"] = 3
    notes.append(f"{dialect['encoding']} {dialect['separator']!r} {dialect['line_end']!r}{' ,' * dialect['comma']}")
    return [("data.csv", content)]


def _contained(
    rng: Random, pieces: list[tuple[str, bytes]], notes: list[str], is_spoiled: bool
) -> tuple[dict[str, bytes], str]:
    """The files on disk, and the path that a config gives."""
    members = [Member(name.encode(), content) for name, content in pieces]
    if is_spoiled:
        way, content = archives.spoiled(rng, members)
        notes.append(f"archive: {way}")
        if rng.random() < 0.2:
            content = pack([Member(b"inner.zip", content)])
        return {"raw/data.zip": content}, "raw/data.zip"
    way = rng.choice(["plain", "plain", "plain", "folder", "zip", "nested", "parts", "inner parts", "names"])
    if way == "plain" and len(pieces) == 1:
        name, content = pieces[0]
        return {f"raw/{name}": content}, f"raw/{name}"
    notes.append(way)
    if way in ("plain", "folder"):
        return {f"raw/{name}": content for name, content in pieces}, rng.choice(["raw", "raw/*"])
    if way == "nested":
        content = pack([Member(b"TS/inner.zip", pack(members)), Member(b".DS_Store", b"\0\1")])
        return {"raw/data.zip": content}, rng.choice(["raw/data.zip", "raw"])
    if way == "names":
        name = unicodedata.normalize("NFD", "자료/측정 값.")
        changed = [
            replace(m, name=name.encode() + b"%d." % n + m.name.rpartition(b".")[2]) for n, m in enumerate(members)
        ]
        return {unicodedata.normalize("NFD", "raw/원천.zip"): pack(changed)}, "raw/원천.zip"
    content = pack(members)
    if way == "zip":
        return {"raw/data.zip": content}, "raw/data.zip"
    size = max(1, len(content) // 3)
    starts = list(range(0, len(content), size))
    parts = [(f"data.zip.part{at}", content[at : at + size]) for at in starts]
    if rng.random() < 0.3:
        notes.append(f"broken: {_lose_a_part(rng, parts)}")
    if way == "parts" and parts:
        return {f"raw/{name}": part for name, part in parts}, rng.choice(["raw/data.zip", "raw", f"raw/{parts[0][0]}"])
    return {"raw/data.zip": pack([Member(name.encode(), part, method=0) for name, part in parts])}, "raw/data.zip"


def _lose_a_part(rng: Random, parts: list[tuple[str, bytes]]) -> str:
    number = rng.randrange(len(parts))
    way = rng.choice(["part lost", "part short", "parts swapped"])
    if way == "part lost":
        del parts[number]
    elif way == "part short":
        parts[number] = (parts[number][0], parts[number][1][:-1])
    else:
        parts[0], parts[-1] = (parts[0][0], parts[-1][1]), (parts[-1][0], parts[0][1])
    return way


@cache
def bases(public: Path | None) -> tuple[list[Base], list[Base]]:
    """The small tables, and the published ones whole."""
    made = tables.made_up()
    if public is None:
        return made, []
    return made + tables.public(public), tables.public(public, rows=None)


def special_cases(public: Path | None) -> list[Callable[[], Case]]:
    """Functions without arguments that each make one case: bombs, depths, and the published tables whole."""
    made, whole = bases(public)
    plain = made[0]
    text = tables.delimited(plain.table)
    header = text.split(b"\n")[0] + b"\n"
    mib = archives.MIB

    def one(name: str, content: bytes, file: str = "raw/data.csv", ended: int | None = 1, base: Base = plain) -> Case:
        return replace(new_case(base, {file: content}), name=name, ended=ended)

    def zipped(name: str, *members: Member, depth: int = 0) -> Case:
        content = pack(list(members))
        for _ in range(depth):
            content = pack([Member(b"inner.zip", content)])
        return one(name, content, "raw/data.zip")

    def json_of(name: str, text: str, ended: int | None = 1) -> Case:
        return one(name, text.encode(), "raw/data.json", ended)

    wide = ",".join(f"c{n}" for n in range(16_000)).encode()
    deep = '{"a": ' * 400 + "1" + "}" * 400
    made_cases = [
        lambda: zipped("2 GiB of zeros", archives.repeated(bytes(mib), 2048)),
        lambda: zipped("2 GiB of zeros, three deep", archives.repeated(bytes(mib), 2048), depth=3),
        lambda: zipped("800 MiB of zeros", archives.repeated(bytes(mib), 800)),
        lambda: zipped("800 MiB of one line", archives.repeated(b"x" * mib, 800)),
        lambda: zipped("800 MiB in one cell", archives.repeated(header + b'"' + b"x" * (mib - 1), 800)),
        lambda: zipped("more than is stated", replace(archives.repeated(bytes(mib), 2048), size=1000)),
        lambda: zipped(
            "many bombs", *(replace(archives.repeated(bytes(mib), 64), name=b"%d.csv" % n) for n in range(40))
        ),
        lambda: zipped("one text as JSON", replace(archives.repeated(b'[{"HV":1},' * 1000, 30_000), name=b"data.json")),
        lambda: zipped("brackets as JSON", replace(archives.repeated(b"[" * mib, 200), name=b"data.json")),
        lambda: zipped("numbers as JSON", replace(archives.repeated(b"[" + b"1," * 500_000, 200), name=b"data.json")),
        lambda: zipped("six deep", Member(b"inner.zip", archives.nested(text, b"data.csv", 6))),
        lambda: zipped("many members", *(Member(b"%d.csv" % n) for n in range(100_001))),
        lambda: zipped("many empty members", *(Member(b"%d.csv" % n) for n in range(4000))),
        lambda: one("a wide table of blank rows", wide + b"\n" * 30_000, ended=None),
        lambda: one("a wide table of one row", wide + b"\n" + wide + b"\n"),
        lambda: one("a header of a million cells", b"a," * 400_000 + b"\n1,2\n"),
        lambda: one("one byte", b"\0"),
        lambda: one("a zip archive called .csv", pack([Member(b"data.csv", text)]), ended=0),
        lambda: one("a workbook of one long text", archives.sheet_bomb(100_000, "x" * 30_000), "raw/data.xlsx"),
        lambda: one("a workbook of 1 million empty rows", archives.sheet_bomb(0, "HV"), "raw/data.xlsx"),
        lambda: one("a workbook with two corners", archives.sheet_corners(), "raw/data.xlsx"),
        lambda: one(
            "a Parquet file of one long text", archives.parquet_bomb(200_000, "x" * 100_000), "raw/data.parquet"
        ),
        lambda: one("a Parquet file of many rows", archives.parquet_bomb(11_000_000, "x"), "raw/data.parquet"),
        lambda: json_of("deep lists", "[" * 100_000),
        lambda: json_of("deep objects", deep),
        lambda: json_of("a deep cell", '[{"HV": ' + "[" * 5000 + "]" * 5000 + "}]"),
        lambda: json_of("equal keys", '[{"Al": 50, "Fe": 50, "HV": 1, "HV": 2}, {"Al": 40, "Fe": 60, "HV": 1}]', None),
        lambda: json_of("keys that meet", '[{"Al": 50, "Fe": 50, "HV": 3, "a.b": 1, "a": {"b": 2}}]', None),
        lambda: json_of("a huge whole number", f'[{{"Al": 50, "Fe": 50, "HV": {"9" * 5000}}}]', None),
        lambda: json_of("constants", '[{"Al": 50, "Fe": 50, "HV": NaN}, {"Al": 50, "Fe": 50, "HV": -Infinity}]', 0),
        lambda: json_of("no objects", "[1, 2, 3]"),
        lambda: json_of("a number", "5"),
        lambda: json_of("nothing", ""),
        lambda: json_of("many keys", "[" + ",".join(f'{{"k{n}": 1}}' for n in range(16_000)) + "]", None),
        lambda: json_of("many more keys", "[" + ",".join(f'{{"k{n}": 1}}' for n in range(40_000)) + "]"),
    ]

    def untouched(base: Base) -> Case:
        case = new_case(base, {"raw/data.csv": tables.delimited(base.table)})
        return replace(case, name=f"{base.name}, whole", rows=len(base.table) - 1, ended=0)

    def cut(base: Base, number: int) -> Case:
        rng = Random(number)
        content, way = spoil_bytes(rng, tables.delimited(base.table))
        return replace(new_case(base, {"raw/data.csv": content}), name=f"{base.name}, whole: {way}")

    made_cases += [lambda base=base: untouched(base) for base in [*made, *whole]]
    made_cases += [lambda base=base, n=n: cut(base, n) for base in whole for n in range(6)]
    return made_cases
