"""Formulas, weights, units and what makes two compositions the same alloy."""

import hea_bench
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloymtl.data.composition import alloy_ids, identities, systems
from alloymtl.data.rows.amounts import symbol_of
from alloymtl.data.rows.formula import FormulaError, parse_formula
from alloymtl.data.rows.fractions import _fractions
from alloymtl.data.rows.numbers import number
from alloymtl.data.rows.units import convert
from alloymtl.errors import UserError

ELEMENTS = ["Al", "Ti", "V", "Cu", "Zn", "Zr", "Fe", "Co", "Ni", "B", "Nb", "Si"]


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("Al0.25 Co1 Fe1 Ni1", {"Al": 0.25, "Co": 1, "Fe": 1, "Ni": 1}),
        ("CoCrNi", {"Co": 1, "Cr": 1, "Ni": 1}),
        ("  Al 20 Co.5 ", {"Al": 20, "Co": 0.5}),
        ("(CaCu)70Mg30", {"Ca": 35, "Cu": 35, "Mg": 30}),
        ("((Cu60Zr40)98Y2)90Al10", {"Cu": 52.92, "Zr": 35.28, "Y": 1.8, "Al": 10}),
        ("La62Al14(Cu5Ag1)16(Ni1Co1)8", {"La": 62, "Al": 14, "Cu": 40 / 3, "Ag": 8 / 3, "Ni": 4, "Co": 4}),
        (
            "{[(Fe0.6Co0.4)0.75B0.2Si0.05]0.96Nb0.04}96Cr4",
            {"Fe": 41.472, "Co": 27.648, "B": 18.432, "Si": 4.608, "Nb": 3.84, "Cr": 4},
        ),
        ("CoNiCoNi2", {"Co": 2, "Ni": 3}),
        ("Cu₅₀Zr₅₀", {"Cu": 50, "Zr": 50}),
        ("Al$_{0.5}$CoCr_{2}Fe$_3$Ni_1", {"Al": 0.5, "Co": 1, "Cr": 2, "Fe": 3, "Ni": 1}),
        ("Cu<sub>2</sub>Al", {"Cu": 2, "Al": 1}),
    ],
)
def test_a_formula_gives_its_amounts_and_a_group_is_one_unit(text, amounts):
    assert parse_formula(text) == pytest.approx(amounts, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Al40Cu60T", "unknown element symbol"),
        ("al20", "not a chemical formula"),
        ("Al-5Co105", "not a chemical formula"),
        ("(Al20Co80", "not a chemical formula"),
        ("Al20)Co80", "not a chemical formula"),
        ("(Al20Co80]", "not a chemical formula"),
        ("(3Al)20", "not a chemical formula"),
        ("()5Al", "not a chemical formula"),
        ("20", "not a chemical formula"),
        ("Fe50Ni50¹", "not a chemical formula"),
    ],
)
def test_a_text_that_is_no_formula_is_told_apart_from_a_wrong_symbol(text, reason):
    with pytest.raises(FormulaError, match=f"^{reason}$"):
        parse_formula(text)


formula_text = st.recursive(
    st.builds(
        lambda e, a: f"{e}{a}",
        st.sampled_from(["Al", "C", "Co", "Cu", "O", "Zr", "Y"]),
        st.sampled_from(["", "1", "0.25", "12.5", "70"]),
    ),
    lambda inner: st.builds(
        lambda parts, amount: f"({''.join(parts)}){amount}",
        st.lists(inner, min_size=1, max_size=3),
        st.sampled_from(["", "2", "0.96"]),
    ),
    max_leaves=8,
)


@given(st.lists(formula_text, min_size=1, max_size=4).map("".join))
def test_formulas_are_read_as_hea_bench_reads_them(text):
    amounts = parse_formula(text)
    total = sum(amounts.values())
    assert {e: a / total for e, a in amounts.items()} == pytest.approx(hea_bench.parse_formula(text), rel=1e-9)


@pytest.mark.parametrize(
    ("weights", "atomic"),
    [
        # Handbook values: cartridge brass; the titanium alloy Ti-6Al-4V; nitinol at its weight of 55.1 % Ni.
        ({"Cu": 70, "Zn": 30}, {"Cu": 70.6, "Zn": 29.4}),
        ({"Ti": 90, "Al": 6, "V": 4}, {"Ti": 86.2, "Al": 10.2, "V": 3.6}),
        ({"Ni": 55.1, "Ti": 44.9}, {"Ni": 50.0, "Ti": 50.0}),
    ],
)
def test_weights_become_atomic_fractions(weights, atomic):
    row = np.array([[weights.get(e, 0.0) for e in ELEMENTS]])
    expected = np.array([[atomic.get(e, 0.0) for e in ELEMENTS]])
    assert _fractions(row, True, ELEMENTS) * 100 == pytest.approx(expected, abs=0.06)


amounts_in_cents = st.lists(st.integers(0, 9999), min_size=3, max_size=3).filter(any)


@given(amounts_in_cents, st.sampled_from([1.0, 1 / 3, 100.0, 0.07]))
def test_the_same_ratio_is_the_same_alloy_at_any_scale(cents, scale):
    row = np.array([cents], dtype=float)
    one, other = (identities(_fractions(r, False, ["Al", "Co", "Fe"]), 2) for r in (row, row * scale))
    assert (one == other).all()


def test_an_alloy_is_named_by_its_rounded_composition():
    identity = identities(np.array([[0.2, 0.3, 0.5], [1 / 3, 2 / 3, 0.0], [0.00004, 0.99996, 0.0]]), 2)
    elements = ["Fe", "Al", "Co"]
    assert alloy_ids(identity, elements, 2) == ["Fe20.00Al30.00Co50.00", "Fe33.33Al66.67", "Al100.00"]
    assert systems(identity, elements) == ["Al-Co-Fe", "Al-Fe", "Al"]
    assert alloy_ids(identities(np.array([[0.2, 0.8, 0.0]]), 0), elements, 0) == ["Fe20Al80"]


@pytest.mark.parametrize(
    ("value", "unit", "target", "expected"),
    [
        (100.0, "HV", "GPa", 0.980665),
        (980.665, "MPa", "HV", 100.0),
        (1e-6, "ohm_m", "uohm_cm", 100.0),
        (1e-4, "ohm_cm", "uohm_cm", 100.0),
        (1.7241, "μΩ·cm", "uohm_cm", 1.7241),
        (100.0, "%IACS", "uohm_cm", 1.7241),
        (50.0, "%IACS", "uohm_cm", 3.4482),
        (1.0, "MS/m", "uohm_cm", 100.0),
        (58.0, "MS/m", "%IACS", 100.0),
        (7.0, None, "a.u.", 7.0),
    ],
)
def test_units_are_converted_and_a_conductivity_becomes_a_resistivity(value, unit, target, expected):
    assert convert(np.array([value]), unit, target, "x.sources[0].unit") == pytest.approx([expected], rel=3e-5)


@pytest.mark.parametrize("unit", ["GPaa", "uohm_cm", "", "kg)"])
def test_a_unit_that_does_not_fit_names_its_config_key(unit):
    with pytest.raises(UserError) as caught:
        convert(np.array([1.0]), unit, "GPa", "tasks.hardness.sources[1].unit")
    assert caught.value.where == "tasks.hardness.sources[1].unit"
    assert caught.value.mend


@pytest.mark.parametrize("text", ["1" * 200_000 + "x", "Fe" + "1" * 200_000 + "!", "_" * 100_000, "(" * 100_000])
def test_a_long_text_that_is_no_number_and_no_formula_takes_no_longer_than_its_length(text):
    # A pattern that can match in many ways would take hours.
    assert np.isnan(number(text))
    assert symbol_of(text) is None
    with pytest.raises(FormulaError):
        parse_formula(text)
