"""The descriptors against published and independently computed values."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares

from alloymtl import files
from alloymtl.data.elements import check_elements, metallic_radii
from alloymtl.data.features import DESCRIPTORS, descriptors, step
from alloymtl.errors import UserError

ROOT = Path(__file__).parents[1]
FILMS = ROOT.parent / "shared/data/ml_r_mg/ML-R-MG_reconstructed_compositions_DERIVED.csv"
PRINTED = ["ravg_A", "delta_frac", "dHmix_kJmol", "ENavg", "dEN", "N"]  # the order of DESCRIPTORS
DEFAULT = ["Al", "Ti", "Cr", "Fe", "Co", "Ni", "Cu", "Zr", "Mo", "W", "Mn", "Si", "Mg", "Re", "Ta"]


def test_descriptors_agree_with_independent_calculators():
    oracle = json.loads((ROOT / "tests/oracles/alloy_descriptors.json").read_text())
    percent = [[case["atomic_percent"].get(e, 0.0) for e in DEFAULT] for case in oracle["cases"]]
    expected = [[case["expected"][name] for name in DESCRIPTORS] for case in oracle["cases"]]
    assert descriptors(np.array(percent) / 100, DEFAULT) == pytest.approx(np.array(expected), rel=1e-9, abs=1e-10)


@pytest.fixture(scope="module")
def films():
    if not FILMS.is_file():
        pytest.skip(f"the ML-R-MG compositions are not there ({FILMS})")
    table = pd.read_csv(FILMS)
    table = table[table["src"] == "HTE"].reset_index(drop=True)
    return table, list(table.columns[14:])


def test_descriptors_reproduce_the_printed_ones_of_all_302_films(films):
    """Printed to nine decimals. The printed values belong to compositions that sum to one only within 1.3e-4.

    So the fractions are found anew without that constraint: five printed values a row for at most three unknowns.
    """
    table, elements = films
    assert len(table) == 302
    for _, row in table.iterrows():
        present = [e for e in elements if row[e] > 0]
        printed = row[PRINTED[:5]].to_numpy(dtype=float)

        def misfit(c, present=present, printed=printed):
            return (descriptors(c[None], present)[0, :5] - printed) * 1e3

        fit = least_squares(misfit, row[present].to_numpy(dtype=float), xtol=1e-15, ftol=1e-15, gtol=1e-15)
        found = descriptors(fit.x[None], present)[0]
        assert found[:5] == pytest.approx(printed, rel=0, abs=1e-9)
        assert found[5] == row["N"]
        assert fit.x.sum() == pytest.approx(1, abs=1.5e-4)


def test_descriptors_of_the_normalised_films_differ_by_their_printed_sums_only(films):
    table, elements = films
    off = np.abs(descriptors(table[elements].to_numpy(), elements) - table[PRINTED].to_numpy())
    consistent = (table["recon_err"] < 1e-5).to_numpy()
    assert consistent.sum() >= 150
    assert (off[consistent] <= [1e-8, 1e-7, 1e-5, 1e-8, 2e-7, 0]).all()
    assert (off <= [1e-9, 1.2e-3, 0.42, 1e-9, 2.7e-3, 0]).all()


def test_radii_are_those_of_the_group_whose_descriptors_are_reproduced():
    assert metallic_radii(["Al", "Ti", "Cr", "Fe", "Ni", "Cu", "Zr"]) == [1.43, 1.46, 1.28, 1.27, 1.25, 1.28, 1.60]


def test_an_element_without_table_values_is_named_with_what_is_missing():
    with pytest.raises(UserError) as caught:
        check_elements(["Al", "B"], "config/mine.yaml")
    assert caught.value.where == "config/mine.yaml: data.elements"
    assert "B has no tabulated metallic radius" in caught.value.what
    with pytest.raises(UserError, match="no element 'Xx'"):
        check_elements(["Al", "Xx"], "c")


def test_a_pair_without_enthalpy_is_named(monkeypatch):
    def none(first, second):
        raise KeyError

    monkeypatch.setattr("alloymtl.data.elements.pair_enthalpy", none)
    with pytest.raises(UserError, match="pair Al-Co"):
        check_elements(["Al", "Co"], "c")


def test_elements_are_checked_without_heavy_imports():
    code = (
        "import sys; from alloymtl.data.elements import check_elements;"
        f"check_elements({DEFAULT}, 'c');"
        "print([m for m in ('pandas', 'numpy', 'scipy', 'torch', 'pint') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "workflow", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_step_writes_fractions_descriptors_and_labels_in_the_order_of_the_alloys(tmp_path):
    alloys = pd.DataFrame(
        {"alloy": ["Cu50Zr50", "Zr100"], "system": ["Cu-Zr", "Zr"], "c:Zr": [0.5, 1.0], "c:Cu": [0.5, 0.0]}
        | {"y:rho": [np.nan, 40.0], "n:rho": [0, 1], "sd:rho": [np.nan, np.nan]}
    )
    files.write_parquet(tmp_path / "alloys.parquet", alloys)
    paths = {"alloys": tmp_path / "alloys.parquet"}, {"features": tmp_path / "features.parquet"}
    step({"elements": ["Zr", "Cu"], "tasks": ["rho"]}, *paths)
    features = files.read_parquet(tmp_path / "features.parquet")
    names = ["x:Zr", "x:Cu", *(f"x:{name}" for name in DESCRIPTORS)]
    assert list(features) == ["alloy", "system", *names, "y:rho"]
    assert features.loc[0, names].tolist() == pytest.approx([0.5, 0.5, 1.44, 1 / 9, -23.0, 1.615, 0.285, 2])
    assert features.loc[1, names].tolist() == pytest.approx([1, 0, 1.60, 0, 0, 1.33, 0, 1])
