"""Reading raw files: whatever the encoding, the separator and the container, the same cells come back."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import tracemalloc
import unicodedata
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alloymtl.data.raw import limits, places, read_table
from alloymtl.errors import UserError
from alloymtl.task import Location

PUBLIC = Path(__file__).parents[2] / "shared/data"
KEY = "tasks.hardness.sources[0]"
KOREAN = ["경도", "비정질 리본", "온도(℃)", "저항률", "시편 3", "Zr50Cu50", "1.5"]
WESTERN = ["Härte", "Größe", "25 °C", "3 µm", "5 ± 1", "naïve", "Zr50Cu50", "1.5", "W/m²"]
PLAIN = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters=',;\t|"\r\n'), max_size=5)
ANY = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=' ,;\t|"\n'), max_size=5)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(path, **changes):
    return read_table(Location(path=path, **changes), KEY)


def cells(table):
    """The table as a user sees it: a list of rows."""
    names = list(dict.fromkeys(table.headers))
    return [list(row) for row in zip(*(table.column(name, KEY) for name in names), strict=True)]


def text(*lines, end="\n"):
    return "".join(line + end for line in lines)


def zipped(members, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def put(container, content):
    """Write a table's bytes into some container; returns the path to read."""
    if container == "file":
        Path("raw.csv").write_bytes(content)
        return "raw.csv"
    whole = zipped({"자료/표.csv": content})
    if container == "nested":
        whole = zipped({"TS_01. EDS.zip": whole}, zipfile.ZIP_STORED)
    if container == "parts":
        for old in Path().glob("TS.zip.part*"):
            old.unlink()
        for begin in range(0, len(whole), 60):
            Path(f"TS.zip.part{begin}").write_bytes(whole[begin : begin + 60])
        return "TS.zip"
    Path("raw.zip").write_bytes(whole)
    return "raw.zip"


@st.composite
def written_tables(draw):
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp949", "euc-kr", "cp1252"]))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    if encoding in ("cp949", "euc-kr", "cp1252"):
        words = WESTERN if encoding == "cp1252" else KOREAN
        cell = st.sampled_from([*words, "", "a,b", 'say "x"'] if quoting == csv.QUOTE_ALL else [*words, ""])
    else:
        words, cell = KOREAN, ANY if quoting == csv.QUOTE_ALL else PLAIN
    width = draw(st.integers(2, 4))
    header = [f"{words[n]}{n}" for n in range(width)]
    rows = draw(st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1, max_size=6))
    buffer = io.StringIO()
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    csv.writer(buffer, delimiter=draw(st.sampled_from(",;\t|")), quoting=quoting, lineterminator=end).writerows(
        [header, *rows]
    )
    return header, rows, buffer.getvalue().encode(encoding), encoding


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written_tables(), st.sampled_from(["file", "zip", "nested", "parts"]))
def test_any_table_comes_back_whatever_it_is_written_in(here, written, container):
    header, rows, content, encoding = written
    table = read(put(container, content))
    assert table.headers == [unicodedata.normalize("NFC", name) for name in header]
    assert [table.column(name, KEY).tolist() for name in header] == [
        [cell.strip() for cell in column] for column in zip(*rows, strict=True)
    ]
    assert table.row.tolist() == list(range(2, len(rows) + 2))
    assert table.faults == []
    assert table.readings[0].encoding == {"euc-kr": "cp949"}.get(encoding, encoding)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("Korngröße;Härte\n1;2\n", "cp1252"),  # the middle of the first word is a Chinese character in CP949
        ("T (°C),d (µm)\n1,2\n", "cp1252"),
        ("k (W/m²·K),T\n1,2\n", "cp1252"),
        ("시편,경도\n1,2\n", "cp949"),
        ("T(℃),ρ(μΩ·㎝)\n1,2\n", "cp949"),
        ("이름,경도\n똠방,2\n", "cp949"),  # a syllable that EUC-KR lacks
        ("Größe,Ω\n1,2\n", "utf-8"),
    ],
)
def test_the_encoding_is_found(here, content, encoding):
    Path("raw.csv").write_bytes(content.encode(encoding))
    table = read("raw.csv")
    assert table.headers == content.splitlines()[0].replace(";", ",").split(",")
    assert table.readings[0].encoding == encoding


@pytest.mark.parametrize(
    ("column", "decimal"),
    [
        (["1,5", "2"], ","),
        (["1,234", "0,5"], ","),
        (["1,234", "1234,567"], ","),
        (["-3,2E-4"], ","),
        (["Al0,5CoCr", "[(Fe0,5Co0,5)75B20]96Nb4"], ","),
        (["1,234", "2.5"], "."),
        (["1,234", "1,234.5"], "."),
        (["[1,5]", "[Fe,Ni]"], "."),  # lists of two
        (["1,2,3", "soft, see note 3,7", "V2.1 of it"], "."),
        (["1,234", "3"], None),
        (["12,345,678"], None),
    ],
)
def test_the_decimal_sign_is_told_only_by_cells_that_can_have_no_other(here, column, decimal):
    Path("raw.csv").write_text(text("a\tb", *(f" {cell} \tx" for cell in column)))
    if decimal is None:
        told = rf"raw.csv, row 2, column a: the comma of '{column[0]}'.*set {re.escape(KEY)}.decimal to ',' or '.'"
        with pytest.raises(UserError, match=told):
            read("raw.csv").with_decimal(["a", "b"], KEY)
    else:
        assert read("raw.csv").with_decimal(["a", "b"], KEY).readings[0].decimal == decimal
    assert read("raw.csv").with_decimal(["b", "c"], KEY).readings[0].decimal == "."
    for forced in (".", ","):
        assert read("raw.csv", decimal=forced).with_decimal(["a"], KEY).readings[0].decimal == forced


def test_the_decimal_sign_is_one_for_all_texts_of_a_location_and_leaves_other_formats_alone(here):
    Path("raw").mkdir()
    Path("raw/a.csv").write_text('HV,reference\n"1,234","Smith, p. 3.7"\n')
    Path("raw/b.csv").write_text('HV,reference\n"0,5",-\n"[1,5]",-\n')
    Path("raw/c.json").write_text('{"HV": 2.5}')
    table = read("raw").with_decimal(["HV"], KEY)
    assert [reading.decimal for reading in table.readings] == [",", ",", "."]
    assert table.pointed(table.column("HV", KEY)).tolist() == ["1.234", "0.5", "[1,5]", "2.5"]
    Path("raw/d.csv").write_text("HV,reference\n2.5,-\n")
    with pytest.raises(
        UserError, match=rf"raw: some numbers have a decimal point, and some .* set {re.escape(KEY)}.decimal"
    ):
        read("raw").with_decimal(["HV"], KEY)
    Path("raw/b.csv").unlink()
    assert {reading.decimal for reading in read("raw").with_decimal(["HV"], KEY).readings} == {"."}


@pytest.mark.parametrize("column", [["1,5", "Al0.5Co"], ["1,5", "1,234.5"], ["Al0,5Co", "2.5"]])
def test_two_decimal_signs_are_not_read_as_one(here, column):
    Path("raw.csv").write_text(text("a\tb", *(f"{cell}\tx" for cell in column)))
    with pytest.raises(UserError, match="some numbers have a decimal point, and some a decimal comma"):
        read("raw.csv").with_decimal(["a"], KEY)


def test_rows_that_do_not_fit_their_header_are_faults_and_keep_their_number(here):
    Path("raw.csv").write_text('a,b,c\n1,2,3,,\n\n1,2\n1,2,3,4\n1,"2\n3,4\n5,6"\n7,8')
    table = read("raw.csv")
    assert cells(table) == [
        ["1", "2", "3"],
        ["", "", ""],
        ["1", "2", ""],
        ["1", "2", "3"],
        ["1", "2\n3,4\n5,6", ""],
        ["7", "8", ""],
    ]
    assert [(table.where(f.index), f.value, f.rule, f.reason.split(" with")[0]) for f in table.faults] == [
        ("raw.csv, row 5", "4", "cells", "more cells than the header, which has 3"),
        ("raw.csv, row 6", "2\\n3,4\\n5,6", "cells", "the row ends early, in a quoted cell,"),
        ("raw.csv, row 7", "8", "cells", "the row ends early,"),
    ]
    assert f"{KEY}.separator" in table.faults[0].mend


def test_rows_above_the_header_and_the_separator_line_of_spreadsheets_are_skipped(here):
    Path("raw.csv").write_text('Made by us, "2024\n\na||b\n1||2\n')
    table = read("raw.csv", header=3, separator="||")
    assert (cells(table), table.row.tolist(), table.readings[0].skipped) == ([["1", "2"]], [4], 2)
    Path("raw.csv").write_text("sep=|\na|b\n1|2\n")
    table = read("raw.csv")
    assert (cells(table), table.row.tolist(), table.readings[0].separator) == ([["1", "2"]], [3], "|")


def test_a_table_that_breaks_off_is_no_note_beside_the_tables(here, monkeypatch):
    monkeypatch.setattr(limits, "BLOCK_ROWS", 7)
    Path("raw").mkdir()
    Path("raw/a.csv").write_text("a,b\n1,2\n")
    Path("raw/b.txt").write_text(text("a,b", *["1,2"] * 1000, "x" * limits.LINE))
    with pytest.raises(UserError, match=r"raw/b.txt: this is no table: a line has more"):
        read("raw")


def test_a_table_longer_than_a_block_keeps_its_order_and_its_numbers(here, monkeypatch):
    monkeypatch.setattr(limits, "BLOCK_ROWS", 7)
    for count in (6, 7, 8, 14, 50):
        Path("raw.csv").write_text(text("a,b", *(f"{n},{n}.5" for n in range(count))))
        table = read("raw.csv")
        assert table.column("a", KEY).tolist() == [str(n) for n in range(count)]
        assert table.row.tolist() == list(range(2, count + 2))
        Path("raw.csv").write_text(text("a,b", *(f"{n},{n}.5" for n in range(count - 1))) + 'x,"')
        with pytest.raises(UserError, match=f"row {count + 1}: a quotation mark opens here"):
            read("raw.csv")


def workbook(sheets, name="raw.xlsx"):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(name)
    return name


def test_a_sheet_is_read_as_its_values(here):
    day = pd.Timestamp("2024-05-06").to_pydatetime()
    rows = [["Made by us"], ["경도", "alloy", "when", "fine"], [0.1, "Fe", day, True], [], [3, None, None, None]]
    path = workbook({"빈 것": [], "표": rows})
    table = read(path, header=2)
    assert cells(table) == [
        ["0.1", "Fe", "2024-05-06T00:00:00", "true"],
        ["", "", "", ""],
        ["3", "", "", ""],
    ]
    assert table.row.tolist() == [3, 4, 5]
    assert (table.readings[0].format, table.readings[0].sheet, table.readings[0].skipped) == ("sheet", "표", 1)
    workbook({"one": [["a", "b"], [1, 2]], "two": [["a", "b"], [3, 4]]}, "two.xlsx")
    with pytest.raises(UserError, match=r"has 2 sheets. Mend: set .*\.sheet to one of one, two"):
        read("two.xlsx")
    with pytest.raises(UserError, match="no sheet 'three'"):
        read("two.xlsx", sheet="three")
    assert cells(read("two.xlsx", sheet="two")) == [["3", "4"]]
    Path("renamed.zip").write_bytes(zipped({"a/b.xlsx": Path("two.xlsx").read_bytes()}))
    assert cells(read("renamed.zip", sheet="one")) == [["1", "2"]]


def test_a_formula_that_was_never_computed_is_a_fault_and_not_an_empty_cell(here):
    path = workbook({"one": [["Al", "HV"], [1, 2], ["=A2*2", "=A3"], [3, 4, "=1"], [], [None, "=B2"]]})
    table = read(path)
    assert cells(table) == [["1", "2"], ["=A2*2", "=A3"], ["3", "4"], ["", ""], ["", "=B2"]]
    reason = "the formula of this cell was never computed"
    assert [(table.where(f.index), f.column, f.value, f.reason) for f in table.faults] == [
        ("raw.xlsx, row 4", "", "=1", "more cells than the header, which has 2"),
        ("raw.xlsx, row 3", "Al", "=A2*2", reason),
        ("raw.xlsx, row 6", "HV", "=B2", reason),
    ]


@pytest.mark.parametrize(
    ("cell", "value", "is_fault"),
    [
        ("<c><f>A1</f><v>7</v></c>", "7", False),
        ('<c t="str"><f>A1</f><v></v></c>', "", False),  # computed, and an empty text
        ('<c t="str"><f>A1</f></c>', "=A1", True),
        ('<c><f t="shared" si="0"/></c>', "=", True),
        ("<c><f>A1</f><v/></c>", "=A1", True),
        ("<c/>", "", False),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_what_a_formula_has_come_to_is_seen_in_the_sheet_itself(here, cell, value, is_fault, encoding):
    whole = zipfile.ZipFile(workbook({"one": [["a", "b"], [1, 2]]}))
    members = {name: whole.read(name) for name in whole.namelist()}
    name = "xl/worksheets/sheet1.xml"
    head, _, rest = members[name].decode().partition('<c r="A2"')
    sheet = head + cell + rest[rest.index("</c>") + 4 :]
    members[name] = f'<?xml version="1.0" encoding="{encoding}"?>{sheet[sheet.index("<worksheet") :]}'.encode(encoding)
    Path("raw.xlsx").write_bytes(zipped(members))
    table = read("raw.xlsx")
    assert cells(table) == [[value, "2"]]
    assert [(f.index, f.column, f.value) for f in table.faults] == ([(0, "a", value)] if is_fault else [])


def test_parquet_is_read_as_text_that_says_the_same_numbers(here):
    columns = {
        "x": [0.1, float("nan"), 1e-7],
        "n": pd.array([1, None, 3], "Int64"),
        "list": [[60.5, 10.0], [], None],
        "nested": [{"Ratio": 1}, {"Ratio": 2}, {"Ratio": 3}],
        "fine": [True, False, None],
    }
    pd.DataFrame(columns).to_parquet("raw.parquet")
    table = read("raw.parquet")
    assert [float(x) for x in table.column("x", KEY) if x] == [0.1, 1e-7]
    assert table.column("x", KEY)[1] == ""
    assert table.column("n", KEY).tolist() == ["1", "", "3"]
    assert table.column("list", KEY).tolist() == ["[60.5, 10.0]", "[]", ""]
    assert table.column("nested.Ratio", KEY).tolist() == ["1", "2", "3"]
    assert table.column("fine", KEY).tolist() == ["true", "false", ""]
    assert table.row.tolist() == [1, 2, 3]


def sample(number):
    values = '{"Info": {"Ratio (%)": [10, 71.20], "id": "Ex-0"}, "XRD": {"Amorphous": false}, "H": 1.50, "none": null}'
    return values.replace("Ex-0", f"Ex-{number}")


@pytest.mark.parametrize(
    "content",
    [
        f"[{sample(1)}, {sample(2)}]",
        f"{sample(1)}\n\n{sample(2)}\n",
        f'{{"samples": [{sample(1)},\n{sample(2)}]}}',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_objects_become_rows_with_their_numbers_as_written(here, content, encoding):
    Path("raw.json").write_bytes(content.encode(encoding))
    table = read("raw.json")
    assert table.headers == ["Info.Ratio (%)", "Info.id", "XRD.Amorphous", "H", "none"]
    assert cells(table) == [["[10, 71.20]", f"Ex-{n}", "false", "1.50", ""] for n in (1, 2)]
    assert table.row.tolist() == [1, 2]


def test_many_small_json_files_become_one_table_and_a_key_may_be_missing(here):
    files = {f"TL/{n:03}.json": json.dumps({"id": n, **({"경도": n / 2} if n % 2 else {})}) for n in range(300)}
    Path("raw.zip").write_bytes(zipped(files))
    table = read("raw.zip", member="*.json")
    assert table.column("id", KEY).tolist() == [str(n) for n in range(300)]
    assert table.column("경도", KEY).tolist() == [str(n / 2) if n % 2 else "" for n in range(300)]
    assert table.where(299) == "raw.zip: TL/299.json, row 1"
    assert len(table.readings) == len(table.origins) == 300


def test_a_key_that_is_said_twice_is_a_fault_and_not_the_last_value_in_silence(here):
    Path("raw.json").write_text('[{"a": 1}, {"a": 1, "b": {"c": 1, "c": 2}}, {"b": {"c": 1}, "b.c": 2}, {"d": NaN}]')
    table = read("raw.json")
    assert [(f.index, f.column, f.rule) for f in table.faults] == [(1, "b.c", "keys"), (2, "b.c", "keys")]
    assert table.column("d", KEY)[3] == "NaN"


def test_a_folder_is_read_whole_and_what_is_no_table_is_told(here):
    Path("raw/sub").mkdir(parents=True)
    Path("raw/b.csv").write_text("Al,HV\n1,2\n")
    Path("raw/sub/a.csv").write_bytes("HV;ρ (µΩ);Al\n1,5;7;3\n".encode("utf-16"))
    Path("raw/c.zip").write_bytes(
        zipped({"x.csv": "HV,Al,HV\n5,6,7\n", "photo.jpg": b"\xff\xd8", "__MACOSX/._x.csv": "-"})
    )
    Path("raw/notes.txt").write_text("We measured this on a Monday.\n")
    Path("raw/photo.jpg").write_bytes(b"\xff\xd8")
    Path("raw/.hidden.csv").write_text("a,b\n1,2\n")
    table = read("raw", member="*.csv")
    assert [str(origin) for origin in table.origins] == ["raw/b.csv", "raw/c.zip: x.csv", "raw/sub/a.csv"]
    assert table.headers == ["Al", "HV", "HV", "ρ (µΩ)"]
    assert table.column("Al", KEY).tolist() == ["1", "6", "3"]
    assert {str(origin) for origin, _ in read("raw").ignored} == {
        "raw/notes.txt",
        "raw/photo.jpg",
        "raw/c.zip: photo.jpg",
    }
    with pytest.raises(UserError, match=r"raw/c.zip: x.csv: 2 columns are named 'HV'"):
        table.column("HV", KEY)
    with pytest.raises(UserError, match=r"raw/b.csv: there is no column 'ρ .μΩ.', which other files of raw have"):
        table.column("ρ (μΩ)", KEY)
    assert table.has("ρ (μΩ)")  # the Greek letter for the micro sign
    assert not table.has("ρ")


def test_headers_that_look_alike_are_one_column_across_files(here):
    Path("raw").mkdir()
    Path("raw/a.csv").write_text("Al,ρ (µΩ)\n1,2\n")
    Path("raw/b.csv").write_text("ρ (μΩ),Al\n3,4\n")
    assert read("raw").column("ρ (μΩ)", KEY).tolist() == ["2", "3"]


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_names_are_found_in_either_normal_form(here, stored, asked):
    folder = unicodedata.normalize(stored, "원천데이터")
    Path(folder).mkdir()
    file = f"{folder}/{unicodedata.normalize(stored, '[원천]경도.csv')}"
    Path(file).write_text("a,b\n1,2\n")
    for path in ("원천데이터/[원천]경도.csv", "원천데이터/*경도.csv", "원천데이터", "**/*경도*"):
        assert places.files(unicodedata.normalize(asked, path)) == [file]
    Path("raw.zip").write_bytes(
        zipped({unicodedata.normalize(stored, "경도.csv"): "a,b\n1,2\n", "다른.csv": "c,d\n1,2\n"})
    )
    assert read("raw.zip", member=unicodedata.normalize(asked, "경도*")).headers == ["a", "b"]


def test_member_names_of_old_korean_archives_are_readable(here):
    whole = zipped({"XXXX.csv": "a,b\n1,2\n"}).replace(b"XXXX", "경도".encode("cp949"))
    Path("raw.zip").write_bytes(whole)
    assert str(read("raw.zip", member="경도.csv").origins[0]) == "raw.zip: 경도.csv"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_of_one_name_are_told_apart_and_one_named_as_a_folder_is_told(here):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, number in (("b.csv", 1), ("b.csv (2)", 2), ("b.csv", 3), ("b.csv", 4), ("c.csv/", 5), ("d/", 0)):
            archive.writestr(name, f"a,b\n{number},0\n" if number else "")
    Path("raw.zip").write_bytes(zipped({"in.zip": buffer.getvalue()}))
    table = read("raw.zip", member="b.csv")
    assert [str(origin) for origin in table.origins] == [
        "raw.zip: in.zip/b.csv",
        "raw.zip: in.zip/b.csv (3)",
        "raw.zip: in.zip/b.csv (4)",
    ]
    assert table.column("a", KEY).tolist() == ["1", "3", "4"]
    assert read("raw.zip", member="b.csv (4)").column("a", KEY).tolist() == ["4"]
    assert ("raw.zip: in.zip/c.csv/", "its name is that of a folder") in [(str(o), why) for o, why in table.ignored]


def test_all_parts_of_an_archive_are_read_in_the_order_of_their_numbers(here):
    whole = zipped({"a.csv": text("a,b", *(f"{n},{n * n % 97}" for n in range(500)))})
    size = -(-len(whole) // 12)
    starts = range(0, len(whole), size)
    for names in ([f"X.zip.part{begin}" for begin in starts], [f"X.zip.part{n + 1}" for n in range(len(starts))]):
        for name, begin in zip(names, starts, strict=True):
            Path(name).write_bytes(whole[begin : begin + size])
        for path in ("X.zip", "X.zip.part*", names[3], "."):
            assert [Path(file).name for file in places.files(path)] == names
            assert len(read(path)) == 500
        inner = {f"sub/{name}": Path(name).read_bytes() for name in reversed(names)}
        Path("whole.zip").write_bytes(zipped(inner, zipfile.ZIP_STORED))
        assert read("whole.zip").where(0) == "whole.zip: sub/X.zip/a.csv, row 2"
        for name in names:
            content = Path(name).read_bytes()
            Path(name).unlink()
            with pytest.raises(UserError, match=r"X\.zip\.part"):
                read("X.zip" if name != names[-1] else "X.zip.part*")
            Path(name).write_bytes(content)
        Path("whole.zip").unlink()
        for name in names:
            Path(name).unlink()


def test_the_places_are_listed_without_the_libraries_that_read_them(here):
    Path("a.csv").write_text("a,b\n1,2\n")
    code = (
        "import sys; from alloymtl.data.raw import places; print(places.files('*.csv'));"
        "print(any(name.split('.')[0] in ('pandas', 'pyarrow', 'numpy') for name in sys.modules))"
    )
    path = {"PYTHONPATH": str(Path(__file__).parents[1] / "workflow")}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | path
    )
    assert run.stdout.split("\n")[:2] == ["['a.csv']", "False"]
    assert places.files("nothing.csv") == places.files("none/*.csv") == []


def encrypted():
    whole = bytearray(zipped({"a.csv": "a,b\n1,2\n"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        whole[whole.index(signature) + offset] |= 1
    return bytes(whole)


def matryoshka(depth):
    whole = zipped({"a.csv": "a,b\n1,2\n"})
    for _ in range(depth - 1):
        whole = zipped({"in.zip": whole})
    return whole


@pytest.mark.parametrize(
    ("name", "content", "changes", "message"),
    [
        ("a.csv", b"", {}, "a.csv: the file is empty"),
        ("a.csv", b" \n\n", {}, "a.csv: the file is empty"),
        ("a.csv", b"a,b\n", {}, "empty but for its header"),
        ("a.csv", b"alloy\nFe\n", {}, "'alloy' has only one column.*separator"),
        ("a.csv", b"a;b\n1;2\n", {"separator": ","}, "'a;b' has only one column.*separator to ';'"),
        ("a.csv", b"a,b\n1,2\n", {"separator": '"'}, "separator: '\"' cannot separate cells"),
        ("a.csv", b"a,b\n1,2\n", {"header": 9}, "ends before row 9"),
        ("a.csv", b"\na,b\n1,2\n", {"separator": ","}, "row 1 should hold the names"),
        ("a.csv", b"a,b\n\xff\xd8\x00\x00", {}, "NUL"),
        ("a.csv", b"a,b\n" + b"x" * (1 << 18), {}, "field larger than field limit"),
        ("a.csv", b"a,b\n" + b"x," * (1 << 20), {}, "more than 1,048,576 characters"),
        ("a.csv", "a,경도\n1,2\n".encode("cp949"), {"encoding": "utf-8"}, "line 1: .*'utf-8'.*encoding to 'cp949'"),
        ("a.csv", "a,b\n경도,2\n비정질,3\n".encode()[:-4] + b"\n", {}, "line 3: the file cannot be read as 'utf-8'"),
        ("a.csv", b"a,b\n1,2\n", {"encoding": "klingon"}, "cannot be read as 'klingon'.*encoding to 'utf-8'"),
        ("a.json", b"[1, 2]", {}, "should hold objects, and holds '1'"),
        ("a.json", b'{"a": 1,}', {}, "this is no JSON .* at line 1"),
        ("a.json", b"[]", {}, "holds no objects"),
        ("a.json", b'{"a":' * 50_000, {}, "nested too deeply"),
        ("a.xlsx", b"PK\x03\x04 and nothing more", {}, "cannot be read as an XLSX workbook"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", {}, "XLS workbook"),
        ("a.parquet", b"PAR1PAR1", {}, "cannot be read as a Parquet file"),
        ("a.zip", b"<html>404</html>", {}, "cannot be read as a zip archive"),
        ("a.zip", zipped({"a.csv": "a,b\n1,2\n" * 99})[:-40], {}, "cannot be read as a zip archive"),
        ("a.zip", encrypted(), {}, "a.zip: a.csv: it is encrypted"),
        ("a.zip", zipped({"a.csv": "a,b\n1,2\n"}, 0).replace(b"1,2", b"1,3"), {}, "a.csv: .*Bad CRC"),
        ("a.zip", zipped({"a.csv": "a,b\n1,2\n"}), {"member": "b*"}, "fits, 'b[*]'; there are a.csv"),
        ("a.zip", zipped({"a.jpg": "x", "b\n.pdf": "x"}), {}, r"is a table; there are a.jpg, b\\n.pdf"),
        ("a.zip", matryoshka(5), {}, "more than 4 deep"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_file_that_cannot_be_read_is_one_clear_line(here, name, content, changes, message):
    Path(name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read(name, **changes)
    assert caught.value.mend
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_where_to_get_it(here):
    with pytest.raises(
        UserError, match=r"a.csv: this raw file does not exist. Mend: get it from https://x.org, or set"
    ):
        read("a.csv", url="https://x.org")
    Path("raw").mkdir()
    with pytest.raises(UserError, match="raw: the folder holds no file that can be read"):
        read("raw")


def test_bombs_are_refused_in_little_memory(here, monkeypatch):
    Path("line.zip").write_bytes(zipped({"a.csv": b"a" * (64 << 20)}))
    tracemalloc.start()
    with pytest.raises(UserError, match="more than 1,048,576 characters"):
        read("line.zip")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20

    monkeypatch.setattr(limits, "EXPANDED", 10_000)
    monkeypatch.setattr(limits, "MEMBERS", 20)
    Path("large.zip").write_bytes(zipped({f"{n}.csv": "a,b\n" + "1,2\n" * 1500 for n in range(2)}))
    with pytest.raises(UserError, match="expand to more than"):
        read("large.zip")
    assert len(read("large.zip", member="0.csv")) == 1500
    Path("many.zip").write_bytes(zipped({f"{n}.csv": "a,b\n1,2\n" for n in range(21)}))
    with pytest.raises(UserError, match="more than 20 files"):
        read("many.zip")
    monkeypatch.setattr(limits, "ROWS", 100)
    with pytest.raises(UserError, match="more than 100 rows"):
        read("large.zip", member="1.csv")


def test_member_names_that_lead_out_of_the_archive_are_only_names(here):
    Path("in").mkdir()
    Path("in/raw.zip").write_bytes(zipped({"../evil.csv": "a,b\n1,2\n", "/root.csv": "a,b\n3,4\n"}))
    table = read("in/raw.zip")
    assert [origin.member for origin in table.origins] == ["../evil.csv", "/root.csv"]
    assert sorted(str(path) for path in Path().rglob("*")) == ["in", "in/raw.zip"]


def originals():
    objects = f"[{sample(1)}, {sample(2)}]"
    rows = text("시편,경도 (GPa),Al", *(f'"시편, {n}",{n}.5,80' for n in range(9)))
    frame = pd.DataFrame({"alloy": ["Fe", "Ni"], "HV": [1.5, 2.5]})
    parquet, sheet = io.BytesIO(), io.BytesIO()
    frame.to_parquet(parquet)
    frame.to_excel(sheet, index=False)
    return {
        "a.csv": rows.encode("cp949"),
        "b.csv": rows.encode("utf-16"),
        "c.json": objects.encode(),
        "d.parquet": parquet.getvalue(),
        "e.xlsx": sheet.getvalue(),
        "f.zip": zipped({"in.zip": zipped({"a.csv": rows.encode(), "b.json": objects})}),
    }


@pytest.fixture(scope="module")
def whole():
    return originals()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_read_or_refused_in_one_line(here, whole, data):
    name = data.draw(st.sampled_from(sorted(whole)))
    content = bytearray(whole[name])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content)))
        cut = data.draw(st.sampled_from([0, 1, 7, len(content)]))
        content[at : at + cut] = data.draw(
            st.sampled_from([b"", b'"', b"\0", b"\xff", b"\n", b"NaN", b"{[", b"PK\3\4"])
        )
    Path(name).write_bytes(content)
    table, said = None, name
    try:
        table = read(name)
    except UserError as error:
        said = str(error)
    assert said.startswith(name)
    assert "\n" not in said
    if table is not None:
        assert all(len(column) == len(table) and column.null_count == 0 for column in table.columns)
        assert sum(reading.rows for reading in table.readings) == len(table)
    assert {path.name for path in here.iterdir()} <= set(whole)


def test_the_public_tables_hold_the_rows_that_their_papers_say():
    if not PUBLIC.is_dir():
        pytest.skip(f"the public data sets are not there ({PUBLIC})")
    found = {
        "mpea/MPEA_dataset.csv": 1545,
        "xiong/GFA.csv": 6470,
        "xiong/Hardness.csv": 290,
        "xiong/Formed_Phases.csv": 558,
        "cu_alloys": 1831,
        "ml_r_mg/*.json": 1,
    }
    for path, rows in found.items():
        assert len(read(str(PUBLIC / path))) == rows
    for sheet, rows in (("allset_HTEonly", 302), ("allset_Literature", 406)):
        table = read(str(PUBLIC / "ml_r_mg/ML-R-MG.xlsx"), sheet=sheet)
        assert len(table) == rows
        assert table.has("rho")
