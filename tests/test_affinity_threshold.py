"""Thresholds in overlap: known curves found again, hand-worked AICc, and no threshold where there is none."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import curve_fit

from alloymtl.evaluation.affinity.threshold import MODELS, aicc, curve, fits, threshold

LEVELS = np.linspace(0, 1, 11)
CURVES = {
    "constant": (lambda x: 0.4 + 0 * x, {"a": 0.4}),
    "line": (lambda x: 0.1 + 0.6 * x, {"a": 0.1, "b": 0.6}),
    "hyperbola": (lambda x: 0.9 * x / (x + 0.2), {"c": 0.9, "k": 0.2}),
    "raised hyperbola": (lambda x: 0.3 + 0.6 * x / (x + 0.15), {"a": 0.3, "c": 0.6, "k": 0.15}),
    "sigmoid": (lambda x: 0.2 + 0.5 / (1 + np.exp(-(x - 0.43) / 0.06)), {"b": 0.2, "L": 0.5, "x0": 0.43, "s": 0.06}),
    "step": (lambda x: np.where(x > 0.36, 0.7, 0.2), {"b": 0.2, "L": 0.5, "x0": 0.35}),
}
SMOOTH = [name for name in CURVES if name not in ("sigmoid", "step")]

# arXiv:2604.07848, appendix: share of the labels that is kept, and r between gradients and labels, one run.
KEPT = np.arange(100, 0, -10) / 100
R = np.array([0.794, 0.807, 0.720, 0.677, 0.658, 0.696, 0.527, 0.248, 0.221, 0.154])


def runs(name, n_seeds, noise, rng, levels=LEVELS):
    """Points of several seeds, each at all levels."""
    x = np.tile(levels, n_seeds)
    return x, CURVES[name][0](x) + noise * rng.normal(size=x.size), np.repeat(np.arange(n_seeds), len(levels))


def best(made):
    return min(made.values(), key=lambda fit: fit.aicc).model


@pytest.mark.parametrize("name", CURVES)
def test_a_curve_without_noise_is_found_again(name):
    of, parameters = CURVES[name]
    made = fits(LEVELS, of(LEVELS))
    assert made[name].parameters == pytest.approx(parameters, rel=1e-5)
    assert made[name].rss == pytest.approx(0, abs=1e-15)
    assert curve(made[name], LEVELS) == pytest.approx(of(LEVELS), abs=1e-7)
    assert best(made) == name
    if name != "constant":
        assert made[name].r2 == pytest.approx(1)


@pytest.mark.parametrize("name", CURVES)
def test_the_right_model_wins_on_noisy_runs(name):
    # AICc takes a richer model now and then, most of all the step, whose change point is chosen among many.
    rng = np.random.default_rng(1)
    won = Counter(best(fits(*runs(name, 10, 0.05, rng)[:2])) for _ in range(10))
    assert won[name] >= 6


@pytest.mark.parametrize(("seed", "noise"), [(0, 0.01), (1, 0.05), (2, 0.1), (3, 0.2), (4, 0.3)])
def test_no_fit_is_worse_than_that_of_scipy_from_the_true_parameters(seed, noise):
    rng = np.random.default_rng(seed)
    for name in ("hyperbola", "raised hyperbola", "sigmoid"):
        x, y, _ = runs(name, 3, noise, rng)
        model, true = MODELS[name], CURVES[name][1]

        def of(x, *p, model=model):
            a, c, *own = p if model.intercept else (0.0, *p)
            return a + c * model.shape(x, np.array([own]))[0]

        low = {"k": 1e-3, "s": 0.01, "x0": 0.0}
        high = {"k": 1e2, "s": 1.0, "x0": 1.0}
        bounds = [[d.get(p, end) for p in true] for d, end in ((low, -np.inf), (high, np.inf))]
        theirs, _ = curve_fit(of, x, y, p0=list(true.values()), bounds=bounds)
        assert fits(x, y)[name].rss <= ((y - of(x, *theirs)) ** 2).sum() * (1 + 1e-6)


def test_aicc_worked_by_hand():
    # Ten points, rss 0.1, three parameters: 10 ln 0.01 + 6 + 24 / 6 = -46.0517 + 10.
    assert aicc(0.1, 10, 3) == pytest.approx(-36.0517, abs=1e-4)
    # Residuals 1, -1, -1, 1 about the mean 2 of five points with one more of 0: rss 4, two parameters.
    made = fits([0, 0.25, 0.5, 0.75, 1], [3, 1, 1, 3, 2])["constant"]
    assert (made.rss, made.r2) == pytest.approx((4, 0))
    assert made.aicc == pytest.approx(5 * math.log(4 / 5) + 4 + 12 / 2)


def test_the_line_is_that_of_polyfit():
    x, y, _ = runs("line", 4, 0.1, np.random.default_rng(2))
    made = fits(x, y)["line"]
    slope, intercept = np.polyfit(x, y, 1)
    rss = ((y - intercept - slope * x) ** 2).sum()
    assert made.parameters == pytest.approx({"a": intercept, "b": slope})
    assert made.aicc == pytest.approx(len(x) * math.log(rss / len(x)) + 6 + 24 / (len(x) - 4))
    assert made.r2 == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)


def test_akaikes_weights_are_relative_likelihoods():
    made = fits(*runs("sigmoid", 3, 0.2, np.random.default_rng(3))[:2])
    assert sum(fit.weight for fit in made.values()) == pytest.approx(1)
    for fit in made.values():
        ratio = math.exp((made["line"].aicc - fit.aicc) / 2)
        assert fit.weight == pytest.approx(made["line"].weight * ratio)


def test_a_model_counts_its_parameters_and_the_variance():
    assert {name: model.count for name, model in MODELS.items()} == {
        "constant": 2,
        "line": 3,
        "hyperbola": 3,
        "raised hyperbola": 4,
        "sigmoid": 5,
        "step": 4,
    }


def test_the_order_of_points_is_of_no_account():
    rng = np.random.default_rng(4)
    x, y, _ = runs("sigmoid", 4, 0.1, rng)
    order = rng.permutation(len(x))
    one, other = fits(x, y), fits(x[order], y[order])
    for name, fit in one.items():
        assert other[name].parameters == pytest.approx(fit.parameters, rel=1e-4)
        assert other[name].aicc == pytest.approx(fit.aicc)


def test_the_published_table_is_better_described_by_a_hyperbola_than_by_its_sigmoid():
    made = fits(KEPT, R)
    sigmoid, hyperbola = made["sigmoid"], made["hyperbola"]
    assert sigmoid.parameters["x0"] == pytest.approx(0.378, abs=0.0005)
    assert sigmoid.r2 == pytest.approx(0.966, abs=0.0005)
    assert sigmoid.aicc == pytest.approx(-37.5, abs=0.05)
    assert hyperbola.aicc == pytest.approx(-43.5, abs=0.05)
    assert best(made) == "hyperbola"
    found = threshold(KEPT, R, np.zeros(len(R)), np.random.default_rng(0), 0.05)
    assert (found.found, found.better, found.transition) == (False, "hyperbola", "sigmoid")
    assert found.reason == "the hyperbola is better than the sigmoid by 6.0 in AICc"
    assert found.margin == pytest.approx(37.5 - 43.5, abs=0.05)


def test_share_kept_and_jaccard_index_are_equally_hyperbolic():
    # Keeping labels with probability p gives the Jaccard index p / (2 - p), which maps one hyperbola onto another.
    kept, jaccard = fits(KEPT, R)["hyperbola"], fits(KEPT / (2 - KEPT), R)["hyperbola"]
    assert jaccard.aicc == pytest.approx(kept.aicc)
    assert jaccard.parameters["c"] * (1 + kept.parameters["k"]) == pytest.approx(
        kept.parameters["c"] * (1 + jaccard.parameters["k"])
    )


@pytest.mark.parametrize("name", ["sigmoid", "step"])
def test_a_transition_is_a_threshold_with_its_interval(name):
    rng = np.random.default_rng(5)
    found = threshold(*runs(name, 8, 0.05, rng), rng, 0.05, resamples=100)
    assert found.found
    assert found.better == found.transition == name
    assert found.margin > 2
    assert found.low <= CURVES[name][1]["x0"] <= found.high
    assert found.x0 == pytest.approx(CURVES[name][1]["x0"], abs=0.03)
    assert found.high - found.low < 0.15


@pytest.mark.parametrize("name", SMOOTH)
def test_a_smooth_curve_has_no_threshold(name):
    rng = np.random.default_rng(6)
    found = [threshold(*runs(name, 10, 0.05, rng), rng, 0.05, resamples=20) for _ in range(10)]
    assert sum(f.found for f in found) <= 1
    for f in found:
        assert f.better in f.reason
        assert f.found or math.isnan(f.low)


def test_a_curve_that_saturates_from_above_zero_is_no_sigmoid_for_want_of_a_smooth_model():
    made = fits(*runs("raised hyperbola", 10, 0.05, np.random.default_rng(7))[:2])
    assert made["sigmoid"].aicc < min(made[name].aicc for name in ("constant", "line", "hyperbola")) - 2
    assert made["raised hyperbola"].aicc < made["sigmoid"].aicc


def test_half_a_sigmoid_is_no_threshold():
    # A parabola bends one way; only the sigmoid can follow it, with its middle at the edge of what is seen.
    rng = np.random.default_rng(8)
    x = np.tile(LEVELS, 10)
    y = 0.2 + 0.6 * x**2 + 0.05 * rng.normal(size=x.size)
    found = threshold(x, y, np.repeat(np.arange(10), len(LEVELS)), rng, 0.05)
    assert (found.found, found.better) == (False, "sigmoid")
    assert found.margin > 2
    assert "range" in found.reason
    assert math.isnan(found.low)


def test_the_interval_holds_the_true_threshold_as_often_as_it_says():
    # Seeds differ in their level and in where they change over, as runs do.
    rng, covered, n, alpha = np.random.default_rng(9), [], 8, 0.2
    for _ in range(25):
        x, seed = np.tile(LEVELS, n), np.repeat(np.arange(n), len(LEVELS))
        level, centre = 0.05 * rng.normal(size=n), 0.43 + 0.04 * rng.normal(size=n)
        y = 0.2 + level[seed] + 0.5 / (1 + np.exp(-(x - centre[seed]) / 0.06)) + 0.06 * rng.normal(size=x.size)
        found = threshold(x, y, seed, rng, alpha, resamples=50)
        covered.append(found.found and found.low <= 0.43 <= found.high)
    error = math.sqrt(alpha * (1 - alpha) / len(covered))
    assert np.mean(covered) == pytest.approx(1 - alpha, abs=3 * error)


def test_a_step_is_placed_no_better_than_between_two_levels():
    rng = np.random.default_rng(10)
    found = threshold(*runs("step", 6, 1e-6, rng), rng, 0.05, resamples=50)
    assert (found.x0, found.low, found.high) == pytest.approx((0.35, 0.3, 0.4))


def test_an_interval_over_the_whole_range_is_no_threshold():
    # The step is plain, but each seed has one overlap only: a quarter of all draws lack one of the three.
    rng = np.random.default_rng(11)
    seed = np.repeat(np.arange(6), 6)
    x = np.array([0.1, 0.5, 0.9])[seed // 2]
    y = np.where(x > 0.6, 0.7, 0.2) + 0.02 * rng.normal(size=x.size)
    found = threshold(x, y, seed, rng, 0.05, resamples=100)
    assert (found.found, found.better) == (False, "step")
    assert (found.x0, found.low, found.high) == pytest.approx((0.7, 0.1, 0.9))
    assert "whole range" in found.reason


def test_the_interval_is_that_of_fits_to_whole_seeds_drawn_with_replacement():
    n, resamples = 6, 20
    x, y, seeds = runs("sigmoid", n, 0.1, np.random.default_rng(15))
    found = threshold(x, y, seeds, np.random.default_rng(0), 0.2, resamples=resamples)
    rng, centres = np.random.default_rng(0), []
    for _ in range(resamples):
        drawn = [np.flatnonzero(seeds == seed) for seed in rng.integers(n, size=n)]
        points = np.concatenate(drawn)
        centres.append(fits(x[points], y[points])["sigmoid"].parameters["x0"])
    tail = stats.norm.sf(stats.t.ppf(0.9, n - 1) * math.sqrt(n / (n - 1)))
    assert (found.low, found.high) == pytest.approx(np.quantile(centres, [tail, 1 - tail]), abs=1e-5)


def test_a_transition_that_is_better_by_less_than_the_margin_is_no_threshold():
    rng = np.random.default_rng(16)
    points = runs("sigmoid", 6, 0.1, rng)
    by = threshold(*points, rng, 0.05, resamples=1).margin
    found = threshold(*points, rng, 0.05, margin=by + 1, resamples=1)
    assert (found.found, found.better, found.margin) == (False, "sigmoid", by)
    assert math.isnan(found.x0)
    assert f"only {by:.1f}" in found.reason


def test_few_seeds_allow_no_interval_and_no_threshold():
    rng = np.random.default_rng(12)
    found = threshold(*runs("sigmoid", 3, 0.02, rng), rng, 0.05)
    assert (found.found, found.better) == (False, "sigmoid")
    assert np.isnan([found.low, found.high]).all()
    assert "3 seeds" in found.reason


def test_a_model_with_more_parameters_than_levels_is_not_fitted():
    rng = np.random.default_rng(13)
    x, y, seeds = runs("sigmoid", 6, 0.02, rng, levels=np.array([0, 0.5, 1.0]))
    made = fits(x, y)
    assert [name for name, fit in made.items() if not fit.fitted] == ["sigmoid"]
    assert (made["sigmoid"].weight, made["sigmoid"].aicc) == (0, math.inf)
    x, y, seeds = runs("sigmoid", 6, 0.02, rng, levels=np.array([0, 1.0]))
    found = threshold(x, y, seeds, rng, 0.05)
    assert not found.found
    assert "2 values" in found.reason


def test_the_same_draws_give_the_same_interval():
    points = runs("sigmoid", 6, 0.1, np.random.default_rng(14))
    one, other = (threshold(*points, np.random.default_rng(0), 0.05, resamples=30) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    ("x", "y", "what"),
    [
        ([], [], "length"),
        ([0.1, 0.2], [1.0], "length"),
        ([0.1, np.nan], [1.0, 2.0], "finite"),
        ([0.1, 30], [1.0, 2.0], "between 0 and 1"),
    ],
)
def test_what_are_no_points_is_refused(x, y, what):
    with pytest.raises(ValueError, match=what):
        fits(x, y)


def test_what_is_no_interval_is_refused():
    x, y, seeds = runs("line", 5, 0.1, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="seed"):
        threshold(x, y, seeds[1:], rng, 0.05)
    with pytest.raises(ValueError, match="alpha"):
        threshold(x, y, seeds, rng, 0.0)
    with pytest.raises(ValueError, match="draw"):
        threshold(x, y, seeds, rng, 0.05, resamples=0)
