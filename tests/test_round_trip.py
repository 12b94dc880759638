"""The simulator's tables, written as such data come, give the features that the plain tables give, to the byte."""

import csv
import io
import json
import unicodedata

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alloymtl import files
from alloymtl.cli import main
from alloymtl.data.simulate import step
from fuzz_archives import Member, pack

ROWS = {"resistivity": 300, "hardness": 60, "amorphous": 80}
ELEMENTS = ["Al", "Ti", "Cr", "Fe", "Co", "Ni", "Cu", "Zr", "Mo", "W", "Mn", "Si", "Mg", "Re", "Ta"]
UNITS = {"resistivity": "uohm_cm", "hardness": "GPa", "amorphous": ""}
WORLD = {
    "rows": ROWS,
    "seed": 6,
    "relatedness": 0.0,
    "latent_per": "all",
    "latent_scale": 0.2,
    "signal": "physics",
    "design_dimensions": 3,
    "pool": "own",
    "overlap": {},
    "unmodelled": {},
    "hardness_unit": "GPa",
    "resistivity_unit": "uohm_cm",
    "boolean": "0/1",
}
DATA = {
    "elements": ELEMENTS,
    "composition_tolerance": 0.01,
    "decimals": 2,
    "invalid_rows": "stop",
    "other_elements": "stop",
    "traces": 0,
    "missing": ["-"],
    "repeats": "mean",
}
# cp1252 has neither Hangul nor an omega.
WESTERN = {"resistivity": "Widerstand (µOhm·cm)", "hardness": "Härte (GPa)", "amorphous": "amorph – ja/nein"}
AI_HUB = {
    "resistivity": ("4-probe resistivity", "Resistivity"),
    "hardness": ("Nano indentation", "Hardness"),
    "amorphous": ("XRD", "Amorphous"),
}
NAMES = {"resistivity": "비저항 측정", "hardness": "경도 측정", "amorphous": "비정질 판정"}


def composition(basis="at.%", **how):
    return dict.fromkeys(("formula", "columns", "lists", "table")) | {"basis": basis} | how


def features(folder, sources):
    """Bytes of features.parquet made from the sources, by task; and the report and rejected rows of the ingestion."""
    tasks = []
    for name, keys in sources.items():
        source = {"classes": {"0": 0, "1": 1, "false": 0, "true": 1}, "composition": composition(), **keys}
        kind = "classification" if name == "amorphous" else "regression"
        tasks.append({"name": name, "kind": kind, "unit": UNITS[name], "sources": [source]})
    made = {"alloys": "alloys.parquet", "rejects": "rejects.csv", "report": "ingest.json"}
    spec = json.dumps({"data": DATA, "tasks": tasks})
    paths = {name: folder / "made" / file for name, file in made.items()}
    assert main(["ingest", "--spec", spec, "--out", *(f"{name}={path}" for name, path in paths.items())]) == 0
    spec = json.dumps({"elements": ELEMENTS, "tasks": list(sources)})
    found = folder / "made/features.parquet"
    assert main(["features", "--spec", spec, "--in", f"alloys={paths['alloys']}", "--out", f"features={found}"]) == 0
    return found.read_bytes(), files.read_json(paths["report"]), pd.read_csv(paths["rejects"])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The simulated tables as text cells by task, their headers by language, and the features of the plain files."""
    tables, headers = {}, {"western": WESTERN}
    for language, encoding in (("korean", "cp949"), ("english", "utf-8-sig")):
        folder = tmp_path_factory.mktemp(language)
        written = {task: folder / f"{task}.csv" for task in ROWS}
        step(WORLD | {"encoding": encoding}, {}, written | {"truth": folder / "truth.json"})
        for task, path in written.items():
            with open(path, encoding=encoding, newline="") as stream:
                tables[task] = list(csv.reader(stream))
        headers[language] = {task: table[0][-1] for task, table in tables.items()}
    plain = {task: {"path": str(path), "label": headers["english"][task]} for task, path in written.items()}
    expected, report, rejects = features(folder, plain)
    assert [source["accepted"] for source in report["sources"]] == list(ROWS.values())
    assert rejects.empty
    return tables, headers, expected


def text(table, encoding, separator, decimal, line_end, quoting):
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator=line_end, quoting=quoting)
    header, *rows = table
    writer.writerow(header)
    for lot, *numbers in rows:
        writer.writerow([lot, *(number.replace(".", decimal) for number in numbers)])
    return out.getvalue().encode(encoding)


def zipped(members, flags=0x800, encoding="utf-8", form="NFC"):
    return pack([Member(unicodedata.normalize(form, n).encode(encoding), c, flags=flags) for n, c in members.items()])


def put(folder, contents):
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def cut(content, size):
    """The pieces of an archive, named by the byte that they begin at."""
    return {f".part{at}": content[at : at + size] for at in range(0, len(content), size)}


# Each container lays out the halves of every task's table, and says where a config finds them.
def plain(folder, halves, end):
    put(folder, {f"{NAMES[task]}{end}": whole for task, (_, _, whole) in halves.items()})
    return {task: {"path": f"{folder}/{NAMES[task]}{end}"} for task in halves}


def decomposed(folder, halves, end):
    contents = {f"자료/{NAMES[task]}{end}": whole for task, (_, _, whole) in halves.items()}
    put(folder, {unicodedata.normalize("NFD", name): content for name, content in contents.items()})
    return {task: {"path": f"{folder}/자료/{NAMES[task]}{end}"} for task in halves}


def directory(folder, halves, end):
    for task, (first, second, _) in halves.items():
        put(folder / task, {f"1/a{end}": first, f"2/b{end}": second, "readme.md": b"# Notes\n", ".hidden.csv": b"x"})
    return {task: {"path": f"{folder}/{task}"} for task in halves}


def pattern(folder, halves, end):
    for task, (first, second, _) in halves.items():
        put(folder, {f"{task} 1{end}": first, f"{task} 2{end}": second})
    return {task: {"path": f"{folder}/{task} [12]{end}"} for task in halves}


def archive(folder, halves, end):
    members = {f"data/{NAMES[task]}{end}": whole for task, (_, _, whole) in halves.items()}
    put(folder, {"자료.zip": zipped(members | {"data/그림.jpg": b"\xff\xd8"})})
    return {task: {"path": f"{folder}/자료.zip", "member": f"{NAMES[task]}*"} for task in halves}


def unflagged(folder, halves, end):
    members = {f"원천 데이터/{NAMES[task]}{end}": whole for task, (_, _, whole) in halves.items()}
    put(folder, {"data.zip": zipped(members, flags=0, encoding="cp949")})
    return {task: {"path": f"{folder}/data.zip", "member": f"*/{NAMES[task]}{end}"} for task in halves}


def nested(folder, halves, end):
    inner = {}
    for task, (first, second, _) in halves.items():
        inner[f"TS_{NAMES[task]}.zip"] = zipped({f"1{end}": first, f"2{end}": second}, form="NFD")
    put(folder, {"outer.zip": zipped({"deep.zip": zipped(inner, form="NFD")})})
    return {task: {"path": f"{folder}/outer.zip", "member": f"*TS_{NAMES[task]}.zip/*"} for task in halves}


def parts(folder, halves, end):
    for task, (first, second, _) in halves.items():
        content = zipped({f"a{end}": first, f"b{end}": second})
        put(folder, {f"{NAMES[task]}.zip{piece}": part for piece, part in cut(content, 2000).items()})
    return {task: {"path": f"{folder}/{NAMES[task]}.zip"} for task in halves}


def inner_parts(folder, halves, end):
    pieces = {}
    for task, (_, _, whole) in halves.items():
        inner = zipped({f"{task}{end}": whole})
        pieces |= {f"{task}.zip{piece}": part for piece, part in cut(inner, 1500).items()}
    put(folder, {"outer.zip": zipped(pieces)})
    return {task: {"path": f"{folder}/outer.zip", "member": f"*{task}.zip/*"} for task in halves}


def download(folder, halves, end):
    """What AI-Hub gives: for training and validation, an archive of each kind of measurement."""
    root = "284.실험기반 재료 물성 데이터/01-1.정식개방데이터"
    for number, stage in enumerate(("Training", "Validation")):
        for task, both in halves.items():
            place = unicodedata.normalize("NFD", f"{root}/{stage}/01.원천데이터/{stage[0]}S_{NAMES[task]}.zip")
            inside = {f"{NAMES[task]} {number}{end}": both[number], "__MACOSX/._x.csv": b"\0\5\x16\7"}
            put(folder, {place: zipped(inside, form="NFD")})
    return {task: {"path": f"{folder}/{root}", "member": f"*{NAMES[task]}*{end}"} for task in halves}


MINIMAL, ALL = csv.QUOTE_MINIMAL, csv.QUOTE_ALL


@pytest.mark.parametrize("is_forced", [False, True], ids=["found", "forced"])
@pytest.mark.parametrize(
    ("language", "encoding", "separator", "decimal", "line_end", "quoting", "container"),
    [
        ("english", "utf-8", ",", ".", "\r\n", ALL, plain),
        ("korean", "utf-8-sig", ",", ".", "\n", MINIMAL, decomposed),
        ("korean", "cp949", ",", ".", "\r\n", MINIMAL, download),
        ("korean", "utf-16", "\t", ".", "\r\n", MINIMAL, directory),
        ("western", "cp1252", ";", ",", "\r\n", MINIMAL, pattern),
        ("korean", "utf-8", ";", ",", "\n", ALL, archive),
        ("korean", "cp949", "\t", ",", "\r", MINIMAL, unflagged),
        ("western", "utf-8", "|", ".", "\n", ALL, nested),
        ("english", "utf-8-sig", ";", ",", "\r", ALL, parts),
        ("western", "cp1252", "\t", ".", "\n", ALL, inner_parts),
        ("korean", "cp949", ",", ",", "\n", ALL, parts),
        ("korean", "utf-16", "|", ",", "\n", ALL, nested),
        ("western", "utf-16", ",", ".", "\r", MINIMAL, download),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_text_in_every_encoding_and_container(
    world, tmp_path, language, encoding, separator, decimal, line_end, quoting, container, is_forced
):
    tables, headers, expected = world
    halves = {}
    for task, (header, *rows) in tables.items():
        own = [*header[:-1], unicodedata.normalize("NFD" if container is nested else "NFC", headers[language][task])]
        middle = len(rows) // 3
        how = (encoding, separator, decimal, line_end, quoting)
        pieces = (rows[:middle], rows[middle:], rows)
        halves[task] = [text([own, *piece], *how) for piece in pieces]
    forced = {"encoding": encoding, "separator": separator, "decimal": decimal} if is_forced else {}
    where = container(tmp_path / "raw", halves, ".csv")
    sources = {task: {"label": headers[language][task], **where[task], **forced} for task in tables}
    found, report, rejects = features(tmp_path, sources)
    assert found == expected
    assert rejects.empty
    how = {(read["encoding"], read["separator"], read["decimal"]) for read in report["readings"] if read["rows"]}
    assert how == {(encoding, separator, decimal)}


def workbook(table):
    header, *rows = table
    frame = pd.DataFrame([[lot, *map(float, numbers)] for lot, *numbers in rows], columns=header)
    out = io.BytesIO()
    with pd.ExcelWriter(out, engine="openpyxl") as writer:
        frame.to_excel(writer, sheet_name="측정", index=False)
        pd.DataFrame({"notes": ["as received"]}).to_excel(writer, sheet_name="비고", index=False)
    return out.getvalue()


def parquet(table):
    header, *rows = table
    columns = [[float(cell) if n else cell for cell in column] for n, column in enumerate(zip(*rows, strict=True))]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array(column) for column in columns], names=header), out)
    return out.getvalue()


@pytest.mark.parametrize("container", [plain, directory, nested, parts], ids=lambda c: c.__name__)
@pytest.mark.parametrize(("write", "end", "sheet"), [(workbook, ".xlsx", "측정"), (parquet, ".parquet", None)])
def test_workbooks_and_parquet_files(world, tmp_path, write, end, sheet, container):
    tables, headers, expected = world
    halves = {}
    for task, (header, *rows) in tables.items():
        own = [*header[:-1], headers["korean"][task]]
        halves[task] = [write([own, *piece]) for piece in (rows[:40], rows[40:], rows)]
    where = container(tmp_path / "raw", halves, end)
    sources = {task: {"label": headers["korean"][task], "sheet": sheet, **where[task]} for task in tables}
    found, _, rejects = features(tmp_path, sources)
    assert found == expected
    assert rejects.empty


def sample(task, header, row):
    """A sample in the schema of the AI-Hub labels; hardness is a list of readings."""
    cells = dict(zip(header, row, strict=True))
    present = {element: float(cells[element]) for element in ELEMENTS if float(cells[element])}
    value = float(row[-1])
    shown = {"resistivity": value, "hardness": [value, value], "amorphous": value == 1}[task]
    group, key = AI_HUB[task]
    return {
        "Info": {"id": row[0], "Composition": list(present), "Ratio (%)": list(present.values())},
        "Composition-dependent parameters": {"Miedema’s heat of mixing(kJ/mol)": -10, "Number of component": 3},
        group: {key: shown, "Reference file": "Directory"},
        "SEM": {"Grain size": 20},
    }


def one_a_file(folder, samples, encoding):
    put(folder, {f"{n:04d}.json": json.dumps(s, ensure_ascii=False, indent=1).encode(encoding) for n, s in samples})
    return str(folder)


def one_a_member(folder, samples, encoding):
    members = {f"라벨/{n:04d}.json": json.dumps(one, ensure_ascii=False).encode(encoding) for n, one in samples}
    put(folder, {"TL_01. EDS.zip": zipped(members, form="NFD")})
    return f"{folder}/*.zip"


def listed(folder, samples, encoding):
    put(folder, {"labels.json": json.dumps([one for _, one in samples], ensure_ascii=False).encode(encoding)})
    return f"{folder}/labels.json"


def lines(folder, samples, encoding):
    text = "\r\n".join(json.dumps(one, ensure_ascii=False) for _, one in samples)
    put(folder, {"outer.zip": zipped({"labels.jsonl": text.encode(encoding)})})
    return str(folder)


def wrapped_in_parts(folder, samples, encoding):
    text = json.dumps({"data": [one for _, one in samples]}, ensure_ascii=False, indent=2)
    content = zipped({"labels.json": text.encode(encoding)})
    put(folder, {f"labels.zip{piece}": part for piece, part in cut(content, 3000).items()})
    return f"{folder}/labels.zip"


@pytest.mark.parametrize(
    ("layout", "encoding"),
    [
        (one_a_file, "utf-8"),
        (one_a_member, "cp949"),
        (listed, "utf-8-sig"),
        (lines, "utf-8"),
        (wrapped_in_parts, "utf-16"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_labels_in_the_schema_of_ai_hub(world, tmp_path, layout, encoding):
    tables, _, expected = world
    samples = [sample(task, header, row) for task, (header, *rows) in tables.items() for row in rows]
    if encoding == "cp949":  # which has no curly apostrophe of that kind
        samples = json.loads(json.dumps(samples, ensure_ascii=False).replace("’", "'"))
    path = layout(tmp_path / "raw", list(enumerate(samples)), encoding)
    how = composition(lists={"elements": "Info.Composition", "amounts": "Info.Ratio (%)"})
    found, report, rejects = features(
        tmp_path, {task: {"path": path, "label": ".".join(AI_HUB[task]), "composition": how} for task in tables}
    )
    assert found == expected
    # All samples lie together, so that each task lists those of the other two as without a value.
    assert set(rejects["rule"]) == {"label.missing"}
    assert [source["rejected"] for source in report["sources"]] == [440 - rows for rows in ROWS.values()]
    assert report["labels"] == ROWS
