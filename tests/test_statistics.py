"""Statistics: public packages as oracles, and what must hold for any numbers."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alloymtl.evaluation.statistics import hedges_g, holm, paired_t

ORACLE = json.loads((Path(__file__).parent / "oracles" / "stats.json").read_text(encoding="utf-8"))
TOLERANCE = {"rel": ORACLE["tolerance"]["rtol"], "abs": ORACLE["tolerance"]["atol"]}
VALUES = st.floats(-10, 10).map(lambda v: round(v, 6))
PAIRS = st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=12).map(np.array)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


def cases(test):
    return [pytest.param(c, id=c["id"]) for c in ORACLE["cases"] if c["inputs"]["test"] == test]


@pytest.mark.parametrize("case", cases("paired_t"))
def test_paired_t_agrees_with_scipy(case):
    expected = case["expected"]
    found = paired_t(case["inputs"]["x"], case["inputs"]["y"], confidence=0.95)
    assert found.n == len(case["inputs"]["x"])
    assert found.df == expected["degrees_of_freedom"]
    assert found.mean_difference == pytest.approx(expected["mean_difference"], **TOLERANCE)
    assert found.sd == pytest.approx(expected["sd_difference"], **TOLERANCE)
    if case["id"] == "t_identical":  # scipy leaves this one undefined
        assert (found.t, found.p_value, found.ci_low, found.ci_high) == (0, 1, 0, 0)
        assert found.identical
        return
    assert not found.identical
    assert found.t == pytest.approx(math.inf if expected["t"] == "+infinity" else expected["t"], **TOLERANCE)
    assert found.p_value == pytest.approx(expected["p_two_sided"], rel=TOLERANCE["rel"], abs=0)
    interval = expected.get("ci95", [found.mean_difference] * 2)
    assert [found.ci_low, found.ci_high] == pytest.approx(interval, **TOLERANCE)


@pytest.mark.parametrize("case", cases("hedges_g"))
def test_hedges_g_is_d_av_with_the_exact_correction(case):
    found = hedges_g(case["inputs"]["x"], case["inputs"]["y"])
    assert found == pytest.approx(case["expected"]["g_av_exact_df_n_minus_1"], **TOLERANCE)


@pytest.mark.parametrize("case", cases("holm"))
def test_holm_agrees_with_statsmodels(case):
    found = holm(case["inputs"]["p_values"])
    assert found.tolist() == pytest.approx(case["expected"]["adjusted"], **TOLERANCE)


@given(PAIRS, st.floats(0.5, 0.99))
def test_the_interval_excludes_zero_exactly_where_p_is_below_alpha(pairs, confidence):
    found = paired_t(pairs[:, 0], pairs[:, 1], confidence)
    alpha = 1 - confidence
    assume(abs(found.p_value - alpha) > 1e-9)
    assert (found.ci_low > 0 or found.ci_high < 0) == (found.p_value < alpha)


@given(PAIRS)
def test_swapping_the_methods_changes_signs_only(pairs):
    x, y = pairs.T
    there, back = paired_t(x, y, 0.9), paired_t(y, x, 0.9)
    assert (back.mean_difference, back.t, back.ci_low) == (-there.mean_difference, -there.t, -there.ci_high)
    assert (back.p_value, back.sd) == (there.p_value, there.sd)
    assert hedges_g(y, x) == -hedges_g(x, y)


@given(PAIRS)
def test_no_pairs_give_nan(pairs):
    found = paired_t(pairs[:, 0], pairs[:, 1], 0.95)
    assert not any(map(math.isnan, (found.t, found.p_value, found.ci_low, found.ci_high, hedges_g(*pairs.T))))
    assert 0 <= found.p_value <= 1
    assert found.ci_low <= found.mean_difference <= found.ci_high
    assert found.identical == (pairs[:, 0] == pairs[:, 1]).all()


@pytest.mark.parametrize("value", [0.1, -0.3])
def test_equal_differences_are_certain_and_not_nan(value):
    found = paired_t([value] * 3, [0.0] * 3, 0.95)
    assert (found.t, found.p_value, found.sd) == (math.copysign(math.inf, value), 0.0, 0.0)
    assert found.ci_low == found.mean_difference == found.ci_high == value
    assert not found.identical
    assert hedges_g([value] * 3, [0.0] * 3) == math.copysign(math.inf, value)
    # With a spread within the methods the size in SDs is finite, though every pair differs by the same.
    assert hedges_g([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]) == pytest.approx(-math.sqrt(1 / math.pi))


def test_two_pairs_tell_no_effect_size():
    assert hedges_g([1.0, 2.0], [3.0, 7.0]) == 0.0


@pytest.mark.parametrize(
    ("x", "y", "what"),
    [
        ([1.0], [2.0], "at least two"),
        ([], [], "at least two"),
        ([1.0, 2.0], [1.0], "one length"),
        ([1.0, math.nan], [1.0, 2.0], "finite"),
    ],
)
def test_what_cannot_be_paired_is_refused(x, y, what):
    with pytest.raises(ValueError, match=what):
        paired_t(x, y, 0.95)
    with pytest.raises(ValueError, match=what):
        hedges_g(x, y)


@given(P_VALUES)
def test_holm_lies_between_raw_and_bonferroni_and_keeps_the_order(p_values):
    raw, corrected = np.array(p_values), holm(p_values)
    assert (corrected >= raw).all()
    assert (corrected <= np.minimum(raw * raw.size, 1)).all()
    assert (np.diff(corrected[np.argsort(raw)]) >= 0).all()


@given(P_VALUES, st.randoms(use_true_random=False))
def test_holm_does_not_depend_on_the_order_of_the_tests(p_values, random):
    order = list(range(len(p_values)))
    random.shuffle(order)
    assert holm([p_values[i] for i in order]).tolist() == holm(p_values)[order].tolist()


def test_holm_of_no_or_impossible_values():
    assert holm([]).tolist() == []
    for wrong in ([0.1, math.nan], [1.1], [-0.1]):
        with pytest.raises(ValueError, match="from 0 to 1"):
            holm(wrong)
