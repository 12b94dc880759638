"""Balancers: public implementations as oracles, worked examples, and what must hold for any losses and gradients."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alloymtl import components
from alloymtl.methods.balancers import gradnorm, inverse_size, none, pcgrad

ORACLES = Path(__file__).parent / "oracles"
PCGRAD, GRADNORM = (json.loads((ORACLES / f"{n}.json").read_text(encoding="utf-8")) for n in ("pcgrad", "gradnorm"))
HEADS, TAILS = 0.25, 0.75
SIZES = np.array([52388, 800, 840])


def options(name, **changed):
    return components.resolve("balancer", name, changed, "methods.m")


def cases(oracle):
    return [pytest.param(c, id=c["id"]) for c in oracle["cases"]]


# ---------------------------------------------------------------- static weights


def test_inverse_size_weights_are_the_papers():
    assert inverse_size.coefficients(SIZES, options("inverse_size")) == pytest.approx([1, 65.485, 62.3667], rel=1e-5)
    root = inverse_size.coefficients(SIZES, options("inverse_size", power=0.5))
    assert root**2 == pytest.approx(inverse_size.coefficients(SIZES, options("inverse_size")))


def test_by_default_pcgrad_projects_weighted_gradients_and_gradnorm_starts_from_equal_weights():
    weighted = inverse_size.coefficients(SIZES, options("inverse_size"))
    assert (pcgrad.coefficients(SIZES, options("pcgrad")) == weighted).all()
    assert (pcgrad.coefficients(SIZES, options("pcgrad", power=0)) == 1).all()
    assert (gradnorm.coefficients(SIZES, options("gradnorm")) == 1).all()
    assert (gradnorm.coefficients(SIZES, options("gradnorm", power=1.0)) == weighted).all()
    assert (none.coefficients(SIZES, options("none")) == 1).all()


# ---------------------------------------------------------------- PCGrad


def pcgrad_multipliers(gradients, present=None, draws=None, seed=0, **changed):
    g = np.asarray(gradients, dtype=float)
    n = len(g)
    present = np.ones(n, dtype=bool) if present is None else np.asarray(present)
    draws = np.random.default_rng(seed).random(pcgrad.n_draws(n)) if draws is None else draws
    chosen = options("pcgrad", **changed)
    state = pcgrad.initial_state(n, chosen)
    return pcgrad.balance(np.ones(n), g @ g.T, present, draws, state, pcgrad.settings(chosen))


def draws_for(orders, coin=HEADS):
    """Uniforms that make each task meet the others in the order listed."""
    n = len(orders)
    squares = np.full((2, n, n), coin)
    for task, order in enumerate(orders):
        squares[0, task, order] = np.arange(len(order)) / n
    return squares.ravel()


def on_the_vectors(gradients, draws, random_sign=False):
    """The sum of the projected gradients, algorithm 1 as it is printed: on the vectors."""
    n = len(gradients)
    orders, coins = draws.reshape(2, n, n)
    total = np.zeros(gradients.shape[1])
    for i in range(n):
        projected = gradients[i].copy()
        for j in sorted(set(range(n)) - {i}, key=lambda other: orders[i, other]):
            product, square = projected @ gradients[j], gradients[j] @ gradients[j]
            conflict = coins[min(i, j), max(i, j)] < 0.5 if random_sign else product < 0
            if conflict and square > 0:
                projected -= product / square * gradients[j]
        total += projected
    return total


@pytest.mark.parametrize("case", cases(PCGRAD))
def test_pcgrad_agrees_with_torchjd_in_every_order(case):
    tolerance = {"rel": PCGRAD["tolerance"]["rtol"], "abs": PCGRAD["tolerance"]["atol"]}
    gradients = np.array(case["gradients"])
    for expected in case["by_order"]:
        shared, heads = pcgrad_multipliers(gradients, draws=draws_for(expected["orders"]))
        assert shared @ gradients == pytest.approx(expected["weights"] @ gradients, **tolerance)
        assert shared == pytest.approx(expected["weights"], **tolerance)
        assert (heads == 1).all()


@st.composite
def task_gradients(draw, min_tasks=1, max_tasks=5):
    """Gradients (tasks x 4) of very different norms; some are zero, some the multiple of another."""
    n = draw(st.integers(min_tasks, max_tasks))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    found = rng.normal(size=(n, 4)) * 10.0 ** rng.integers(-3, 4, size=(n, 1))
    for i in range(n):
        what = draw(st.sampled_from(["own", "own", "zero", "dependent"]))
        if what == "zero":
            found[i] = 0
        elif what == "dependent":
            found[i] = rng.normal() * found[rng.integers(n)]
    return found


@given(task_gradients(), st.integers(0, 2**32), st.booleans())
def test_on_the_gram_matrix_pcgrad_is_what_it_is_on_the_vectors(gradients, seed, random_sign):
    draws = np.random.default_rng(seed).random(pcgrad.n_draws(len(gradients)))
    shared, _ = pcgrad_multipliers(gradients, draws=draws, projection="random_sign" if random_sign else "on")
    expected = on_the_vectors(gradients, draws, random_sign)
    # rounding of a product is relative to the norms of its factors, and each projection can pass it on
    assert shared @ gradients == pytest.approx(expected, rel=1e-9, abs=1e-9 * np.abs(gradients).max())


@given(task_gradients(2, 2), st.integers(0, 9))
def test_with_two_tasks_the_projection_removes_the_conflict(gradients, seed):
    shared, _ = pcgrad_multipliers(gradients, seed=seed)
    norms = np.linalg.norm(gradients, axis=1)
    assert (gradients @ (shared @ gradients) >= -1e-12 * norms * norms.max()).all()


@given(task_gradients(), st.integers(0, 9))
def test_without_conflict_pcgrad_is_the_plain_sum(gradients, seed):
    shared, heads = pcgrad_multipliers(np.abs(gradients), seed=seed)
    assert (shared == 1).all()
    assert (heads == 1).all()


@given(task_gradients(), st.integers(0, 9), st.sampled_from(["on", "off", "random_sign"]), st.data())
def test_pcgrad_of_a_step_is_that_of_the_tasks_present(gradients, seed, projection, data):
    n = len(gradients)
    present = data.draw(arrays(bool, n))
    draws = np.random.default_rng(seed).random(pcgrad.n_draws(n))
    # what stands in an absent task's rows is nobody's gradient: nothing may look at it
    found = pcgrad_multipliers(gradients, present, draws, projection=projection)
    alone = draws.reshape(2, n, n)[:, present][:, :, present].ravel()
    assert (found[:, present] == pcgrad_multipliers(gradients[present], draws=alone, projection=projection)).all()
    assert (found[:, ~present] == 0).all()


@given(task_gradients(), st.integers(0, 9), st.data())
def test_the_mean_divides_by_the_tasks_present(gradients, seed, data):
    present = data.draw(arrays(bool, len(gradients)))
    summed, mean = (pcgrad_multipliers(gradients, present, seed=seed, reduction=r) for r in ("sum", "mean"))
    assert mean * max(present.sum(), 1) == pytest.approx(summed)


def test_without_projection_every_task_present_counts_once():
    gradients = PCGRAD["cases"][0]["gradients"]  # two tasks in conflict
    assert (pcgrad_multipliers(gradients, projection="off") == 1).all()
    assert (pcgrad_multipliers(gradients, projection="off", reduction="mean") == 0.5).all()
    assert (pcgrad_multipliers(gradients, [False, True], projection="off") == [0, 1]).all()


def test_a_coin_decides_about_conflict_whatever_the_product():
    for product in (-0.5, 0.5):
        gradients = np.array([[1.0, 0.0], [product, 1.0]])
        heads, tails = (
            pcgrad_multipliers(gradients, draws=draws_for([[1], [0]], coin), projection="random_sign")[0]
            for coin in (HEADS, TAILS)
        )
        assert heads == pytest.approx([1 - product, 1 - product / 1.25])
        assert (tails == 1).all()


@given(task_gradients(), st.integers(0, 9), st.floats(1e-6, 1e6))
def test_pcgrad_knows_no_unit_of_the_loss(gradients, seed, scale):
    shared, _ = pcgrad_multipliers(gradients, seed=seed)
    scaled, _ = pcgrad_multipliers(scale * gradients, seed=seed)
    largest = np.abs(gradients).max()
    assert scaled @ gradients == pytest.approx(shared @ gradients, rel=1e-9, abs=1e-9 * largest)


# ---------------------------------------------------------------- GradNorm


class GradNorm:
    """Weights of tasks from step to step, from losses and gradient norms."""

    def __init__(self, n, start=None, **changed):
        self.n, chosen = n, options("gradnorm", **{"initial": 1, **changed})  # 1: as in the paper
        self.state, self.settings = gradnorm.initial_state(n, chosen), gradnorm.settings(chosen)
        if start is not None:
            self.state[:n] = start

    @property
    def weights(self):
        return self.state[: self.n].copy()

    def step(self, losses, norms, present=None):
        losses, norms = np.array(losses, dtype=float), np.array(norms, dtype=float)
        present = np.ones(self.n, dtype=bool) if present is None else np.asarray(present)
        gram = np.outer(norms, norms) * present * present[:, None]
        found = gradnorm.balance(losses * present, gram, present, np.zeros(0), self.state, self.settings)
        assert (found == self.weights * present).all()  # for backbone and heads alike, and none for the absent
        return self.weights


@pytest.mark.parametrize("case", cases(GRADNORM))
def test_gradnorm_agrees_with_a_public_implementation(case):
    tolerance = {"rel": GRADNORM["tolerance"]["rtol"], "abs": GRADNORM["tolerance"]["atol"]}
    start = case["initial_weights"]
    balancer = GradNorm(len(start), start, alpha=case["alpha"], rate=case["learning_rate"])
    for losses, norms, weights in zip(case["losses"], case["gradient_norms"], case["weights"], strict=True):
        assert balancer.step(losses, norms) == pytest.approx(weights, **tolerance)


# Two tasks, alpha 1, gradient norms 2 and 1 throughout, losses that begin at 1. The slopes have the same size in every
# step, so Adam's second moment, corrected, is their square, and a step is the rate times m / |slope|, corrected:
#   1. ratios 1, 1: targets 1.5, 1.5 for norms 2, 1. Slopes +2, -1. m = +.1 of the slope's size, corrected 1.
#   2. ratios 1, .5: r = 4/3, 2/3; mean norm (1.95 + 1.025) / 2 = 1.4875: targets 1.983, .992 for norms 1.95, 1.025.
#      Slopes -2, +1. m = .9 * .1 - .1 = -.01, corrected by 1 - .81: -1/19.
#   3. ratios .5, .5: both targets 1.488 for norms 1.953, 1.024. Slopes +2, -1. m = -.009 + .1 = .091, by 1 - .729.
WORKED = {"losses": [(1, 1), (1, 0.5), (0.5, 0.5)], "norms": (2, 1)}
WORKED["first"] = 1 - 0.025 * np.cumsum([1, -1 / 19, 91 / 271])  # what one loses, the other gains


def test_three_steps_of_gradnorm_worked_by_hand():
    balancer = GradNorm(2, alpha=1.0)
    for losses, first in zip(WORKED["losses"], WORKED["first"], strict=True):
        assert balancer.step(losses, WORKED["norms"]) == pytest.approx([first, 2 - first], abs=1e-9)


def test_steps_that_hold_one_task_alone_change_no_weight():
    balancer = GradNorm(2, alpha=1.0)
    for losses, first in zip(WORKED["losses"], WORKED["first"], strict=True):
        assert balancer.step(losses, WORKED["norms"]) == pytest.approx([first, 2 - first], abs=1e-9)
        before = balancer.state.copy()
        balancer.step((7, 0), (5, 0), [True, False])
        balancer.step((0, 0), (0, 0), [False, False])
        assert (balancer.state == before).all()


def test_losses_are_measured_against_the_first_step_that_holds_the_task():
    late, early = GradNorm(2), GradNorm(2)
    late.step((8, 0), (1, 0), [True, False])
    early.step((8, 0.3), (1, 1))
    early.state[:8] = late.state[:8]  # the same weights and moments
    assert (late.step((4, 0.3), (1, 1)) == early.step((4, 0.3), (1, 1))).all()


def test_a_first_loss_of_a_single_row_does_not_decide_the_run():
    """Two runs that differ in the luck of one batch end near each other if several batches make the first loss."""
    rng = np.random.default_rng(0)
    course = rng.chisquare(1, size=(400, 2))  # squared errors of single rows
    ends = {}
    for initial in (1, 32):
        for luck in (0.003, 6.0):
            balancer = GradNorm(2, initial=initial)
            balancer.step((1, luck), (1, 1))
            for losses in course:
                balancer.step(losses, (1, 1))
            ends[initial, luck] = balancer.weights[1]
    assert abs(ends[1, 0.003] - ends[1, 6.0]) > 1
    assert abs(ends[32, 0.003] - ends[32, 6.0]) < 0.25


POSITIVE = st.floats(1e-3, 1e3)


@st.composite
def steps(draw, n, presence=None):
    """Losses, gradient norms and presence of some steps."""
    found = []
    for _ in range(draw(st.integers(1, 12))):
        present = draw(arrays(bool, n)) if presence is None else np.array(presence)
        norms = draw(arrays(float, n, elements=st.one_of(st.just(0.0), POSITIVE)))
        found.append((draw(arrays(float, n, elements=POSITIVE)), norms, present))
    return found


@given(st.integers(1, 5).flatmap(lambda n: st.tuples(st.just(n), steps(n))), st.sampled_from([0.025, 0.5]))
def test_weights_stay_positive_and_sum_to_the_number_of_tasks(drawn, rate):
    n, course = drawn
    balancer = GradNorm(n, rate=rate)
    for losses, norms, present in course:
        before = balancer.weights
        weights = balancer.step(losses, norms, present)
        assert (weights > 0).all()
        assert weights.sum() == pytest.approx(n)
        assert (weights[~present] == before[~present]).all()


def test_the_floor_holds_a_weight_that_would_go_below_zero():
    balancer = GradNorm(2, alpha=0.0)
    for _ in range(200):
        weights = balancer.step((1, 1), (1e4, 1))
    assert 0 < weights[0] < 0.03  # equal weighted norms ask for 0.0002
    assert weights.sum() == pytest.approx(2)


@given(steps(3, presence=[True, False, True]))
def test_without_a_task_gradnorm_is_that_of_the_others(course):
    three, two = GradNorm(3), GradNorm(2)
    for losses, norms, present in course:
        weights = three.step(losses, norms, present)
        assert (weights[present] == two.step(losses[present], norms[present])).all()
        assert weights[1] == 1


@given(steps(3), arrays(int, 3, elements=st.integers(-20, 20)))
def test_gradnorm_knows_no_unit_of_a_loss(course, exponents):
    plain, scaled = GradNorm(3), GradNorm(3)
    for losses, norms, present in course:
        found = scaled.step(losses * 2.0**exponents, norms, present)  # powers of two: no rounding
        assert (found == plain.step(losses, norms, present)).all()


def test_gradnorm_knows_no_unit_of_the_gradients_but_for_adams_epsilon():
    rng, plain, scaled = np.random.default_rng(0), GradNorm(3), GradNorm(3)
    for losses, norms in rng.uniform(0.5, 2, size=(20, 2, 3)):
        expected = plain.step(losses, norms)
        assert scaled.step(losses, 64 * norms) == pytest.approx(expected, rel=1e-7)
    assert np.abs(expected - 1).max() > 0.05


def test_the_task_with_the_larger_gradient_loses_weight_and_the_one_that_lags_gains():
    larger = GradNorm(2).step((1, 1), (3, 1))
    assert larger[0] < 1 < larger[1]
    lagging = GradNorm(2)
    lagging.state[8:] = 1  # losses of 1 were seen once
    assert lagging.step((0.9, 0.1), (1, 1))[0] > 1


def test_a_loss_of_zero_tells_no_rate_of_training():
    balancer = GradNorm(3)
    balancer.step((0, 1, 1), (0, 3, 1))  # Balanced MSE of a single row: present, but no loss and no gradient
    pair = GradNorm(2)
    assert (balancer.weights == [1, *pair.step((1, 1), (3, 1))]).all()
    balancer.step((2, 1, 1), (1, 3, 1))
    assert np.isfinite(balancer.state).all()
    assert balancer.state[12:15].tolist() == [2, 1, 1]
