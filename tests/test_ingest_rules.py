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
from alloymtl.data.numbers import measured, numbers
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


# ---------------------------------------------------------------- labels


def test_a_list_of_readings_counts_by_its_mean_and_its_spread_is_kept(write):  # noqa: F811
    write(['"[60, 10, 20]",50,50', "30,50,50", '"[]",20,80', '"[1, x]",20,80'], header="HV,Al,Fe")
    found, rejects, _ = ingest(DATA, [hardness(id=None, unit="HV")])
    (row,) = found.to_dict("records")
    in_gpa = 0.00980665
    assert row["y:hardness"] == pytest.approx(30 * in_gpa)
    assert row["n:hardness"] == 4
    assert row["sd:hardness"] == pytest.approx(np.std([60, 10, 20, 30], ddof=1) * in_gpa)
    assert rejects["rule"].tolist() == ["label.missing", "label.number"]


def test_the_spread_of_readings_follows_a_reciprocal(write):  # noqa: F811
    readings = np.array([40.0, 41.0, 39.5])
    write([f'"{readings.tolist()}",50,50'], header="iacs,Al,Fe")
    task = hardness(id=None, label="iacs", unit="%IACS")
    row = only(task.from_dict({**task.to_dict(), "unit": "uohm_cm"}))
    assert row["y:hardness"] == pytest.approx(172.41 / readings.mean())
    assert row["sd:hardness"] == pytest.approx(np.std(172.41 / readings, ddof=1), rel=0.02)


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
    found = measured(text)
    assert len(found.values) == len(found.counts) == len(found.spreads) == len(cells)
    for cell, value in zip(cells, found.values, strict=True):
        assert np.isnan(value) or any(character.isdigit() for character in cell)


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
