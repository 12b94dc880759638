"""Gain of pairwise joint training and its relation to G: hand-worked numbers, all relabellings, and simulation."""

from __future__ import annotations

import math
from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alloymtl.errors import UserError
from alloymtl.evaluation.affinity.benefit import (
    HIGH,
    LOW,
    Gains,
    gains,
    noise_corrected,
    positive_shares,
    relation,
)

TASKS = ("hardness", "strength", "phase")
METRICS = {"hardness": "rmse", "strength": "r2", "phase": "f1"}
ALONE = {"hardness": (9.0, 11.0), "strength": (0.5, 0.5), "phase": (0.8, 0.8)}
SEEDS = (1, 2)
JOINT = {
    ("hardness", "strength"): {"hardness": (8.0, 11.0), "strength": (0.55, 0.4)},
    ("hardness", "phase"): {"hardness": (9.0, 11.0), "phase": (0.6, 1.0)},
    ("phase", "strength"): {"strength": (0.6, 0.6), "phase": (0.4, 0.4)},
}


def lines(joint=JOINT, alone=ALONE, split_seed=7):
    """The tidy table of pairs, one line for each task of each pair in each run."""
    return pd.DataFrame(
        {
            "first": first,
            "second": second,
            "split_seed": split_seed,
            "seed": seed,
            "task": task,
            "metric": METRICS[task],
            "joint": values[n],
            "alone": alone[task][n],
        }
        for (first, second), of_pair in joint.items()
        for task, values in of_pair.items()
        for n, seed in enumerate(SEEDS)
    )


def simulated(of_task):
    """Gains as they would come from runs, shape (units, T, T)."""
    stack = np.asarray(of_task, dtype=float)
    seeds = list(range(len(stack)))
    names = tuple("abcdefgh"[: stack.shape[1]])
    stack[:, np.arange(len(names)), np.arange(len(names))] = np.nan
    return Gains(names, [(7, seed) for seed in seeds], pd.Index(seeds, name="seed"), stack)


def by_run(stack):
    return {(7, seed): matrix for seed, matrix in enumerate(stack)}


def symmetric(rng, tasks, runs=None):
    upper = np.triu(rng.normal(size=(tasks, tasks)) if runs is None else rng.normal(size=(runs, tasks, tasks)), 1)
    return upper + upper.swapaxes(-1, -2)


# Gains.


def test_gains_are_per_cent_of_the_mean_alone_and_higher_is_better_whatever_the_metric():
    found = gains(lines(), TASKS, 0.9)
    hardness, strength, phase = range(3)
    assert found.units.name == "seed"
    assert found.runs == [(7, 1), (7, 2)]
    np.testing.assert_allclose(found.of_task[:, hardness, strength], [10, 0])  # an error that falls from 9 to 8, of 10
    np.testing.assert_allclose(found.of_task[:, strength, hardness], [10, -20])
    np.testing.assert_allclose(found.of_task[:, hardness, phase], [0, 0])
    np.testing.assert_allclose(found.of_task[:, phase, hardness], [-25, 25])
    np.testing.assert_allclose(found.of_task[:, strength, phase], [20, 20])
    np.testing.assert_allclose(found.of_task[:, phase, strength], [-50, -50])
    np.testing.assert_allclose(found.of_pair[:, hardness, strength], [10, -10])
    np.testing.assert_allclose(found.of_pair[:, strength, phase], [-15, -15])
    np.testing.assert_array_equal(found.of_pair, found.of_pair.swapaxes(1, 2))
    assert np.isnan(found.of_task[:, range(3), range(3)]).all()


def test_neither_the_order_of_lines_nor_that_of_a_pair_matters():
    table = lines()
    swapped = table.rename(columns={"first": "second", "second": "first"}).sample(frac=1, random_state=0)
    np.testing.assert_array_equal(gains(table, TASKS, 0.9).of_task, gains(swapped, TASKS, 0.9).of_task)


def test_of_several_splits_each_is_one_unit():
    other = {**JOINT, ("hardness", "strength"): {"hardness": (8.0, 10.0), "strength": (0.6, 0.55)}}
    table = pd.concat([lines(), lines(other, split_seed=8)])
    found = gains(table, TASKS, 0.999)
    assert found.units.tolist() == [7, 8]
    assert found.units.name == "split_seed"
    np.testing.assert_allclose(found.of_task[:, 1, 0], [-5, 15])
    rng = np.random.default_rng(0)
    g = symmetric(rng, 3, runs=4) / 9 + [[1, 0.9, 0.2], [0.9, 1, 0], [0.2, 0, 1]]
    of_splits = np.stack([g[:2].mean(axis=0), g[2:].mean(axis=0)])
    upper = np.triu_indices(3, 1)
    expected = noise_corrected(of_splits[:, *upper], found.of_pair[:, *upper], 0.05).value
    made = relation(dict(zip(found.runs, g, strict=True)), found, 9, rng, 0.05)
    assert made.corrected.value == pytest.approx(expected)


def test_pairs_that_were_not_trained_and_tasks_that_may_have_no_skill_have_no_gain():
    two = {pair: tasks for pair, tasks in JOINT.items() if pair != ("hardness", "phase")}
    found = gains(lines(two, {**ALONE, "phase": (0.1, -0.1)}), TASKS, 0.5)
    assert np.isnan(found.of_task[:, 0, 2]).all()
    assert np.isnan(found.of_task[:, 2, 1]).all()
    assert np.isnan(found.of_pair[:, 1, 2]).all()
    np.testing.assert_allclose(found.of_task[:, 1, 2], [20, 20])


def changed(table, column, value, at=0):
    table = table.copy()
    table[column] = table[column].astype(object)
    table.loc[at, column] = value
    return table


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (lines().drop(columns="alone"), "lacks alone"),
        (lines().iloc[:0], "lacks lines"),
        (changed(lines(), "task", "hardnes"), "no task 'hardnes'.*did you mean 'hardness'"),
        (changed(lines(), "metric", "rsme"), "no metric 'rsme'"),
        (changed(lines(), "metric", "mae"), "another metric"),
        (changed(lines(), "task", "phase"), "phase in the pair hardness and strength .* not of one of"),
        (changed(lines(), "joint", math.inf), "not finite"),
        (changed(lines(), "alone", 9.5, at=4), "hardness in the pair hardness and phase .* another value alone"),
        (pd.concat([lines(), lines().iloc[[3]]]), "seed 2 stands there twice"),
        (lines().drop(index=3), "strength in the pair hardness and strength at split seed 7, seed 2 is not there"),
    ],
)
def test_a_table_that_is_not_whole_is_refused_by_the_line_at_fault(table, said):
    with pytest.raises(UserError, match=said):
        gains(table, TASKS, 0.9)


# G and gain.


def test_a_gain_that_grows_with_g_has_the_correlation_that_was_built_in():
    rng = np.random.default_rng(0)
    g = symmetric(rng, 5)
    linear = relation(by_run([g] * 3), simulated([2 * g + 1] * 3), 99, rng, 0.05)
    assert linear.pearson.value == pytest.approx(1)
    assert linear.corrected.value == pytest.approx(1)
    assert linear.pearson.exact
    assert linear.pearson.p_two_sided == pytest.approx(1 / 120)  # no relabelling but the given one
    assert (linear.points, linear.left_out) == (10, ())
    falling = relation(by_run([g] * 3), simulated([-np.exp(g)] * 3), 99, rng, 0.05)
    assert falling.spearman.value == pytest.approx(-1)
    assert -1 < falling.pearson.value < -0.7


def test_means_over_runs_are_correlated():
    rng = np.random.default_rng(1)
    g, y = symmetric(rng, 6, runs=4), rng.normal(size=(4, 6, 6))
    found = relation(by_run(g), simulated(y), 99, rng, 0.05)
    upper = np.triu_indices(6, 1)
    x, gain = g.mean(axis=0)[upper], ((y + y.swapaxes(1, 2)) / 2).mean(axis=0)[upper]
    assert found.pearson.value == pytest.approx(stats.pearsonr(x, gain).statistic)
    assert found.spearman.value == pytest.approx(stats.spearmanr(x, gain).statistic)


def test_p_values_of_ordered_gains_are_those_of_relabelling_both_directions_at_once():
    rng = np.random.default_rng(2)
    g = symmetric(rng, 5)
    y = 0.7 * g + rng.normal(size=(5, 5))
    found = relation(by_run([g] * 3), simulated([y.copy()] * 3), 99, rng, 0.05, ordered=True)
    apart = ~np.eye(5, dtype=bool)
    assert found.points == 20
    for test, of in ((found.pearson, stats.pearsonr), (found.spearman, stats.spearmanr)):
        every = [of(g[apart], y[np.ix_(order, order)][apart]).statistic for order in permutations(range(5))]
        assert test.value == pytest.approx(every[0])
        assert test.p_two_sided == pytest.approx(np.mean(np.abs(every) >= abs(every[0]) - 1e-9))
        assert test.p_greater == pytest.approx(np.mean(np.array(every) >= every[0] - 1e-9))


@pytest.mark.parametrize("ordered", [False, True])
def test_a_pair_that_lacks_g_or_gain_in_a_run_is_left_out_and_named(ordered):
    rng = np.random.default_rng(3)
    g = symmetric(rng, 5, runs=3)
    y = simulated(2 * g.mean(axis=0) + 1 + np.zeros((3, 1, 1)))
    g[1, 0, 2] = g[1, 2, 0] = np.nan
    y.of_task[0, 4, 3] = np.nan  # which leaves the pair out in both directions
    found = relation(by_run(g), y, 99, rng, 0.05, ordered)
    assert found.left_out == (("a", "c"), ("d", "e"))
    assert found.points == (16 if ordered else 8)
    assert math.isfinite(found.corrected.value)
    assert found.pearson.value == pytest.approx(1)


def test_a_run_without_g_is_named():
    with pytest.raises(UserError, match="split seed 7, seed 1 has no gradient affinity"):
        relation(by_run([np.eye(3)]), simulated(np.zeros((2, 3, 3))), 9, np.random.default_rng(0), 0.05)


def test_pairs_of_three_tasks_with_one_undefined_have_no_correlation():
    g = np.array([[1, 0.2, np.nan], [0.2, 1, 0.5], [np.nan, 0.5, 1]])
    found = relation(by_run([g] * 3), simulated(np.ones((3, 3, 3))), 9, np.random.default_rng(0), 0.05)
    numbers = (found.pearson.value, found.spearman.p_two_sided, found.corrected.value, found.corrected.ci_low)
    assert all(math.isnan(number) for number in numbers)


# Noise.


@pytest.mark.parametrize(("rho", "noise", "runs"), [(0.0, 1.0, 5), (0.8, 0.5, 5), (0.8, 1.0, 10), (0.4, 2.0, 10)])
def test_the_interval_covers_the_correlation_that_runs_without_noise_would_have(rho, noise, runs):
    rng = np.random.default_rng(4)
    tasks, n = 8, 300
    first, second = np.triu_indices(tasks, 1)
    covered, undefined, error, plain = 0, 0, [], []
    for _ in range(n):
        x = rng.normal(size=first.size)
        y = rho * x + math.sqrt(1 - rho**2) * rng.normal(size=first.size)
        truth = np.corrcoef(x, y)[0, 1]
        # What a run errs in one task goes into all pairs of it, in G and in gain.
        shared = rng.normal(size=(runs, tasks))
        common = (shared[:, first] + shared[:, second]) / 2
        g = x + noise * (common + rng.normal(size=(runs, first.size)) / math.sqrt(2))
        gain = y + noise * (common + rng.normal(size=(runs, first.size)) / math.sqrt(2))
        found = noise_corrected(g, gain, 0.05)
        covered += not (truth < found.ci_low or truth > found.ci_high)
        undefined += math.isnan(found.ci_low)
        error.append(found.value - truth)
        plain.append(np.corrcoef(g.mean(axis=0), gain.mean(axis=0))[0, 1] - truth)
    assert covered / n >= 0.93
    assert undefined / n <= 0.03
    assert abs(np.nanmedian(error)) < 0.04
    if (rho, noise) == (0.8, 1.0):
        assert np.median(plain) < -0.02  # what the correction is for


def test_the_corrected_correlation_is_that_of_products_of_different_runs():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 3, 6)) + np.array([0, 0, 0, 2, 2, 2])

    def brute(runs):
        def product(v, w):
            return np.mean([np.cov(v[i], w[j])[0, 1] for i in runs for j in runs if i != j])

        return product(x, y) / math.sqrt(product(x, x) * product(y, y))

    found = noise_corrected(x, y, 0.1)
    assert found.value == pytest.approx(brute(range(3)))
    pseudo = [3 * brute(range(3)) - 2 * brute([i for i in range(3) if i != left]) for left in range(3)]
    error = stats.sem(pseudo)
    assert found.ci_high - found.value == pytest.approx(stats.t.ppf(0.95, 2) * error)
    assert found.ci_high - found.value == pytest.approx(found.value - found.ci_low)


def test_runs_that_are_too_few_or_all_noise_give_no_interval():
    x = np.array([[1.0, 2, 4], [1, 2, 5], [1, 3, 4]])
    assert math.isnan(noise_corrected(x[:1], x[:1], 0.05).value)
    two = noise_corrected(x[:2], x[:2], 0.05)
    assert two.value == pytest.approx(1)
    assert math.isnan(two.ci_low)
    opposite = np.array([[1.0, 2, 3], [3, 2, 1], [2, 2, 2]])
    assert math.isnan(noise_corrected(opposite, x, 0.05).value)
    assert math.isnan(noise_corrected(np.full_like(x, 0.1), x, 0.05).value)


# Shares.


def wilson(k, n, z):
    middle, half = (k + z * z / 2) / (n + z * z), z / (n + z * z) * math.sqrt(k * (n - k) / n + z * z / 4)
    return middle - half, middle + half


def test_shares_of_pairs_that_gain_are_cut_at_the_median_first_and_have_wilsons_interval():
    g, y = np.eye(4), np.zeros((4, 4))
    for (i, j), value, gain in zip(
        combinations(range(4), 2), [0.1, 0.2, 0.3, 0.4, 0.5, np.nan], [-1, 0, 2, -3, 1, 1], strict=True
    ):
        g[i, j] = g[j, i] = value
        y[i, j] = y[j, i] = gain
    found = positive_shares(g, y, [0.45, 0.05], 0.05)
    sides = [(s.cut, s.side, s.positive, s.pairs) for s in found]
    assert sides == [
        (0.3, HIGH, 2, 3),
        (0.3, LOW, 0, 2),  # a gain of zero is none
        (0.45, HIGH, 1, 1),
        (0.45, LOW, 1, 4),
        (0.05, HIGH, 2, 5),
        (0.05, LOW, 0, 0),
    ]
    assert all(s.left_out == 1 for s in found)
    for s in found[:-1]:
        assert s.share == s.positive / s.pairs
        assert (s.ci_low, s.ci_high) == pytest.approx(wilson(s.positive, s.pairs, stats.norm.ppf(0.975)), abs=1e-12)
    assert math.isnan(found[-1].share)
    assert math.isnan(found[-1].ci_low)
