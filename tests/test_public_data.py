"""Published tables of real alloys: each is read with a few lines of config, and every row is accounted for."""

import re
from pathlib import Path

import pytest
import yaml

from alloymtl.config import read
from alloymtl.data.check import check
from alloymtl.data.ingest import ingest
from alloymtl.data.raw import read_table
from alloymtl.study import Study
from alloymtl.task import Location

ROOT = Path(__file__).parents[1]
PUBLIC = ROOT.parent / "shared/data"
pytestmark = pytest.mark.skipif(not PUBLIC.is_dir(), reason=f"the public data sets are not there ({PUBLIC})")


def elements(symbols):
    return re.findall("[A-Z][a-z]?", symbols)


ELEMENTS = elements("AgAlAuBeCaCeCoCrCuFeGaGdHfLaMgMnMoNbNdNiPdScSiTaTiVWYZnZr")
METHODS = {
    "study": "one",
    "methods": {"independent": {"architecture": "independent"}},
    "experiments": {"main": {"methods": ["independent"], "comparisons": []}},
}
MPEA = """
hardness:
  kind: regression
  unit: GPa
  sources:
    - path: ../shared/data/mpea/MPEA_dataset.csv
      label: "PROPERTY: HV"
      unit: HV
      composition: {basis: atomic ratio, formula: FORMULA}
"""
GLASSES = """
glass:
  kind: classification
  sources:
    - path: ../shared/data/xiong/GFA.csv
      label: GFA
      classes: {BMG: 1, RMG: 1, CRA: 0}
      composition: {basis: at.%, formula: Alloy}
"""
HARDNESS = """
hardness:
  kind: regression
  unit: HV
  sources:
    - path: ../shared/data/xiong/Hardness.csv
      label: Hardness (HV)
      composition: {basis: atomic ratio, formula: Alloys}
"""
PHASES = """
amorphous:
  kind: classification
  sources:
    - path: ../shared/data/xiong/Formed_Phases.csv
      label: Phase(s)
      classes: {AM: 1, "*": 0}
      composition: {basis: atomic ratio, formula: Alloys}
"""
COPPER = """
{task}:
  kind: regression
  unit: "{unit}"
  sources:
    - path: ../shared/data/cu_alloys/Corrected_Cu_alloys_database.csv
      label: "{label}"
      unit: "{of}"
      composition: {{basis: wt.%}}
"""
HARD_COPPER = COPPER.format(task="hardness", unit="GPa", label="Hardness (HV)", of="HV")
COPPER_RESISTIVITY = COPPER.format(task="rho", unit="uohm_cm", label="Electrical conductivity (%IACS)", of="%IACS")
FILMS = """
rho:
  kind: regression
  unit: uohm_cm
  sources:
    - path: ../shared/data/ml_r_mg/ML-R-MG.xlsx
      sheet: {sheet}
      label: rho
      unit: ohm_m
      composition: {{basis: atomic fraction, columns: COLUMNS, table: TABLE}}
"""
TABLE = "{{path: %s, match: {{ravg: ravg_A, delta: delta_frac, dHmix: dHmix_kJmol}}}}"
DERIVED_CSV = "../shared/data/ml_r_mg/ML-R-MG_reconstructed_compositions_DERIVED.csv"
# Its column N counts components.
FILM_ELEMENTS = elements("AgAlBeCaCeCoCrCuFeGaLaMgMnMoNbNdNiPdScTiVYZnZr")
COLUMNS = "{" + ", ".join(f"{element}: {element}" for element in FILM_ELEMENTS) + "}"
FILMS = FILMS.replace("COLUMNS", COLUMNS.replace("{", "{{").replace("}", "}}")).replace("TABLE", TABLE % DERIVED_CSV)
HTE, LITERATURE = (FILMS.format(sheet=sheet) for sheet in ("allset_HTEonly", "allset_Literature"))
DERIVED = f"""
rho:
  kind: regression
  unit: uohm_cm
  sources:
    - path: {DERIVED_CSV}
      label: rho_ohm_m
      unit: ohm_m
      composition: {{basis: atomic fraction, columns: {COLUMNS}}}
"""


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    ("config", "rows", "without_label", "wrong"),
    [
        (MPEA, 1545, 1545 - 530, {}),
        (GLASSES, 6470, 0, {"composition.symbol": 1, "composition.sum": 15}),
        (HARDNESS, 290, 0, {}),
        (PHASES, 558, 1, {}),
        (HARD_COPPER, 1831, 1831 - 1614, {"composition.sum": 4}),
        (COPPER_RESISTIVITY, 1831, 1831 - 1826, {"composition.sum": 4}),
        (HTE, 302, 0, {}),
        # Of 406 alloys of the literature 160 have no composition that solves their descriptors.
        (LITERATURE, 406, 0, {"composition.empty": 160}),
        (DERIVED, 708, 0, {"composition.empty": 708 - 547}),
    ],
)
def test_each_table_is_read_with_ten_lines_and_what_is_not_accepted_has_a_true_reason(
    config, rows, without_label, wrong
):
    assert len(config.strip().splitlines()) <= 10
    data = {"elements": ELEMENTS, "other_elements": "reject"}
    study = Study.from_config({**METHODS, "data": data, "tasks": yaml.safe_load(config)})
    alloys, rejects, report = ingest(study.data, study.tasks)
    (source,) = report["sources"]
    assert source["rows"] == rows == source["accepted"] + source["merged"] + len(rejects)
    found = rejects["rule"].value_counts().to_dict()
    assert found.pop("label.missing", 0) == without_label
    found.pop("composition.other", None)  # how many there are depends on the elements that are chosen
    assert found == wrong
    assert len(alloys) == source["accepted"]


def test_the_counts_that_the_sources_state_come_out():
    glasses = read_table(Location(path="../shared/data/xiong/GFA.csv"), "x").column("GFA", "x").value_counts()
    assert glasses.to_dict() == {"RMG": 3708, "CRA": 1552, "BMG": 1210}
    copper = read_table(Location(path="../shared/data/cu_alloys/Corrected_Cu_alloys_database.csv"), "x")
    hard, conducting = (copper.column(name, "x") != "" for name in ("Hardness (HV)", "Electrical conductivity (%IACS)"))
    assert (hard.sum(), conducting.sum(), (hard & conducting).sum()) == (1614, 1826, 1609)
    (first,) = read_table(Location(path="../shared/data/xiong/Hardness.csv"), "x").readings
    assert first.encoding == "utf-8-sig"


def test_copper_alloys_are_126_compositions_measured_often():
    data = {"elements": elements("CuAlAgBBeCaCoCeCrFeHfLaMgMnMoNbNdNiPPbPrSiSnTiVZnZr")}
    study = Study.from_config({**METHODS, "data": data, "tasks": yaml.safe_load(COPPER_RESISTIVITY)})
    alloys, rejects, report = ingest(study.data, study.tasks)
    # Those that do not sum to 100 are no two alike.
    assert len(alloys) + (rejects["rule"] == "composition.sum").sum() == 126
    assert report["sources"][0]["merged"] > 1600
    assert alloys["n:rho"].max() > 20
    assert (alloys.loc[alloys["n:rho"] > 1, "sd:rho"] >= 0).all()


def test_the_public_study_reads_them_all_and_has_common_labels():
    study = Study.from_config(read(ROOT / "config/public.yaml"))
    study.check_sources()
    assert {Path(path).name for path in study.raw_files()} == {
        path.name for path in PUBLIC.glob("*/*") if path.suffix in (".csv", ".xlsx")
    }
    alloys, rejects, report = ingest(study.data, study.tasks)
    check(report, study.data, "rejects.csv")
    rows = sum(source["rows"] for source in report["sources"])
    assert rows == len(rejects) + sum(s["accepted"] + s["merged"] for s in report["sources"])
    assert report["overlap"]["resistivity|hardness"] > 50
    assert report["overlap"]["resistivity|amorphous"] > 200
    # Known magnitudes, in microohm centimetre: silver conducts best, with 1.59; metallic glasses are near 200.
    best = alloys.loc[alloys["y:resistivity"].idxmin(), ["alloy", "y:resistivity"]].tolist()
    assert best == ["Ag100.00", pytest.approx(1.59, abs=0.01)]
    glasses = alloys.loc[(alloys["y:amorphous"] == 1) & alloys["y:resistivity"].notna(), "y:resistivity"]
    assert 130 < glasses.median() < 300
