"""From raw files to the union data set: each mistake has one clear line, and every row is accounted for."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alloymtl import files
from alloymtl.cli import main
from alloymtl.data.check import check
from alloymtl.data.ingest import ingest
from alloymtl.errors import UserError
from alloymtl.task import Source, Task

DATA = {
    "elements": ["Al", "Fe", "Co"],
    "composition_tolerance": 0.01,
    "decimals": 2,
    "invalid_rows": "stop",
    "other_elements": "stop",
    "traces": 0,
    "missing": ["-", "n/a"],
    "repeats": "mean",
}
ALLOYS = [f"L{n},{10 + n},{90 - n},0,{n + 1}" for n in range(12)]  # twelve different ones, labels 1 to 12


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(rows, name="raw.csv", header="lot,Al,Fe,Co,HV", encoding="utf-8"):
        Path(name).write_bytes("\n".join([header, *rows, ""]).encode(encoding))
        return name

    return write


def composition(basis="at.%", formula=None, columns=None, lists=None, table=None):
    return {"basis": basis, "formula": formula, "columns": columns, "lists": lists, "table": table}


def hardness(path="raw.csv", **changes):
    source = {"path": path, "label": "HV", "unit": "GPa", "id": "lot", "composition": composition(), **changes}
    return Task(name="hardness", kind="regression", unit="GPa", minimum=0, sources=(Source(**source),))


def glass(path="raw.csv", **changes):
    source = {"path": path, "label": "class", "classes": {"O": 1, "X": 0}, "composition": composition(), **changes}
    return Task(name="glass", kind="classification", sources=(Source(**source),))


def rejected(task, **data):
    _, rejects, report = ingest({**DATA, **data}, [task])
    (source,) = report["sources"]
    assert source["rejected"] == len(rejects) == source["rows"] - source["accepted"] - source["merged"]
    return [tuple(line) for line in rejects[["row", "column", "value", "reason"]].itertuples(index=False)]


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ("M,20,30,40,5", ("sum of the element columns", "90", "amounts do not sum to 100 (within 1)")),
        ("M,-1,51,50,5", ("Al", "-1", "negative amount")),
        ("M,twenty,80,0,5", ("Al", "twenty", "amount is not a number")),
        ("M,inf,80,0,5", ("Al", "inf", "amount is not a number")),
        ("M,,,,5", ("sum of the element columns", "0", "empty composition")),
        ("M,20,80,0,-3", ("HV", "-3", "label below 0 GPa")),
        ("M,20,80,0,hard", ("HV", "hard", "label is not a number")),
        ("M,20,80,0,inf", ("HV", "inf", "label is not a number")),
        ("M,20,80,0,1e999", ("HV", "1e999", "label is not finite in GPa")),
        ("M,1e308,1e308,0,1", ("sum of the element columns", "inf", "amounts are too large to be added")),
        ("L3,20,80,0,5", ("lot", "L3", "duplicate id")),
        ("M,20,30,40,hard", ("sum of the element columns", "90", "amounts do not sum to 100 (within 1)")),
    ],
)
def test_an_invalid_row_is_listed_once_and_named_when_the_build_stops(write, row, line):
    write([*ALLOYS, row])
    assert rejected(hardness()) == [(14, *line)]
    report = ingest(DATA, [hardness()])[2]
    with pytest.raises(UserError) as caught:
        check(report, DATA, "results/x/data/rejects.csv")
    column, value, reason = line
    assert caught.value.where == f"raw.csv, row 14, column {column}"
    for part in (value, reason, "results/x/data/rejects.csv", "data.invalid_rows: reject", "only invalid row"):
        assert part in str(caught.value)
    check(report, {**DATA, "invalid_rows": "reject"}, "rejects.csv")


def test_a_row_without_label_is_listed_but_never_invalid_whatever_else_it_holds(write):
    write([*ALLOYS, "M,20,80,0,", "L3,1,twenty,0,  ", ",,,,", "N,20,80"])
    assert [(row, reason) for row, _, _, reason in rejected(hardness())] == [(r, "no value") for r in (14, 15, 16, 17)]
    assert ingest(DATA, [hardness()])[2]["invalid"] == 0


@pytest.mark.parametrize(("choice", "invalid"), [("stop", 1), ("reject", 0)])
def test_an_element_outside_the_study_is_listed_and_counts_as_the_config_says(write, choice, invalid):
    write([f"{row},0" for row in [*ALLOYS, "M,20,60,0,5"]] + ["N,20,60,0,5,20"], header="lot,Al,Fe,Co,HV,Cu")
    task = hardness()
    assert (15, "Cu", "20", "element outside data.elements") in rejected(task, other_elements=choice)
    report = ingest({**DATA, "other_elements": choice}, [task])[2]
    assert report["reasons"]["element outside data.elements"] == 1
    assert report["invalid"] == 1 + invalid  # and the row that sums to 80


def test_formulas_of_every_kind_are_screened(write):
    rows = ["Al20Fe80,1", "(Al1Fe1)50 Co50,2", "Al20Fe60Cu20,3", "Al20T80,4", "Al20-Fe80,5", ",6", "Al20Fe70,7"]
    write(rows, header="alloy,HV")
    task = hardness(id=None, composition=composition("at.%", formula="alloy"))
    assert rejected(task) == [
        (4, "alloy: Cu", "Al20Fe60Cu20", "element outside data.elements"),
        (5, "alloy", "Al20T80", "unknown element symbol"),
        (6, "alloy", "Al20-Fe80", "not a chemical formula"),
        (7, "alloy", "", "empty composition"),
        (8, "alloy", "Al20Fe70", "amounts do not sum to 100 (within 1)"),
    ]
    ratio = hardness(id=None, composition=composition("atomic ratio", formula="alloy"))
    assert 8 not in [row for row, *_ in rejected(ratio)]


def test_classes_are_read_by_their_text_and_conflicts_reject_all_rows_of_the_alloy(write):
    write(["50,50,0,O", "50.001,49.999,0,X", "20,80,0, O ", "20,80,0,O", "30,70,0,glass"], header="Al,Fe,Co,class")
    assert rejected(glass()) == [
        (2, "class", "O", "conflicting classes"),
        (3, "class", "X", "conflicting classes"),
        (6, "class", "glass", "unknown class"),
    ]
    alloys = ingest(DATA, [glass()])[0]
    assert alloys[["alloy", "y:glass", "n:glass"]].values.tolist() == [["Al20.00Fe80.00", 1.0, 2]]


def test_a_row_of_more_cells_than_the_header_has_is_rejected_and_shows_the_first_of_them(write):
    write([*ALLOYS, "M,20,80,0,5,6", "N,20,80,0,5,,"])
    assert rejected(hardness()) == [(14, "", "6", "more cells than the header, which has 5")]
    report = ingest(DATA, [hardness()])[2]
    with pytest.raises(UserError, match=r"^raw.csv, row 14: more cells than the header, which has 5: '6'.*separator"):
        check(report, DATA, "rejects.csv")


def test_a_class_with_one_member_stops_the_build(write):
    write([*(f"{n},{100 - n},0,O" for n in range(20)), "30,0,70,X"], header="Al,Fe,Co,class")
    report = ingest(DATA, [glass()])[2]
    assert report["classes"] == {"glass": {"0": 1, "1": 20}}
    with pytest.raises(UserError, match=r"tasks.glass: class 0 has only 1 alloy"):
        check(report, DATA, "rejects.csv")


def test_an_alloy_counts_once_however_many_of_its_measurements_are_kept(write):
    """Levels and weights by size count labels; whether there is enough to split is a matter of distinct alloys."""
    kept = {**DATA, "repeats": "keep"}
    write([*(f"{n},{100 - n},0,O" for n in range(20)), *["30,70,0,X"] * 5], header="Al,Fe,Co,class")
    write([*ALLOYS[:9], *ALLOYS[:3]], "hv.csv")
    alloys, _, report = ingest(kept, [glass(), hardness("hv.csv", id=None)])
    assert len(alloys) == 25 + 3
    assert {key: report[key] for key in ("alloys", "labels", "labelled", "classes", "overlap")} == {
        "alloys": 21,
        "labels": {"glass": 25, "hardness": 12},
        "labelled": {"glass": 21, "hardness": 9},
        "classes": {"glass": {"0": 1, "1": 20}},
        "overlap": {"glass|hardness": 9},
    }
    with pytest.raises(UserError, match=r"tasks.hardness: only 9 alloys"):
        check(report, kept, "rejects.csv")
    with pytest.raises(UserError, match=r"tasks.glass: class 0 has only 1 alloy,"):
        check(ingest(kept, [glass()])[2], kept, "rejects.csv")


def test_each_file_of_the_report_names_its_source(write):
    for folder, name, row in (("a", "x", "A,20,80,0,3"), ("a", "y", "B,30,70,0,4"), ("b", "x", "C,40,60,0,5")):
        Path(folder).mkdir(exist_ok=True)
        write([row], f"{folder}/{name}.csv")
    for n in range(30):
        Path(f"a/{n:02}.md").write_text("A note.")
    sources = tuple(Source(path=path, label="HV", unit="GPa", composition=composition()) for path in ("a//", "b/x.csv"))
    report = ingest(DATA, [Task(name="hardness", kind="regression", unit="GPa", sources=sources)])[2]
    assert [source["tables"] for source in report["sources"]] == [
        [{"of": "labels", "path": "a//", "ignored": 30}],
        [{"of": "labels", "path": "b/x.csv", "ignored": 0}],
    ]
    read = [(r["source"], r["of"], Path(r["file"])) for r in report["readings"] if r["format"] != "ignored"]
    assert read == [(0, "labels", Path("a/x.csv")), (0, "labels", Path("a/y.csv")), (1, "labels", Path("b/x.csv"))]


def test_a_task_with_few_labels_stops_the_build(write):
    write(ALLOYS[:9])
    with pytest.raises(UserError, match=r"tasks.hardness: only 9 alloys"):
        check(ingest(DATA, [hardness()])[2], DATA, "rejects.csv")


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("", {}, "raw.csv: the file is empty"),
        ("lot,Al,Fe,Co,HV\n", {}, "raw.csv: the file is empty but for its header"),
        (
            "lot,Al,Fe,Co,HV\n1,2,98,0,4\n",
            {"label": "Hv"},
            "no column 'Hv'.*did you mean 'HV'.*hardness.sources.0..label",
        ),
        ("lot,Al,Fe,HV\n1,2,98,4\n", {"composition": composition(columns={"Al": "Al", "Fe": "Fe%"})}, "columns.Fe"),
        ("lot,Al,Al,HV\n1,2,98,4\n", {}, "2 columns are named 'Al'"),
        ("lot,a,b,HV\n1,2,98,4\n", {}, "no column is named by an element"),
        ("lot;Al;Fe;HV\n1;2;98;4\n", {"separator": ","}, "only one column.*hardness.sources.0..separator to ';'"),
        ("lot,Al,HV\n1,100,4\n", {"unit": "GPaa"}, "tasks.hardness.sources.0..unit: unknown unit 'GPaa'"),
        ("lot,Al,HV\n1,100,4\n", {"unit": "uohm_cm"}, "cannot be converted to 'GPa'"),
        ("lot,Al,HV\n1,100,4\n", {"encoding": "utf8x"}, "cannot be read as 'utf8x'"),
        (
            "lot,Al,경도\n1,100,4\n".encode("cp949"),
            {"label": "경도", "encoding": "utf-8"},
            "cannot be read as 'utf-8'.*sources.0..encoding to 'cp949'",
        ),
    ],
)
def test_a_file_that_does_not_fit_the_config_is_one_clear_message(tmp_path, monkeypatch, text, changes, message):
    monkeypatch.chdir(tmp_path)
    Path("raw.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=message) as caught:
        ingest(DATA, [hardness(**changes)])
    assert caught.value.mend
    assert "\n" not in str(caught.value)


def test_a_column_is_found_by_the_look_of_its_name_in_any_encoding(write):
    write(["20,80,5"], header="Al,Fe,ρ (µΩ·cm)")  # micro sign; the config has the Greek letter
    assert ingest(DATA, [hardness(label="ρ (μΩ·cm)", id=None)])[2]["labels"] == {"hardness": 1}
    write(["20,80,5"], header="Al,Fe,경도", encoding="cp949")
    assert ingest(DATA, [hardness(label="경도", id=None, encoding="cp949")])[2]["labels"] == {"hardness": 1}


def test_a_y_beside_an_x_is_a_place_on_the_wafer_and_alone_it_is_yttrium(write):
    write(["5,-45,20,80,0,3"], header="X,Y,Al,Fe,Co,HV")
    assert rejected(hardness(id=None)) == []
    write(["5,15,80,0,3"], header="Y,Al,Fe,Co,HV")
    assert rejected(hardness(id=None)) == [(2, "Y", "5", "element outside data.elements")]


@pytest.mark.parametrize("separator", [";", "\t", "||"])
def test_rows_keep_their_number_past_blank_and_short_ones(write, separator):
    write(
        [row.replace(",", separator) for row in ["A,20,80,0,3", "", "B,20", "C,1,80,0,3"]],
        header="lot,Al,Fe,Co,HV".replace(",", separator),
    )
    found = rejected(hardness(separator=separator))
    assert [(row, reason.split(" (")[0]) for row, *_, reason in found] == [
        (3, "no value"),
        (4, "no value"),
        (5, "amounts do not sum to 100"),
    ]


def test_weights_units_and_repeats_end_in_one_label(write):
    write(["44.9,55.1,100", "44.9,55.1,300", "44.9,55.1,200"], header="w Ti,w Ni,HV")
    weights = composition("wt.%", columns={"Ti": "w Ti", "Ni": "w Ni"})
    task = hardness(id=None, unit="HV", composition=weights)
    data = {**DATA, "elements": ["Ti", "Ni"], "decimals": 0}
    alloys = ingest(data, [task])[0]
    assert alloys.loc[0, ["alloy", "system", "n:hardness"]].tolist() == ["Ti50Ni50", "Ni-Ti", 3]
    assert alloys.loc[0, ["y:hardness", "sd:hardness"]].tolist() == pytest.approx([1.96133, 0.980665])
    write(["44.9,55.1,100", "44.9,55.1,300", "44.9,55.1,110"], header="w Ti,w Ni,HV")
    assert ingest({**data, "repeats": "median"}, [task])[0].loc[0, "y:hardness"] == pytest.approx(1.0787315)


DEFECTS = {
    "good": None,
    "no value": lambda r: {**r, "HV": ""},
    "label is not a number": lambda r: {**r, "HV": "soft"},
    "label below 0 GPa": lambda r: {**r, "HV": "-1"},
    "negative amount": lambda r: {**r, "Al": "-5"},
    "amount is not a number": lambda r: {**r, "Fe": "5O"},
    "empty composition": lambda r: {**r, "Al": "", "Fe": "0", "Co": ""},
    "amounts do not sum to 100 (within 1)": lambda r: {**r, "Co": "40"},
    "element outside data.elements": lambda r: {**r, "Cu": "3"},
    "duplicate id": lambda r: {**r, "lot": "first"},
}
tables = st.lists(st.tuples(st.sampled_from(list(DEFECTS)), st.integers(0, 5), st.integers(1, 9)), max_size=30)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables)
def test_every_row_is_accounted_for_exactly_once(write, drawn):
    first = {"lot": "first", "Al": "50", "Fe": "50", "Co": "0", "Cu": "0", "HV": "1"}
    rows, expected = [first], {}
    for number, (kind, al, label) in enumerate(drawn):
        row = {"lot": str(number), "Al": str(al), "Fe": str(100 - al), "Co": "0", "Cu": "", "HV": str(label)}
        rows.append(DEFECTS[kind](row) if DEFECTS[kind] else row)
        if kind != "good":
            expected[number + 3] = kind
    write([",".join(row.values()) for row in rows], header=",".join(first))
    alloys, rejects, report = ingest(DATA, [hardness()])
    assert dict(zip(rejects["row"], rejects["reason"], strict=True)) == expected
    (source,) = report["sources"]
    good = len(rows) - len(expected)
    assert source["rows"] == len(rows)
    assert source["accepted"] == len(alloys) == report["alloys"]
    assert source["accepted"] + source["merged"] == good == alloys["n:hardness"].sum()
    assert report["invalid"] == sum(kind != "no value" for kind in expected.values())
    assert alloys[["c:Al", "c:Fe", "c:Co"]].sum(axis=1).to_numpy() == pytest.approx(1)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 9), st.floats(0, 0.004)), min_size=2), st.randoms())
def test_the_union_does_not_depend_on_the_order_of_files_and_rows(write, drawn, random):
    rows = [f"{n},{al + noise},{100 - al - noise},0,{label!r}" for n, (al, label, noise) in enumerate(drawn)]
    header = "lot,Al,Fe,Co,HV"

    def union(order, names):
        half = len(rows) // 2
        write(order[:half], names[0], header)
        write(order[half:], names[1], header)
        sources = tuple(Source(path=n, label="HV", unit="GPa", composition=composition()) for n in ("a.csv", "b.csv"))
        return ingest(DATA, [Task(name="hardness", kind="regression", unit="GPa", sources=sources)])[0]

    shuffled = random.sample(rows, len(rows))
    pd.testing.assert_frame_equal(
        union(rows, ["a.csv", "b.csv"]), union(shuffled, ["b.csv", "a.csv"]), check_exact=True
    )


def test_labels_of_different_tasks_meet_in_one_row(write):
    write(["A,50,50,0,2", "B,20,80,0,3"])
    write(["25,75,0,O", "2.0,8.0,0,X"], "glass.csv", header="Al,Fe,Co,class")
    ratio = glass("glass.csv", composition=composition("atomic ratio"))
    alloys, _, report = ingest(DATA, [hardness(), ratio])
    assert report["overlap"] == {"hardness|glass": 1}
    assert report["labels"] == {"hardness": 2, "glass": 2}
    assert alloys["alloy"].tolist() == ["Al20.00Fe80.00", "Al25.00Fe75.00", "Al50.00Fe50.00"]
    assert alloys["y:glass"].tolist() == pytest.approx([0, 1, np.nan], nan_ok=True)


def test_the_steps_run_from_the_command_line_and_say_a_mistake_in_one_line(write, capsys):
    write([*ALLOYS, "M,20,80,0,-3"])
    task = hardness().to_dict()
    out = {"alloys": "a.parquet", "rejects": "rejects.csv", "report": "ingest.json"}
    named = [f"{name}={path}" for name, path in out.items()]
    assert main(["ingest", "--spec", json.dumps({"data": DATA, "tasks": [task]}), "--out", *named]) == 0
    mend = '"correct the cell, or set tasks.hardness.minimum."'
    line = f"raw.csv,,14,hardness,HV,-3,label.minimum,label below 0 GPa,{mend}"
    assert Path("rejects.csv").read_text() == f"file,member,row,task,column,value,rule,reason,mend\n{line}\n"
    before = {path: files.sha256(path) for path in out.values()}
    main(["ingest", "--spec", json.dumps({"data": DATA, "tasks": [task]}), "--out", *named])
    assert {path: files.sha256(path) for path in out.values()} == before
    capsys.readouterr()

    spec = json.dumps({"data": DATA, "rejects": "rejects.csv"})
    assert main(["check", "--spec", spec, "--in", "report=ingest.json", "--out", "checked=checked.json"]) == 1
    assert not Path("checked.json").exists()
    spec = json.dumps({"data": {**DATA, "invalid_rows": "reject"}, "rejects": "rejects.csv"})
    assert main(["check", "--spec", spec, "--in", "report=ingest.json", "--out", "checked=checked.json"]) == 0
    assert files.read_json("checked.json")["labels"] == {"hardness": 12}
