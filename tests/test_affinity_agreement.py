"""Agreement of matrices over tasks: scipy and brute force as oracles, and what a test says where there is nothing."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from alloymtl.evaluation.affinity.agreement import agreement, over_runs, relabelling_test, values

ORACLES = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}
ALPHA = 0.05


def symmetric(rng, *shape):
    """Random symmetric matrices with ones on their diagonal."""
    n = shape[-1]
    drawn = rng.normal(size=(*shape, n))
    drawn = drawn + drawn.swapaxes(-1, -2)
    drawn[..., range(n), range(n)] = 1
    return drawn


def without(matrix, *pairs):
    """The same with some pairs left without a value."""
    made = np.array(matrix)
    for i, j in pairs:
        made[..., i, j] = made[..., j, i] = np.nan
    return made


def sharing(rng, n):
    """A matrix whose pairs share what each task has: M_ij = a_i a_j + noise."""
    a = rng.normal(2, 1, size=n)
    return np.outer(a, a) + 0.2 * symmetric(rng, n)


def correlation_of_pairs(first, second, kind):
    """The plain way: pair by pair."""
    n = len(first)
    pairs = [(first[i, j], second[i, j]) for i in range(n) for j in range(i + 1, n)]
    x, y = zip(*[p for p in pairs if not np.isnan(p).any()], strict=True)
    return ORACLES[kind](x, y).statistic


@given(st.integers(3, 9), st.integers(0, 999), st.booleans())
def test_r_and_rho_are_those_of_scipy(n, seed, ties):
    rng = np.random.default_rng(seed)
    first, second = symmetric(rng, n), symmetric(rng, n)
    if ties:
        first = np.round(first)
        first[0, 1] = first[1, 0] = 9
    found = agreement(first, second)
    assert found.r == pytest.approx(correlation_of_pairs(first, second, "pearson"), abs=1e-12)
    assert found.rho == pytest.approx(correlation_of_pairs(first, second, "spearman"), abs=1e-12)
    assert (found.pairs, found.left_out) == (n * (n - 1) // 2, 0)


def test_pairs_without_a_value_in_either_matrix_are_left_out_and_counted():
    rng = np.random.default_rng(1)
    first = without(symmetric(rng, 6), (0, 1), (2, 5))
    second = without(symmetric(rng, 6), (2, 5), (3, 4))
    found = agreement(first, second)
    assert (found.pairs, found.left_out) == (12, 3)
    assert found.r == pytest.approx(correlation_of_pairs(first, second, "pearson"), abs=1e-12)
    assert found.rho == pytest.approx(correlation_of_pairs(first, second, "spearman"), abs=1e-12)


@pytest.mark.parametrize(
    ("first", "pairs"),
    [
        pytest.param(symmetric(np.random.default_rng(0), 2), 1, id="one pair"),
        pytest.param(without(symmetric(np.random.default_rng(0), 3), (0, 1)), 2, id="two pairs"),
        pytest.param(without(symmetric(np.random.default_rng(0), 3), (0, 1), (0, 2), (1, 2)), 0, id="no pair"),
        pytest.param(np.full((4, 4), 0.3) + 0.7 * np.eye(4), 6, id="no variance"),
    ],
)
def test_where_there_is_no_correlation_there_is_no_number_and_no_p_value(first, pairs):
    second = symmetric(np.random.default_rng(3), len(first))
    found = agreement(first, second)
    assert found.pairs == pairs
    assert np.isnan([found.r, found.rho]).all()
    test = relabelling_test(first, second, 99, np.random.default_rng(0))
    assert np.isnan([test.value, test.p_two_sided, test.p_greater]).all()
    assert test.undefined == test.relabellings == math.factorial(len(first))


@pytest.mark.parametrize("kind", list(ORACLES))
@pytest.mark.parametrize("n", [4, 5])
def test_with_few_tasks_the_p_value_is_the_share_of_all_relabellings(n, kind):
    rng = np.random.default_rng(n)
    for _ in range(3):
        first, second = symmetric(rng, n), symmetric(rng, n)
        order = [list(p) for p in permutations(range(n))]
        all_of_them = np.array([correlation_of_pairs(first, second[np.ix_(p, p)], kind) for p in order])
        found = relabelling_test(first, second, 10, rng, kind)
        assert found.exact
        assert found.relabellings == len(order)
        assert found.value == pytest.approx(all_of_them[0], abs=1e-12)
        assert found.p_greater == np.mean(all_of_them >= all_of_them[0] - 1e-12)
        assert found.p_two_sided == np.mean(np.abs(all_of_them) >= abs(all_of_them[0]) - 1e-12)


@pytest.mark.parametrize("kind", list(ORACLES))
def test_a_pair_without_a_value_moves_with_its_tasks(kind):
    rng = np.random.default_rng(11)
    first = without(symmetric(rng, 5), (0, 3))
    second = without(symmetric(rng, 5), (1, 2), (1, 4))
    all_of_them = [correlation_of_pairs(first, second[np.ix_(p, p)], kind) for p in permutations(range(5))]
    found = relabelling_test(first, second, 10, rng, kind)
    assert found.undefined == 0
    assert found.p_greater == np.mean(np.array(all_of_them) >= all_of_them[0] - 1e-12)


def test_a_relabelling_without_a_correlation_counts_as_extreme():
    # Each matrix lacks the pairs of one task. Where they are the same task's, three pairs are left, else one.
    rng = np.random.default_rng(2)
    first, second = (without(symmetric(rng, 4), (0, 1), (0, 2), (0, 3)) for _ in range(2))
    found = relabelling_test(first, second, 10, rng)
    assert (found.relabellings, found.undefined) == (24, 18)
    kept = [correlation_of_pairs(first, second[np.ix_(p, p)], "pearson") for p in permutations(range(4)) if p[0] == 0]
    assert found.p_greater == (18 + np.sum(np.array(kept) >= kept[0] - 1e-12)) / 24


def test_with_many_tasks_as_many_relabellings_as_asked_for_are_drawn_and_the_given_one_counts_once():
    rng = np.random.default_rng(5)
    first = symmetric(rng, 9)
    found = relabelling_test(first, first, 199, rng)
    assert (found.exact, found.relabellings) == (False, 199)
    assert found.value == pytest.approx(1)
    assert found.p_greater == found.p_two_sided == 1 / 200
    opposite = relabelling_test(first, -first, 199, rng)
    assert (opposite.p_two_sided, opposite.p_greater) == (1 / 200, 1)


def test_drawn_relabellings_come_close_to_all_of_them():
    rng = np.random.default_rng(6)
    second = symmetric(rng, 8)
    first = 0.3 * second + symmetric(rng, 8)
    drawn = relabelling_test(first, second, 10_000, np.random.default_rng(0))
    every = relabelling_test(first, second, math.factorial(8), np.random.default_rng(0))
    assert (drawn.exact, every.exact) == (False, True)
    error = math.sqrt(every.p_greater * (1 - every.p_greater) / 10_000)
    assert drawn.p_greater == pytest.approx(every.p_greater, abs=4 * error + 1e-4)
    assert relabelling_test(first, second, 10_000, np.random.default_rng(0)) == drawn


@given(st.permutations(range(6)), st.integers(0, 99))
def test_naming_the_tasks_of_both_matrices_anew_changes_nothing(order, seed):
    rng = np.random.default_rng(seed)
    first, second = without(symmetric(rng, 6), (0, 1)), without(symmetric(rng, 6), (3, 5))
    moved = [m[np.ix_(order, order)] for m in (first, second)]
    one, other = agreement(first, second), agreement(*moved)
    assert (one.r, one.rho, one.pairs) == pytest.approx((other.r, other.rho, other.pairs), abs=1e-12)
    for kind in ORACLES:
        one, other = (relabelling_test(*pair, 10, rng, kind) for pair in ((first, second), moved))
        assert (one.p_two_sided, one.p_greater) == (other.p_two_sided, other.p_greater)


def test_pairs_that_share_tasks_fool_the_usual_test_and_not_this_one():
    rng = np.random.default_rng(8)
    n, usual, ours = 8, [], []
    upper = np.triu_indices(n, 1)
    for _ in range(400):
        first, second = sharing(rng, n), sharing(rng, n)
        usual.append(stats.pearsonr(first[upper], second[upper]).pvalue)
        ours.append(relabelling_test(first, second, 199, rng).p_two_sided)
    assert np.mean(np.array(usual) < ALPHA) > 4 * ALPHA
    error = math.sqrt(ALPHA * (1 - ALPHA) / len(ours))
    assert np.mean(np.array(ours) <= ALPHA) == pytest.approx(ALPHA, abs=3 * error)
    assert stats.kstest(ours, "uniform").pvalue > 0.01
    assert stats.kstest(usual, "uniform").pvalue < 1e-9


def test_more_runs_on_the_same_tasks_fool_a_t_test_and_not_this_one():
    rng = np.random.default_rng(9)
    n, runs, outside, ours = 6, 6, [], []
    for _ in range(250):
        common = sharing(rng, n)
        found = over_runs(common + 0.3 * symmetric(rng, runs, n), sharing(rng, n), 99, rng, ALPHA)
        outside.append(not found.ci_low <= 0 <= found.ci_high)
        ours.append(found.test.p_two_sided)
    assert np.mean(outside) > 0.4
    error = math.sqrt(ALPHA * (1 - ALPHA) / len(ours))
    assert np.mean(np.array(ours) <= ALPHA) == pytest.approx(ALPHA, abs=3 * error)


@pytest.mark.parametrize("own_partner", [False, True])
def test_runs_are_relabelled_together(own_partner):
    rng = np.random.default_rng(12)
    first, second = symmetric(rng, 3, 5), symmetric(rng, 3, 5)
    second = second if own_partner else second[0]
    partners = second if own_partner else [second] * 3
    means = np.array(
        [
            np.mean([correlation_of_pairs(a, b[np.ix_(p, p)], "pearson") for a, b in zip(first, partners, strict=True)])
            for p in permutations(range(5))
        ]
    )
    found = over_runs(first, second, 10, rng, ALPHA)
    assert found.mean == found.test.value == pytest.approx(means[0], abs=1e-12)
    assert found.test.p_greater == np.mean(means >= means[0] - 1e-12)
    assert found.test.p_two_sided == np.mean(np.abs(means) >= abs(means[0]) - 1e-12)


def test_the_interval_of_runs_is_students():
    rng = np.random.default_rng(13)
    truth = symmetric(rng, 5)
    first = truth + symmetric(rng, 7, 5)
    r = [correlation_of_pairs(run, truth, "spearman") for run in first]
    assert values(first, truth, "spearman") == pytest.approx(np.array(r))
    found = over_runs(first, truth, 10, rng, 0.1, "spearman")
    expected = stats.ttest_1samp(r, 0).confidence_interval(0.9)
    assert (found.ci_low, found.ci_high) == pytest.approx((expected.low, expected.high))
    assert (found.runs, found.undefined) == (7, 0)


def test_a_run_without_a_correlation_is_counted_and_in_no_number():
    rng = np.random.default_rng(14)
    first, second = symmetric(rng, 3, 4), symmetric(rng, 4)
    flat = np.concatenate([first, np.ones((1, 4, 4))])
    found, expected = (over_runs(m, second, 10, rng, ALPHA) for m in (flat, first))
    assert (found.runs, found.undefined) == (3, 1)
    assert found.mean == pytest.approx(expected.mean)
    assert (found.ci_low, found.ci_high) == pytest.approx((expected.ci_low, expected.ci_high))
    assert found.test.p_greater == expected.test.p_greater
    single = over_runs(flat[2:], second, 10, rng, ALPHA)
    assert np.isnan([single.ci_low, single.ci_high]).all()
    assert math.isfinite(single.mean)


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        (np.arange(9.0).reshape(3, 3), np.eye(3), "symmetric"),
        (np.eye(3), np.eye(4), "one shape"),
        (np.ones((2, 3)), np.eye(3), "square"),
        (np.full((3, 3), np.inf), np.eye(3), "finite"),
        (np.ones((2, 3, 3)), np.ones((3, 3, 3)), "one shape"),
        (without(np.eye(3), (0, 1)), np.where(np.eye(3) + np.eye(3, k=1), np.nan, 1), "symmetric"),
    ],
)
def test_what_is_no_matrix_over_tasks_is_refused(first, second, what):
    with pytest.raises(ValueError, match=what):
        relabelling_test(first, second, 9, np.random.default_rng(0))


def test_what_is_no_test_is_refused():
    m, rng = np.eye(4), np.random.default_rng(0)
    with pytest.raises(ValueError, match="draw"):
        relabelling_test(m, m, 0, rng)
    with pytest.raises(ValueError, match="kendall"):
        relabelling_test(m, m, 9, rng, "kendall")
    with pytest.raises(ValueError, match="alpha"):
        over_runs(m, m, 9, rng, 1.0)
