"""``inspect`` proposes a config that reads the file: encoding, separator, composition, labels with their units."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from alloymtl.cli import main
from alloymtl.data.ingest import ingest
from alloymtl.data.inspection import inspect
from alloymtl.data.inspection.headers import task_name, unit_of
from alloymtl.errors import UserError
from alloymtl.study import Study
from test_ingest import DATA

PUBLIC = Path(__file__).parents[2] / "shared/data"
METHODS = {
    "methods": {"independent": {"architecture": "independent"}},
    "experiments": {"main": {"methods": ["independent"], "comparisons": []}},
}


def proposed(*paths):
    """The study that the proposal makes, once methods are added."""
    return Study.from_config({**yaml.safe_load(inspect([str(path) for path in paths])), **METHODS})


def task(study, name):
    return next(task for task in study.tasks if task.name == name)


@pytest.mark.parametrize(
    ("header", "unit", "name"),
    [
        ("경도 (GPa)", "GPa", "hardness"),
        ("비저항 (μΩ·cm)", "μΩ·cm", "resistivity"),
        ("PROPERTY: YS (MPa)", "MPa", "ys"),
        ("PROPERTY: grain size ($\\mu$m)", "μm", "grain_size"),
        ("Electrical conductivity (%IACS)", "%IACS", "electrical_conductivity"),
        ("rho_uohm_cm", "uohm_cm", "rho"),
        ("Vickers HV", "HV", "vickers"),
        ("Phase(s)", "s", "phase"),
        ("HV", "HV", "hv"),
        ("Elongation (wppm)", None, "elongation"),
        ("2theta", None, "label_2theta"),
    ],
)
def test_a_header_gives_a_unit_and_a_name(header, unit, name):
    assert unit_of(header) == unit
    assert task_name(header) == name


def test_the_proposal_for_a_korean_table_reads_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"S{n};{n},5;{99 - n},5;{n + 1},25;{'O' if n % 2 else 'X'};{n}" for n in range(20)]
    text = "\n".join(["시료;Al;Fe;경도 (GPa);비정질;lot", *rows]) + "\n"
    Path("원천.csv").write_bytes(text.encode("cp949"))
    said = inspect(["원천.csv"])
    assert "(delimited, cp949, separator ';', decimal ',')" in said
    study = proposed("원천.csv")
    assert study.data["elements"] == ["Al", "Fe"]
    assert [(t.name, t.kind, t.unit) for t in study.tasks] == [
        ("hardness", "regression", "GPa"),
        ("amorphous", "classification", ""),
    ]
    assert task(study, "amorphous").sources[0].classes == {"X": 0, "O": 1}
    alloys, rejects, _ = ingest(study.data, study.tasks)
    assert (len(alloys), len(rejects)) == (20, 0)
    assert alloys["y:hardness"].sum() == pytest.approx(sum(n + 1.25 for n in range(20)))


def test_the_proposal_for_nested_json_names_its_lists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    objects = [
        {
            "Info": {"id": f"Ex-{n}", "Composition": ["Cu", "Zr"], "Ratio (%)": [n, 100 - n]},
            "Nano indentation": {"Hardness (GPa)": [n, n + 1]},
            "XRD": {"Amorphous": n % 3 == 0},
        }
        for n in range(10, 30)
    ]
    Path("labels.json").write_text(json.dumps(objects))
    study = proposed("labels.json")
    (hardness, amorphous) = study.tasks
    assert hardness.sources[0].composition["lists"] == {"elements": "Info.Composition", "amounts": "Info.Ratio (%)"}
    assert hardness.sources[0].id == "Info.id"
    assert amorphous.sources[0].classes == {"false": 0, "true": 1}
    alloys, rejects, _ = ingest(study.data, study.tasks)
    assert (len(alloys), len(rejects)) == (20, 0)


def test_every_sheet_and_every_kind_of_table_gets_a_proposal_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = pd.DataFrame({"Alloy": ["Al50Fe50", "Al20Fe80", "Al10Fe90"], "HV": [100, 200, 300]})
    two = pd.DataFrame({"Al": [0.5, 0.25], "Fe": [0.5, 0.75], "YS (MPa)": [300.0, 400.0]})
    with pd.ExcelWriter("book.xlsx") as book:
        one.to_excel(book, sheet_name="hard", index=False)
        two.to_excel(book, sheet_name="strong", index=False)
    Path("folder").mkdir()
    one.to_csv("folder/one.csv", index=False)
    two.to_csv("folder/two.csv", index=False)
    for place, which in (("book.xlsx", "sheet"), ("folder", "path")):
        study = proposed(place)
        assert [getattr(t.sources[0], which) for t in study.tasks] in (
            ["hard", "strong"],
            ["folder/one.csv", "folder/two.csv"],
        )
        assert [t.sources[0].composition["basis"] for t in study.tasks] == ["at.%", "atomic fraction"]
        assert len(ingest(study.data, study.tasks)[0]) == 4


def test_a_column_that_is_a_symbol_by_chance_is_left_out_of_the_composition(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("n.csv").write_text("Al,Fe,N,HV\n0.5,0.5,2,100\n0.2,0.8,2,90\n1,0,1,80\n")
    assert task(proposed("n.csv"), "hv").sources[0].composition["columns"] == {"Al": "Al", "Fe": "Fe"}


def test_element_columns_may_have_their_unit_behind_the_symbol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("w.csv").write_text("Fe (wt.%),Cr wt%,YS (MPa)\n70,30,300\n80,20,400\n90,10,500\n")
    (strength,) = proposed("w.csv").tasks
    assert strength.sources[0].composition["basis"] == "wt.%"
    assert strength.sources[0].composition["columns"] == {"Fe": "Fe (wt.%)", "Cr": "Cr wt%"}


def test_the_header_may_stand_below_a_title_and_a_broken_file_hides_no_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("download").mkdir()
    Path("download/a.csv").write_text("Measured by us in 2024\n\nAl;Fe;HV\n50;50;100\n20;80;200\n")
    Path("download/b.xlsx").write_bytes(b"PK no workbook")
    said = inspect(["download"])
    assert "# download/b.xlsx: not read. " in said
    (hv,) = proposed("download").tasks
    assert (hv.sources[0].path, hv.sources[0].header) == ("download/a.csv", 3)
    assert len(ingest(DATA | {"elements": ["Al", "Fe"]}, [hv])[0]) == 2


def test_the_objects_of_a_folder_are_one_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("labels").mkdir()
    for n in range(20):
        sample = {
            "Info": {"Composition": ["Cu", "Zr"], "Ratio (%)": [n + 1, 99 - n]},
            "Nano indentation": {"Hardness": [n + 1, n + 2]},
            "XRD": {"Amorphous": n % 2 == 0},
        }
        Path(f"labels/Ex-{n}.json").write_text(json.dumps(sample))
    Path("labels/eds.csv").write_text("X,Y,Al,Fe\n1,1,50,50\n")
    hardness, amorphous = proposed("labels").tasks
    assert (hardness.unit, hardness.sources[0].member) == ("GPa", "*.json")
    assert "The unit is a guess" in inspect(["labels"])
    assert len(ingest(DATA | {"elements": ["Cu", "Zr"]}, [hardness, amorphous])[0]) == 20


def test_what_cannot_be_read_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", "nowhere.csv"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: nowhere.csv: ")
    assert said.count("\n") == 1
    Path("empty.csv").write_text("")
    with pytest.raises(UserError, match=r"^empty.csv: "):
        inspect(["empty.csv"])
    Path("words.csv").write_text("a,b\nx,y\nz,w\n")
    assert inspect(["words.csv"]).endswith(
        "# No task can be proposed: no column beside a composition may be a label.\n"
    )


@pytest.mark.skipif(not PUBLIC.is_dir(), reason=f"the public data sets are not there ({PUBLIC})")
@pytest.mark.parametrize(
    ("file", "name", "unit", "composition", "labelled"),
    [
        ("mpea/MPEA_dataset.csv", "property_hv", "HV", ("atomic ratio", "FORMULA"), 530),
        ("xiong/Hardness.csv", "hardness", "HV", ("atomic ratio", "Alloys"), 290),
        ("xiong/GFA.csv", "gfa", "", ("at.%", "Alloy"), 6470),
        ("cu_alloys/Corrected_Cu_alloys_database.csv", "electrical_conductivity", "%IACS", ("at.%", None), 1826),
        ("ml_r_mg/ML-R-MG_reconstructed_compositions_DERIVED.csv", "rho", "ohm_m", ("atomic fraction", None), 708),
    ],
)
def test_real_tables_are_recognised(file, name, unit, composition, labelled):
    study = proposed(PUBLIC / file)
    found = task(study, name)
    (source,) = found.sources
    assert found.unit == unit
    assert (source.composition["basis"], source.composition["formula"]) == composition
    _, rejects, report = ingest(study.data, [found])
    assert report["sources"][0]["rows"] - (rejects["rule"] == "label.missing").sum() == labelled
