"""Rules that a config declares: traces, missing values, lists, other tables of compositions, repeats that are kept."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alloymtl.cli import main
from alloymtl.data.account import REJECT_COLUMNS, spreadsheet_safe
from alloymtl.data.ingest import ingest
from alloymtl.data.rows.numbers import listed, numbers, readings
from alloymtl.errors import UserError
from test_ingest import DATA, composition, glass, hardness, rejected, write  # noqa: F401 (a fixture)


def alloys(task, **data):
    return ingest({**DATA, **data}, [task])[0]


def only(task, **data):
    (row,) = alloys(task, **data).to_dict("records")
    return row


# ---------------------------------------------------------------- compositions


def test_traces_of_other_elements_are_left_out_up_to_the_declared_share_and_counted(write):  # noqa: F811
    write(["A,49.7,50,0,0.3,1", "B,19,80,0,1,2", "C,40,60,0,0,3"], header="lot,Al,Fe,Co,Cu,HV")
    _, rejects, report = ingest({**DATA, "traces": 0.5}, [hardness()])
    assert rejects[["row", "column", "value", "rule"]].values.tolist() == [[3, "Cu", "1", "composition.other"]]
    assert report["sources"][0]["traces"] == 1
    found = alloys(hardness(), traces=0.5, other_elements="reject")
    assert found["alloy"].tolist() == ["Al40.00Fe60.00", "Al49.85Fe50.15"]
    assert [row for row, *_ in rejected(hardness())] == [2, 3]


def test_traces_are_counted_in_atoms_even_where_amounts_are_weights(write):  # noqa: F811
    # 1 wt.% of carbon in iron is 4.5 at.%; 1 wt.% of tungsten is 0.3 at.%.
    write(["A,99,1,0,1", "B,99,0,1,2"], header="lot,Fe,C,W,HV")
    task = hardness(composition=composition("wt.%"))
    assert [row for row, *_ in rejected(task, traces=1.0)] == [2]


@pytest.mark.parametrize(
    ("cells", "rule"),
    [
        ('"[""Cu"", ""Fe"", ""Co""]","[10, 71.2, 18.8]"', None),
        ('"Cu, Fe, Co","10, 71.2, 18.8"', None),
        ('"[""Cu"", ""Fe""]","[10, 71.2, 18.8]"', "composition.lists"),
        ('"[""Cu"", ""Qq""]","[10, 90]"', "composition.symbol"),
        ('"[""Cu"", ""Fe""]","[10, ""x""]"', "composition.number"),
        ('"[""Cu"", ""Fe""]","[-10, 110]"', "composition.negative"),
        ('"[""Cu"", ""Fe""]","[10, 9"', "composition.lists"),
        ('"[""Cu"", ""Fe""]","[10, 80]"', "composition.sum"),
        ("[],[]", "composition.empty"),
    ],
)
def test_a_composition_may_be_two_lists_of_equal_length(write, cells, rule):  # noqa: F811
    write([f"{cells},5"], header="what,amount,HV")
    lists = {"elements": "what", "amounts": "amount"}
    task = hardness(id=None, composition=composition(lists=lists))
    found, rejects, _ = ingest({**DATA, "elements": ["Cu", "Fe", "Co"]}, [task])
    assert rejects["rule"].tolist() == ([rule] if rule else [])
    assert found["alloy"].tolist() == ([] if rule else ["Cu10.00Fe71.20Co18.80"])


def test_compositions_may_lie_in_another_table_and_each_failure_to_match_is_told(write):  # noqa: F811
    write(["1,1.50,3", "1,2,4", "2,1,5", "9,9,6", "2,2,7", "3,1,8"], header="X,pos,HV")
    spots = ["1,1.5,50,50", "1,2.0,20,80", "2,1,20,80", "2,1,30,70", "2,2,10,10", "3,1,1,1", "3,1,60,40"]
    write(spots, "eds.csv", header="x,y,Al,Fe")
    table = {"path": "eds.csv", "match": {"X": "x", "pos": "y"}}
    task = hardness(id=None, composition=composition(table=table))
    found, rejects, report = ingest(DATA, [task])
    assert found[["alloy", "y:hardness"]].values.tolist() == [
        ["Al20.00Fe80.00", 4.0],
        ["Al50.00Fe50.00", 3.0],
        ["Al60.00Fe40.00", 8.0],
    ]
    assert rejects[["row", "column", "value"]].values.tolist() == [
        [4, "X, pos", "2, 1"],
        [5, "X, pos", "9, 9"],
        [6, "X, pos", "2, 2"],
    ]
    assert rejects["reason"].tolist() == [
        "rows of eds.csv that match hold different alloys",
        "no row of eds.csv matches",
        "its composition in eds.csv was rejected (amounts do not sum to 100 (within 1))",
    ]
    assert set(report["sources"][0]["sha256"]) == {"raw.csv", "eds.csv"}


def test_a_row_without_the_value_that_is_matched_by_has_no_composition(write):  # noqa: F811
    write([",3", "-,4", "7,5"], header="sample,HV")
    write([",50,50", "-,20,80", "7,30,70"], "eds.csv", header="sample,Al,Fe")
    task = hardness(id=None, composition=composition(table={"path": "eds.csv", "match": {"sample": "sample"}}))
    found, rejects, _ = ingest(DATA, [task])
    assert found["alloy"].tolist() == ["Al30.00Fe70.00"]
    assert rejects[["row", "reason"]].values.tolist() == [[n, "no value to find its composition by"] for n in (2, 3)]


@pytest.mark.parametrize(
    ("ours", "theirs", "agree"),
    [
        (["1.50", "2"], ["1.5", "2.0"], [True, True]),
        (["007", "8"], ["7", "8"], [False, True]),
        (["1E2", "A1"], ["100", "A1"], [False, True]),
    ],
)
def test_numbers_agree_by_value_and_names_by_their_text(write, ours, theirs, agree):  # noqa: F811
    write([f"{name},3" for name in ours], header="sample,HV")
    write([f"{name},{20 + n},{80 - n}" for n, name in enumerate(theirs)], "eds.csv", header="sample,Al,Fe")
    task = hardness(id=None, composition=composition(table={"path": "eds.csv", "match": {"sample": "sample"}}))
    found = rejected(task)
    assert [row - 2 for row, *_ in found] == [n for n, same in enumerate(agree) if not same]


@pytest.mark.parametrize(("basis", "rules"), [("atomic ratio", ["composition.missing"]), ("at.%", [])])
def test_an_amount_that_is_not_known_is_zero_only_where_the_sum_would_tell(write, basis, rules):  # noqa: F811
    write(["1,n/a,1,5" if basis == "atomic ratio" else "50,n/a,50,5"], header="Al,Fe,Co,HV")
    _, rejects, report = ingest(DATA, [hardness(id=None, composition=composition(basis))])
    assert rejects["rule"].tolist() == rules
    assert report["invalid"] == 0


def test_a_formula_that_means_no_value_is_an_empty_composition(write):  # noqa: F811
    write(["n/a,1", "-,2", "Al20Fe80,3"], header="alloy,HV")
    task = hardness(id=None, composition=composition("at.%", formula="alloy"))
    assert [(row, reason) for row, *_, reason in rejected(task)] == [(2, "empty composition"), (3, "empty composition")]


def test_an_element_without_a_mass_that_is_not_there_changes_nothing(write):  # noqa: F811
    write(["99.9,0.1,0,5"], header="Fe,Cr,Tc,HV")
    task = hardness(id=None, composition=composition("wt.%"))
    assert only(task, traces=1.0)["alloy"] == "Fe100.00"


def test_columns_that_are_something_else_are_no_elements_whatever_their_names(write):  # noqa: F811
    write(["1,1,200,N1", "1,3,300,N2"], header="Al,Co,V,No")
    task = hardness(label="V", id="No", composition=composition("atomic ratio"))
    assert alloys(task, elements=["Al", "Co", "V"])["alloy"].tolist() == [
        "Al25.00Co75.00",
        "Al50.00Co50.00",
    ]


@pytest.mark.parametrize("header", ["FE", "Fe (at.%)", "Fe_wt", "fe %"])
def test_a_column_that_may_be_an_element_is_not_passed_over(write, header):  # noqa: F811
    write(["50,50,3"], header=f"Al,{header},HV")
    with pytest.raises(UserError, match=r"raw.csv: the column .* may be the amounts of Fe.*composition.columns"):
        ingest(DATA, [hardness(id=None)])
    named = composition(columns={"Al": "Al", "Fe": header})
    assert only(hardness(id=None, composition=named))["alloy"] == "Al50.00Fe50.00"


def test_equal_positions_on_two_samples_are_two_places(write):  # noqa: F811
    for folder, share in (("A", 50), ("B", 20)):
        Path("data", folder).mkdir(parents=True)
        write(["1,1,3", "1,2,4"], f"data/{folder}/resistance.csv", header="X,Y,R")
        write([f"1,1,{share},{100 - share}"], f"data/{folder}/eds.csv", header="X,Y,Al,Fe")
    table = {"path": "data", "member": "*eds.csv", "match": {"X": "X", "Y": "Y"}}
    task = hardness("data", member="*resistance.csv", label="R", id=None, composition=composition(table=table))
    found, rejects, _ = ingest(DATA, [task])
    assert found["alloy"].tolist() == ["Al20.00Fe80.00", "Al50.00Fe50.00"]
    assert rejects[["row", "rule"]].values.tolist() == [[3, "composition.match"]] * 2
    Path("data/B/eds.csv").unlink()
    assert ingest(DATA, [task])[0]["alloy"].tolist() == ["Al50.00Fe50.00"]


# ---------------------------------------------------------------- labels


def test_another_unit_in_the_header_is_said_unless_the_config_has_one(write, caplog):  # noqa: F811
    write(["50,50,300"], header="Al,Fe,Hardness (HV)")
    task = hardness(id=None, label="Hardness (HV)", unit=None)
    with pytest.raises(UserError, match=r"hardness.sources.0..unit: .* names the unit HV, and the study's is GPa"):
        ingest(DATA, [task])
    assert only(hardness(id=None, label="Hardness (HV)", unit="HV"))["y:hardness"] == pytest.approx(2.942, abs=1e-3)
    assert "names the unit" not in caplog.text
    assert only(hardness(id=None, label="Hardness (HV)", unit="GPa"))["y:hardness"] == 300
    assert "names the unit HV and is read as GPa" in caplog.text


def test_a_file_does_not_count_twice_under_two_names(write):  # noqa: F811
    Path("data").mkdir()
    for name in ("a.csv", "a - copy.csv"):
        write(["50,50,3"], f"data/{name}", header="Al,Fe,HV")
    with pytest.raises(UserError, match=r"holds the same rows as .*, and they would count twice"):
        ingest(DATA, [hardness("data", id=None)])
    task = hardness("data/a.csv", id=None)
    with pytest.raises(UserError, match="they would count twice"):
        ingest(DATA, [task.from_dict({**task.to_dict(), "sources": [s.__dict__ for s in task.sources] * 2})])
    assert len(ingest(DATA, [task, task.from_dict({**task.to_dict(), "name": "other"})])[0]) == 1


def test_another_spelling_of_a_class_is_not_swallowed_by_the_star(write):  # noqa: F811
    write(["50,50,0,glass", "20,80,0,Glass", "30,70,0,bcc"], header="Al,Fe,Co,class")
    _, rejects, _ = ingest(DATA, [glass(classes={"glass": 1, "*": 0})])
    assert rejects[["value", "rule"]].values.tolist() == [["Glass", "label.class"]]


def test_the_sheet_of_a_rejected_row_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"Al": [50], "Fe": [50], "HV": ["soft"]}).to_excel("b.xlsx", sheet_name="hard ones", index=False)
    _, rejects, _ = ingest(DATA, [hardness("b.xlsx", id=None)])
    assert rejects[["file", "member", "row"]].values.tolist() == [["b.xlsx", "[hard ones]", 2]]


def test_a_list_of_readings_counts_by_its_mean_and_its_spread_is_kept(write):  # noqa: F811
    write(['"[60, 10, 20]",50,50', "30,50,50", '"[]",20,80', '"[1, x]",20,80'], header="HV,Al,Fe")
    found, rejects, _ = ingest(DATA, [hardness(id=None, unit="HV")])
    (row,) = found.to_dict("records")
    in_gpa = 0.00980665
    assert row["y:hardness"] == pytest.approx(30 * in_gpa)
    assert row["n:hardness"] == 4
    assert row["sd:hardness"] == pytest.approx(np.std([60, 10, 20, 30], ddof=1) * in_gpa)
    assert rejects["rule"].tolist() == ["label.missing", "label.number"]


def test_each_reading_of_a_list_is_converted_as_a_row_of_its_own_would_be(write):  # noqa: F811
    values = np.array([40.0, 51.0, 29.5])
    write([f'"{values.tolist()}",50,50'], header="iacs,Al,Fe")
    task = hardness(id=None, label="iacs", unit="%IACS")
    row = only(task.from_dict({**task.to_dict(), "unit": "uohm_cm"}))
    assert row["y:hardness"] == pytest.approx((172.41 / values).mean(), rel=1e-12)
    assert row["sd:hardness"] == pytest.approx(np.std(172.41 / values, ddof=1), rel=1e-12)


def test_a_star_stands_for_every_class_that_is_not_named(write):  # noqa: F811
    write(["50,50,0,AM", "20,80,0,BCC", "30,70,0,B2+σ", "40,60,0,"], header="Al,Fe,Co,class")
    found = alloys(glass(classes={"AM": 1, "*": 0}))
    assert dict(zip(found["alloy"], found["y:glass"], strict=True)) == {
        "Al20.00Fe80.00": 0.0,
        "Al30.00Fe70.00": 0.0,
        "Al50.00Fe50.00": 1.0,
    }


def test_kept_repeats_are_rows_of_their_own_under_the_name_of_their_alloy(write):  # noqa: F811
    write(["50,50,0,3", "50.001,49.999,0,1", "20,80,0,7"], header="Al,Fe,Co,HV")
    write(["50,50,0,O"], "glass.csv", header="Al,Fe,Co,class")
    tasks = [hardness(id=None), glass("glass.csv")]
    found, _, report = ingest({**DATA, "repeats": "keep"}, tasks)
    assert found[["alloy", "y:hardness", "y:glass"]].fillna(-1).values.tolist() == [
        ["Al20.00Fe80.00", 7.0, -1.0],
        ["Al50.00Fe50.00", 1.0, 1.0],
        ["Al50.00Fe50.00#2", 3.0, -1.0],
    ]
    assert report["alloys"] == 2
    assert report["labels"] == {"hardness": 3, "glass": 1}
    assert [source["merged"] for source in report["sources"]] == [0, 0]


def test_each_reading_of_a_list_keeps_the_bounds(write):  # noqa: F811
    write(['"[-50, 150]",50,50', '"[1, 1e999]",20,80', '"[5, 7]",30,70'], header="HV,Al,Fe")
    found, rejects, _ = ingest(DATA, [hardness(id=None)])
    assert rejects["rule"].tolist() == ["label.minimum", "label.finite"]
    assert found["y:hardness"].tolist() == [6.0]


def test_a_class_may_be_named_like_a_missing_value(write):  # noqa: F811
    write(["50,50,0,-", "20,80,0,AM", "30,70,0,n/a"], header="Al,Fe,Co,class")
    _, rejects, report = ingest(DATA, [glass(classes={"AM": 1, "-": 0})])
    assert rejects[["value", "rule"]].values.tolist() == [["n/a", "label.missing"]]
    assert report["classes"] == {"glass": {"0": 1, "1": 1}}


@pytest.mark.parametrize(("first", "kept"), [("L,10,10,0,5", 3.0), ("L,50,50,0,soft", 3.0), ("L,50,50,0,4", 4.0)])
def test_a_good_row_is_not_lost_to_a_bad_one_of_its_name(write, first, kept):  # noqa: F811
    write([first, "L,20,80,0,3"], header="lot,Al,Fe,Co,HV")
    found, rejects, _ = ingest(DATA, [hardness()])
    assert found["y:hardness"].tolist() == [kept]
    assert (rejects["rule"] == "id.duplicate").sum() == (kept == 4.0)


# ---------------------------------------------------------------- numbers


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_as_the_nearest_float(value):
    for text in (repr(value), f"{value:.17e}", f"+{abs(value)!r}", repr(value).replace("-", "\N{MINUS SIGN}", 1)):
        expected = float(text.replace("\N{MINUS SIGN}", "-"))
        assert numbers(pd.Series([text], dtype=str)).tolist() == [expected]


@pytest.mark.parametrize(
    "text", ["", "nan", "inf", "-inf", "0x10", "1_000", "1e", "--3", "1,5", "5±1", "<3", "1 2", "e5"]
)
def test_a_word_is_no_number(text):
    assert np.isnan(numbers(pd.Series([text], dtype=str))).all()


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.text(max_size=12), max_size=8))
def test_any_cells_are_numbers_or_none(cells):
    text = pd.Series(cells, dtype=str)
    found = readings(text)
    assert len(found.mean) == len(found.counts) == len(found.spread) == len(cells)
    for cell, value in zip(cells, found.mean, strict=True):
        assert np.isnan(value) or any(character.isdigit() for character in cell)


@given(st.lists(st.lists(st.integers(-1000, 1000), min_size=1, max_size=6), min_size=1, max_size=6))
def test_readings_of_lists_are_those_of_numpy(cells):
    found = readings(pd.Series([str(cell) if len(cell) > 1 else str(cell[0]) for cell in cells], dtype=str))
    assert found.counts.tolist() == [len(cell) for cell in cells]
    assert found.mean == pytest.approx([np.mean(cell) for cell in cells], rel=1e-12, abs=1e-12)
    assert found.lowest.tolist() == [min(cell) for cell in cells]
    assert found.highest.tolist() == [max(cell) for cell in cells]
    spreads = [np.std(cell, ddof=1) if len(cell) > 1 else np.nan for cell in cells]
    assert found.spread == pytest.approx(spreads, rel=1e-9, abs=1e-9, nan_ok=True)


def test_a_list_is_flat():
    assert listed("[1, 2.50]") == ["1", "2.50"]
    assert listed("Cu, Fe Zr") == ["Cu", "Fe", "Zr"]
    assert listed("[[1], 2]") == listed("[1, null]") == listed("[1") == []


# ---------------------------------------------------------------- rejects.csv


HOSTILE = ["=cmd|' /C calc'!A0", "+1+1", "@SUM(A1)", "-2+3", "\t=1", "\r=1"]


def test_no_cell_of_the_list_of_rejects_runs_in_a_spreadsheet(write):  # noqa: F811
    rows = [f'L{n},20,80,0,"{text}"' for n, text in enumerate([*HOSTILE, "-5"])]
    write(rows, header="lot,Al,Fe,Co,HV")
    out = ["alloys=a.parquet", "rejects=rejects.csv", "report=r.json"]
    spec = json.dumps({"data": DATA, "tasks": [hardness().to_dict()]})
    assert main(["ingest", "--spec", spec, "--out", *out]) == 0
    with open("rejects.csv", encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert list(lines[0]) == REJECT_COLUMNS
    assert [line["value"] for line in lines[:4]] == [f"'{text}" for text in HOSTILE[:4]]
    assert lines[-1]["value"] == "-5"
    assert {line["rule"] for line in lines} == {"label.number", "label.minimum"}
    assert all(line["mend"] for line in lines)


@given(st.lists(st.sampled_from([*HOSTILE, "plain", "-3", "1e5", ""]), min_size=1))
def test_texts_that_do_not_run_are_left_as_they_are(cells):
    table = pd.DataFrame(dict.fromkeys(("file", "member", "column", "value"), cells))
    safe = spreadsheet_safe(table)["value"].tolist()
    assert [text.removeprefix("'") for text in safe] == cells
    assert all(text.startswith("'") == (cell in HOSTILE) for text, cell in zip(safe, cells, strict=True))


def test_a_config_that_says_the_composition_twice_is_refused(tmp_path):
    from alloymtl.config import read
    from alloymtl.study import Study

    path = Path(tmp_path, "twice.yaml")
    path.write_text(
        "study: twice\ntasks:\n  hv:\n    kind: regression\n    unit: HV\n    sources:\n"
        "      - {path: a.csv, label: HV, composition: {basis: at.%, formula: F, lists: {elements: a, amounts: b}}}\n"
        "methods: {i: {architecture: independent}}\nexperiments: {main: {methods: [i], comparisons: []}}\n"
    )
    with pytest.raises(UserError, match="both formula and lists are given"):
        Study.from_config(read(path), str(path))


# ---------------------------------------------------------------- decimal marks


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["567,8", "410", "12,5"], [567.8, 410, 12.5]),
        (["567.8", "410", "12.5"], [567.8, 410, 12.5]),
        (["567,8", "1.100", "410"], None),
        (["1,100", "1,250", "410"], None),
        (["1,100", "1,250", "0,5"], [1.1, 1.25, 0.5]),
    ],
)
def test_the_decimal_mark_is_told_from_the_numbers_in_use_or_asked_for(write, cells, labels):  # noqa: F811
    rows = [f'"{cell}",{20 + n},{80 - n},"3,7"' for n, cell in enumerate(cells)]
    write(rows, header="HV,Al,Fe,reference")
    task = hardness(id=None)
    if labels is None:
        with pytest.raises(UserError, match=r"hardness.sources.0..decimal"):
            ingest(DATA, [task])
    else:
        assert alloys(task)["y:hardness"].tolist() == labels


def test_a_mark_of_thousands_is_no_decimal_mark(write):  # noqa: F811
    write(["567,8;20;80", "1.100;30;70", "1.234,5;40;60"], header="HV;Al;Fe")
    task = hardness(id=None, decimal=",")
    assert [(value, reason) for _, _, value, reason in rejected(task)] == [
        ("1.100", "label is not a number"),
        ("1.234,5", "label is not a number"),
    ]
