"""Balancers that weigh losses or normalise gradients: oracles, worked examples, and what must hold for any losses."""

import importlib
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alloymtl import components
from alloymtl.methods.balancers import pcgrad
from alloymtl.methods.balancers._gram import eigen, shortest
from alloymtl.methods.balancers.imgrad import lowest
from alloymtl.training.compiled.engine import compiled_balancer

ORACLES = Path(__file__).parent / "oracles"
BY_LOSS = ("slaw", "rlw", "uw_o", "uw_so", "uncertainty", "famo", "stch")
BY_GRADIENT = ("gradient_norm", "gradient_norm_shared", "ngdiff", "gradvac", "config", "imgrad")
ALL = BY_LOSS + BY_GRADIENT
VARIANTS = {
    "rlw": [{}, {"distribution": "dirichlet"}],
    "stch": [{}, {"variant": "released", "warmup": 2}],
    "imgrad": [{}, {"variant": "released"}],
    "gradient_norm": [{}, {"smoothing": 0.9}],
    "gradient_norm_shared": [{}, {"smoothing": 0.9}],
    "gradvac": [{"beta": 0.5}],
}
EACH = [pytest.param(name, o, id=f"{name}{i or ''}") for name in ALL for i, o in enumerate(VARIANTS.get(name, [{}]))]
HEADS_OWN = {"ngdiff", "gradvac", "config"}  # heads keep their own gradients
SIZES = np.array([52388, 800, 840])


def oracle(name):
    found = json.loads((ORACLES / f"{name}.json").read_text(encoding="utf-8"))
    found["tolerance"] = {"rel": found["tolerance"]["rtol"], "abs": found["tolerance"]["atol"]}
    return found


def cases(found):
    return [pytest.param(c["inputs"], c["expected"], id=c["id"]) for c in found["cases"]]


class Balancer:
    """A balancer with its state, asked step by step."""

    def __init__(self, name, n, compiled=False, **changed):
        self.module = importlib.import_module(f"alloymtl.methods.balancers.{name}")
        chosen = components.resolve("balancer", name, changed, "methods.m")
        self.n, self.settings = n, self.module.settings(chosen)
        self.state, self.n_draws = self.module.initial_state(n, chosen), self.module.n_draws(n)
        self.balance = compiled_balancer(self.module.__name__) if compiled else self.module.balance

    def step(self, losses=None, gradients=None, present=None, draws=None, gram=None):
        """Multipliers; what stands in an absent task's place is nobody's, and nothing may look at it."""
        present = np.ones(self.n, dtype=bool) if present is None else np.asarray(present)
        losses = np.ones(self.n) if losses is None else np.array(losses, dtype=float)
        if gram is None:
            g = np.eye(self.n) if gradients is None else np.asarray(gradients, dtype=float)
            gram = g @ g.T
        draws = np.random.default_rng(0).random(self.n_draws) if draws is None else draws
        before = losses.copy(), gram.copy()
        with np.errstate(all="raise", under="ignore"):
            found = self.balance(losses, gram, present, draws, self.state, self.settings)
        assert (losses == before[0]).all()
        assert (gram == before[1]).all()
        assert np.isfinite(found).all()
        assert np.isfinite(self.state).all()
        assert (found[:, ~present] == 0).all()
        return found

    def weights(self, *args, **kwargs):
        """Weights of a method that weighs losses: shared parameters and heads alike."""
        shared, heads = self.step(*args, **kwargs)
        assert (shared == heads).all()
        return shared


# ---------------------------------------------------------------- drawn losses and gradients

LOSS = st.floats(1e-3, 1e3)


@st.composite
def task_gradients(draw, min_tasks=1, max_tasks=4, zero=True):
    """Gradients (tasks x 6) of very different norms; some are zero, some the multiple of another."""
    n = draw(st.integers(min_tasks, max_tasks))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    found = rng.normal(size=(n, 6)) * 10.0 ** rng.integers(-3, 4, size=(n, 1))
    for i in range(n):
        what = draw(st.sampled_from(["own", "own", "dependent", *["zero"] * zero]))
        if what == "zero":
            found[i] = 0
        elif what == "dependent" and i:
            found[i] = rng.normal() * found[rng.integers(i)]
    return found


@st.composite
def courses(draw, n, longest=8):
    """Losses, gradients, presence and draws of some steps."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    found = []
    for _ in range(draw(st.integers(1, longest))):
        losses = draw(arrays(float, n, elements=LOSS))
        gradients = rng.normal(size=(n, 6)) * 10.0 ** rng.integers(-2, 3, size=(n, 1))
        found.append((losses, gradients, draw(arrays(bool, n)), rng.random((4, n, n))))
    return found


def uniforms(balancer, draws, keep=slice(None)):
    """Draws of a step in a balancer's own layout, for the tasks kept."""
    squares = balancer.n_draws == balancer.n**2 and balancer.module.__name__.endswith("gradvac")
    return draws[0][keep][:, keep].ravel() if squares else draws[1][:2][:, keep].ravel()[: balancer.n_draws]


# ---------------------------------------------------------------- what holds for all


@pytest.mark.parametrize(("name", "chosen"), EACH)
@settings(max_examples=20)
@given(data=st.data())
def test_a_step_of_some_tasks_is_that_of_the_tasks_present_alone(name, chosen, data):
    """Two tasks of three, in every step: weights are those of a study of the two, but for the share that they have."""
    present = np.array(data.draw(st.sampled_from([p for p in itertools.product([False, True], repeat=3) if any(p)])))
    course = data.draw(courses(3))
    three, fewer = Balancer(name, 3, **chosen), Balancer(name, int(present.sum()), **chosen)
    factor = present.mean() if name in {"rlw", "uw_so", "famo"} or (name == "stch" and not chosen) else 1
    for losses, gradients, _, draws in course:
        if name == "stch" and not chosen:  # the preference 1 / T is within the exponential
            found = three.step(losses * 3, gradients, present)
            alone = fewer.step(losses[present] * present.sum(), gradients[present]) / 3 * present.sum()
        else:
            found = three.step(losses, gradients, present, uniforms(three, draws))
            alone = fewer.step(losses[present], gradients[present], draws=uniforms(fewer, draws, present))
        assert found[:, present] == pytest.approx(alone * factor, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("name", "chosen"), EACH)
def test_steps_without_a_task_leave_what_is_remembered_of_it(name, chosen):
    rng = np.random.default_rng(0)
    balancer = Balancer(name, 3, **chosen)
    for _ in range(3):
        balancer.step(rng.uniform(0.5, 2, 3), rng.normal(size=(3, 5)))
    before = balancer.state.copy()
    for _ in range(3):
        balancer.step(rng.uniform(0.5, 2, 3), rng.normal(size=(3, 5)), [True, False, True])
    if name == "gradvac":
        after, before = balancer.state.reshape(3, 3), before.reshape(3, 3)
        assert (after[1] == before[1]).all()
        assert (after[:, 1] == before[:, 1]).all()
    else:
        assert (balancer.state.reshape(-1, 3)[:, 1] == before.reshape(-1, 3)[:, 1]).all()
    before = balancer.state.copy()
    assert (balancer.step(present=[False] * 3) == 0).all()
    assert (balancer.state == before).all()


@pytest.mark.parametrize(("name", "chosen"), EACH)
@settings(max_examples=40)
@given(gradients=task_gradients(), data=st.data())
def test_zero_tiny_and_dependent_gradients_and_losses_end_in_finite_numbers(name, chosen, gradients, data):
    n = len(gradients)
    balancer = Balancer(name, n, **chosen)
    for _ in range(3):
        losses = data.draw(arrays(float, n, elements=st.sampled_from([0.0, 1e-37, 1e-8, 1.0, 1e8])))
        found = balancer.step(losses, gradients * data.draw(st.sampled_from([0.0, 1e-36, 1e-9, 1.0, 1e9])))
        assert (np.abs(found) < np.finfo(np.float32).max).all()


@pytest.mark.parametrize(("name", "chosen"), EACH)
def test_compiled_it_is_what_it_is_in_python(name, chosen):
    rng = np.random.default_rng(1)
    for n in (1, 3, 4):
        plain, compiled = Balancer(name, n, **chosen), Balancer(name, n, compiled=True, **chosen)
        for step in range(12):
            losses, gradients = rng.uniform(0, 3, n), rng.normal(size=(n, 6)) * 10.0 ** rng.integers(-2, 3, (n, 1))
            if step % 4 == 3:
                losses[-1], gradients[-1] = 0, 0
            if step % 4 == 2:
                gradients[-1] = -2 * gradients[0]
            present, draws = rng.random(n) < 0.8, rng.random(plain.n_draws)
            expected = plain.step(losses, gradients, present, draws)
            assert compiled.step(losses, gradients, present, draws) == pytest.approx(expected, rel=1e-9, abs=1e-12)
            assert compiled.state == pytest.approx(plain.state, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_static_weights_by_size_come_before_it_if_asked_for(name):
    module = importlib.import_module(f"alloymtl.methods.balancers.{name}")
    assert components.resolve("balancer", name, {}, "methods.m") == module.OPTIONS
    assert (module.coefficients(SIZES, module.OPTIONS) == 1).all()
    weighted = module.coefficients(SIZES, {**module.OPTIONS, "power": 1.0})
    assert weighted == pytest.approx([1, 65.485, 62.3667], rel=1e-5)
    scope = "none" if name in BY_LOSS else "last" if name == "gradient_norm" else "shared"
    assert scope == module.GRADIENTS


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("value", [0, 1e9])
def test_no_option_that_a_config_may_hold_breaks_it(name, value):
    defaults = components.resolve("balancer", name, {}, "methods.m")
    numbers = {k: type(v)(value) for k, v in defaults.items() if not isinstance(v, str) and k != "power"}
    rng, balancer = np.random.default_rng(0), Balancer(name, 3, **numbers)
    for _ in range(4):
        balancer.step(rng.uniform(0.5, 2, 3), rng.normal(size=(3, 5)))


@pytest.mark.parametrize(("name", "chosen"), [p for p in EACH if p.values[0] in HEADS_OWN])
def test_heads_keep_their_own_gradients(name, chosen):
    heads = Balancer(name, 3, **chosen).step(gradients=np.diag([1.0, 2, 3]), present=[True, False, True])[1]
    assert heads.tolist() == [1, 0, 1]


# ---------------------------------------------------------------- gradient-norm scaling and the normalised sum


@pytest.mark.parametrize("name", ["gradient_norm", "gradient_norm_shared"])
def test_two_weights_worked_by_hand(name):
    # norms 5 and 2, sum (3, 6) of norm sqrt(45)
    weights = Balancer(name, 2).weights(gradients=[[3, 4], [0, 2]])
    assert weights == pytest.approx([45**0.5 / 5, 45**0.5 / 2])


@settings(max_examples=50)
@given(task_gradients())
def test_every_task_gives_a_gradient_of_the_norm_of_the_plain_sum(gradients):
    weights = Balancer("gradient_norm", len(gradients)).weights(gradients=gradients)
    norms = np.linalg.norm(gradients, axis=1)
    length = np.linalg.norm(gradients.sum(0))
    assert (weights * norms)[norms > 0] == pytest.approx(length, rel=1e-6, abs=1e-7 * norms.max())
    assert (weights[norms == 0] == 0).all()


@settings(max_examples=50)
@given(task_gradients(2, 4, zero=False), arrays(int, 4, elements=st.integers(-20, 20)))
def test_scaling_a_loss_leaves_the_direction_of_norm_scaling_and_of_the_normalised_sum(gradients, exponents):
    scaled = gradients * 2.0 ** exponents[: len(gradients), None]
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    unit = (gradients / norms).sum(0)
    for each in (gradients, scaled):
        n = len(each)
        assert Balancer("ngdiff", n).step(gradients=each)[0] @ each == pytest.approx(unit, rel=1e-9, abs=1e-9)
        length = np.linalg.norm(each.sum(0))
        found = Balancer("gradient_norm", n).weights(gradients=each) @ each
        largest = np.linalg.norm(each, axis=1).max()
        assert found == pytest.approx(length * unit, rel=1e-6, abs=1e-6 * largest)


def test_smoothed_norms_are_moving_averages_corrected_for_their_start():
    balancer = Balancer("gradient_norm", 2, smoothing=0.5)
    assert balancer.weights(gradients=[[2, 0], [0, 1]]) == pytest.approx([5**0.5 / 2, 5**0.5])
    # after norms 2 and 5: (.25 * 2 + .5 * 5) / .75 = 4; task 2 is absent, then comes with 1 and 4: also 3
    assert balancer.weights(gradients=[[5, 0], [0, 1]], present=[True, False])[0] == pytest.approx(5 / 4)
    last = balancer.weights(gradients=[[3, 0], [0, 4]])
    assert last == pytest.approx([5 / ((0.125 * 2 + 0.25 * 5 + 0.5 * 3) / 0.875), 5 / 3])


def test_with_equal_norms_and_no_smoothing_weights_are_alike_and_shrink_with_conflict():
    assert Balancer("gradient_norm", 2).weights(gradients=[[1, 0], [0, 1]]) == pytest.approx(2**0.5)
    assert Balancer("gradient_norm", 2).weights(gradients=[[1, 0], [-1, 0]]) == pytest.approx(0)


# ---------------------------------------------------------------- SLAW

SLAW = oracle("slaw")


@pytest.mark.parametrize(("inputs", "expected"), [c for c in cases(SLAW) if c.id != "sum_kept"])
def test_slaw_agrees_with_the_released_code(inputs, expected):
    balancer = Balancer("slaw", len(inputs["losses"][0]), beta=inputs["ema"])
    found = [balancer.weights(losses) for losses in inputs["losses"]]
    for step, weights in zip(expected["steps"], expected["weights"], strict=True):
        assert found[step - 1] == pytest.approx(weights, **SLAW["tolerance"])


def test_slaw_from_equal_weights_is_that_from_others_after_the_first_step():
    (inputs, expected) = next(c.values for c in cases(SLAW) if c.id == "sum_kept")
    balancer = Balancer("slaw", 3)
    found = [balancer.weights(losses) for losses in inputs["losses"]]
    for step, weights in list(zip(expected["steps"], expected["weights"], strict=True))[1:]:
        assert found[step - 1] == pytest.approx(weights, **SLAW["tolerance"])


@settings(max_examples=30)
@given(courses(3), arrays(int, 3, elements=st.integers(-3, 3)))
def test_slaw_weights_sum_to_the_tasks_known_and_take_units_out(course, exponents):
    plain, scaled, seen = Balancer("slaw", 3), Balancer("slaw", 3), np.zeros(3)
    for losses, _, present, _ in course:
        seen += present
        weights = plain.weights(losses, present=present)
        known = seen > 1
        if present.all():
            assert weights[known].sum() == pytest.approx(known.sum())
            assert (weights[~known] == 1).all()
        other = scaled.weights(losses * 2.0**exponents, present=present)
        if known.all() and (plain.state[3:6] > 1e-8).all() and (scaled.state[3:6] > 1e-8).all():
            asked = (weights / 2.0**exponents)[present]
            assert other[present] / other[present].sum() == pytest.approx(asked / asked.sum())


# ---------------------------------------------------------------- random weights


@pytest.mark.parametrize("distribution", ["normal", "dirichlet"])
def test_random_weights_have_their_distribution(distribution):
    balancer, rng = Balancer("rlw", 3, distribution=distribution), np.random.default_rng(0)
    found = np.array([balancer.weights(draws=rng.random(6)) for _ in range(4000)])
    assert found.sum(1) == pytest.approx(1)
    assert found.mean(0) == pytest.approx(1 / 3, abs=0.015)
    if distribution == "dirichlet":
        assert found.var(0) == pytest.approx(1 / 18, abs=0.005)  # of a flat Dirichlet of three
    else:
        logs = np.log(found[:, 0] / found[:, 1])  # difference of two standard normals
        assert logs.mean() == pytest.approx(0, abs=0.1)
        assert logs.std() == pytest.approx(2**0.5, abs=0.06)
        assert (logs**4).mean() / (logs**2).mean() ** 2 == pytest.approx(3, abs=0.4)


@pytest.mark.parametrize("distribution", ["normal", "dirichlet"])
def test_uniforms_at_their_bounds_give_weights(distribution):
    for draws in itertools.product([0.0, 1 - 2**-53], repeat=4):
        weights = Balancer("rlw", 2, distribution=distribution).weights(draws=np.array(draws))
        assert weights.sum() == pytest.approx(1)


# ---------------------------------------------------------------- uncertainty weighting

UW, UW_SO = oracle("uw"), oracle("uw_so")


@pytest.mark.parametrize(("inputs", "expected"), cases(UW_SO))
def test_analytical_uncertainty_weights_are_exact(inputs, expected):
    n = len(inputs["losses"])
    assert Balancer("uw_o", n).weights(inputs["losses"]) == pytest.approx(
        expected["inverse_loss_weights"], **UW_SO["tolerance"]
    )
    for case in expected["by_temperature"]:
        weights = Balancer("uw_so", n, temperature=case["temperature"]).weights(inputs["losses"])
        assert weights == pytest.approx(case["weights"], **UW_SO["tolerance"])
        released = Balancer("uw_so", n, temperature=case["temperature"]).weights(np.array(inputs["losses"]) + 1e-8)
        assert released == pytest.approx(case["weights_released"], **UW_SO["tolerance"])


@pytest.mark.parametrize(("inputs", "expected"), [c for c in cases(UW) if c.id.startswith("adam")])
def test_uncertainty_weighting_agrees_with_torchjd(inputs, expected):
    balancer = Balancer("uncertainty", len(inputs["losses"][0]), rate=inputs["learning_rate"])
    for losses, weights, after in zip(
        inputs["losses"], expected["coefficients"], expected["log_variance_after"], strict=True
    ):
        assert balancer.weights(losses) == pytest.approx(weights, **UW["tolerance"])
        assert balancer.state[: balancer.n] == pytest.approx(after, **UW["tolerance"])


@pytest.mark.parametrize(("inputs", "expected"), [c for c in cases(UW) if "log_variances" in c.values[0]])
def test_uncertainty_weights_and_slopes_at_given_noise(inputs, expected):
    n = len(inputs["losses"])
    for row in expected["rows"]:
        balancer = Balancer("uncertainty", n)
        balancer.state[:n] = row["log_variance"]
        assert balancer.weights(inputs["losses"]) == pytest.approx(row["coefficients"], **UW["tolerance"])
        slopes = balancer.state[n : 2 * n] / 0.1  # Adam's first moment after one step
        assert slopes == pytest.approx(row["grad_log_variance"], **UW["tolerance"])


def test_learned_noise_tends_to_the_loss():
    balancer = Balancer("uncertainty", 2, rate=0.01)
    for _ in range(3000):
        weights = balancer.weights([2.0, 0.05])
    assert weights == pytest.approx([1 / 4, 10], rel=1e-3)
    for _ in range(500):
        balancer.weights([2.0, 0.05], present=[True, False])
    assert balancer.weights([2.0, 0.05])[1] == pytest.approx(10, rel=1e-3)


@settings(max_examples=30)
@given(arrays(float, 3, elements=LOSS), arrays(int, 3, elements=st.integers(-9, 9)))
def test_inverse_losses_make_every_weighted_loss_one(losses, exponents):
    assert Balancer("uw_o", 3).weights(losses) * losses == pytest.approx(1)
    scaled = losses * 2.0**exponents
    assert Balancer("uw_o", 3).weights(scaled) * scaled == pytest.approx(1)
    # Beyond single precision, in which the network computes, no weight may go.
    vanishing = Balancer("uw_o", 3).weights(np.array([1e-38, 1e-300, 2.0]))
    assert vanishing == pytest.approx([1e8, 1e8, 0.5])


def test_a_loss_that_is_not_positive_counts_as_absent_where_its_inverse_or_logarithm_is_asked_for():
    for name in ("uw_o", "uw_so", "famo"):
        balancer, other = Balancer(name, 3), Balancer(name, 3)
        for losses in ((1, 0, 2), (2, -1, 3)):
            expected = other.weights(losses, present=[True, False, True])
            assert (balancer.weights(losses) == expected).all()
        assert (balancer.state == other.state).all()


def test_a_loss_of_zero_says_nothing_of_its_noise():
    balancer = Balancer("uncertainty", 2)
    balancer.weights([2, 3])
    before = balancer.state.copy()
    assert balancer.weights([0, -1]) == pytest.approx(np.exp(-before[:2]) / 2)
    assert (balancer.state == before).all()


# ---------------------------------------------------------------- FAMO

FAMO = oracle("famo")


@pytest.mark.parametrize(("inputs", "expected"), cases(FAMO))
def test_famo_agrees_with_the_released_code(inputs, expected):
    """The losses after a step are told to it as the next step's; then the next batch begins anew."""
    n = len(inputs["min_losses"])
    balancer = Balancer("famo", n, rate=inputs["learning_rate"], decay=inputs["weight_decay"])
    before, after = (np.array(inputs[k]) - inputs["min_losses"] for k in ("losses_before", "losses_after"))
    for step in range(len(before)):
        balancer.state[5 * n :] = 0  # no loss of an earlier batch is known
        found = balancer.weights(before[step])
        assert found == pytest.approx(expected["coefficients"][step], **FAMO["tolerance"])
        balancer.weights(after[step])
        assert balancer.state[:n] == pytest.approx(expected["logits_after"][step], **FAMO["tolerance"])


def test_famo_gives_weight_to_the_task_that_lags():
    balancer, course = Balancer("famo", 2), 0.9 ** np.arange(30)
    for fast in course:
        weights = balancer.weights([fast, 1.0])
    logits = balancer.state[:2]
    assert logits[0] < -0.3 < 0.3 < logits[1]
    z = np.exp(logits) / np.exp(logits).sum() / [course[-1], 1.0]
    assert weights == pytest.approx(z / z.sum(), rel=1e-6)


def test_steps_that_hold_one_task_alone_move_no_logit():
    balancer = Balancer("famo", 2)
    for losses in ([1, 1], [0.5, 0.9], [0.4, 0.9]):
        balancer.weights(losses)
    before = balancer.state[:8].copy()
    assert balancer.weights([0.1, 0], present=[True, False]) == pytest.approx([0.5, 0])
    assert (balancer.state[:8] == before).all()
    assert np.exp(balancer.state[8:10]) == pytest.approx([0.1, 0.9])


# ---------------------------------------------------------------- smooth Tchebycheff

STCH = oracle("stch")


@pytest.mark.parametrize(("inputs", "expected"), [c for c in cases(STCH) if "mus" in c.values[0]])
def test_the_smooth_maximum_agrees_with_torchjd(inputs, expected):
    """A preference is a static weight times the number of tasks; an ideal loss is taken off before."""
    losses, n = np.array(inputs["losses"]), len(inputs["losses"])
    static = n * np.array(inputs["preference"]) if inputs["preference"] else np.ones(n)
    ideal = np.array(inputs["reference"]) if inputs["reference"] else np.zeros(n)
    for case in expected["by_mu"]:
        weights = Balancer("stch", n, mu=case["mu"]).weights(static * (losses - ideal))
        assert static * weights == pytest.approx(case["coefficients"], **STCH["tolerance"])


def test_the_released_smooth_maximum_is_that_of_logarithms_after_a_warm_up():
    inputs, expected = next(c.values for c in cases(STCH) if c.id == "official_log_form")
    balancer = Balancer("stch", 3, variant="released", mu=inputs["mu"], warmup=3)
    for losses, weights in zip(inputs["warmup_losses"], expected["coefficients_warmup"], strict=True):
        assert balancer.weights(losses) == pytest.approx(weights, **STCH["tolerance"])
    assert balancer.state[:3] == pytest.approx(expected["nadir"], **STCH["tolerance"])
    for losses, weights in zip(inputs["later_losses"], expected["coefficients_later"], strict=True):
        assert balancer.weights(losses) == pytest.approx(weights, **STCH["tolerance"])


@settings(max_examples=30)
@given(arrays(float, 3, elements=LOSS), st.sampled_from([0.1, 1.0, 10.0]))
def test_the_coefficients_are_the_derivative_of_the_smooth_maximum(losses, mu):
    def smooth(values):
        largest = values.max()
        return largest / 3 + mu * np.log(np.exp((values - largest) / (3 * mu)).sum())

    weights = Balancer("stch", 3, mu=mu).weights(losses)
    assert weights.sum() == pytest.approx(1 / 3)
    step = 1e-4 * np.eye(3)
    slopes = [(smooth(losses + s) - smooth(losses - s)) / 2e-4 for s in step]
    assert weights == pytest.approx(slopes, abs=1e-6)


# ---------------------------------------------------------------- gradient vaccine

GRADVAC = oracle("gradvac")


def in_orders(orders):
    """Uniforms that make each task meet the others in the order listed."""
    n = len(orders)
    square = np.full((n, n), 0.99)
    for task, order in enumerate(orders):
        square[task, order] = np.arange(len(order)) / n
    return square.ravel()


@pytest.mark.parametrize(("inputs", "expected"), cases(GRADVAC))
def test_gradvac_agrees_with_torchjd(inputs, expected):
    balancer = Balancer("gradvac", len(inputs["calls"][0]["gradients"]), beta=inputs["beta"])
    for call, found in zip(inputs["calls"], expected["calls"], strict=True):
        gradients = np.array(call["gradients"])
        shared, heads = balancer.step(gradients=gradients, draws=in_orders(call["orders"]))
        assert shared @ gradients == pytest.approx(np.array(found["combined"]), **GRADVAC["tolerance"])
        assert shared == pytest.approx(found["weights"], **GRADVAC["tolerance"])
        targets = np.array(found["target_cosines_after"])
        assert balancer.state == pytest.approx(targets.ravel(), **GRADVAC["tolerance"])
        assert (heads == 1).all()


@settings(max_examples=50)
@given(task_gradients(2, 2, zero=False), st.floats(-0.9, 0.9))
def test_with_two_tasks_the_vaccinated_gradient_meets_its_target(gradients, target):
    cosine = gradients[0] @ gradients[1] / np.prod(np.linalg.norm(gradients, axis=1))
    balancer = Balancer("gradvac", 2)
    balancer.state[1] = target  # of task 1; that of task 2 asks for nothing
    balancer.state[2] = -1
    weights = balancer.step(gradients=gradients)[0] - [0, 1]
    found = weights @ gradients
    reached = found @ gradients[1] / np.linalg.norm(found) / np.linalg.norm(gradients[1])
    if abs(cosine) < 0.999:
        assert reached == pytest.approx(max(cosine, target), abs=1e-6)


@settings(max_examples=50)
@given(task_gradients(), st.integers(0, 99))
def test_with_targets_that_stay_zero_gradvac_is_pcgrad(gradients, seed):
    n = len(gradients)
    draws = np.random.default_rng(seed).random(2 * n * n)
    found = Balancer("gradvac", n, beta=0).step(gradients=gradients, draws=draws[: n * n])
    chosen = components.resolve("balancer", "pcgrad", {}, "methods.m")
    gram = gradients @ gradients.T
    other = pcgrad.balance(np.ones(n), gram, np.ones(n, dtype=bool), draws, np.zeros(0), pcgrad.settings(chosen))
    assert found[0] @ gradients == pytest.approx(other[0] @ gradients, rel=1e-6, abs=1e-6 * np.abs(gradients).max())


# ---------------------------------------------------------------- ConFIG

CONFIG = oracle("config")


@pytest.mark.parametrize(("inputs", "expected"), cases(CONFIG))
def test_config_agrees_with_torchjd(inputs, expected):
    gradients = np.array(inputs["gradients"])
    shared, heads = Balancer("config", len(gradients)).step(gradients=gradients)
    assert shared @ gradients == pytest.approx(np.array(expected["combined"]), **CONFIG["tolerance"])
    assert (heads == 1).all()


@settings(max_examples=50)
@given(st.integers(1, 5), st.integers(0, 2**32))
def test_configs_direction_has_one_cosine_and_the_length_of_the_projections(n, seed):
    rng = np.random.default_rng(seed)
    gradients = rng.normal(size=(n, 8)) * 10.0 ** rng.integers(-3, 4, size=(n, 1))
    unit = gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
    d = Balancer("config", n).step(gradients=gradients)[0] @ gradients
    length = np.linalg.norm(d)
    cosines = unit @ d / length
    assert cosines == pytest.approx(cosines[0], abs=1e-6)
    assert cosines[0] > 0
    assert length == pytest.approx((gradients @ d / length).sum(), rel=1e-6)


def test_opposite_gradients_have_no_direction_in_common():
    assert (Balancer("config", 2).step(gradients=[[1, 2], [-2, -4]])[0] == 0).all()


@settings(max_examples=50)
@given(st.integers(1, 7), st.integers(0, 7), st.integers(0, 2**32))
def test_eigenvalues_and_vectors_make_the_matrix(n, rank, seed):
    rows = np.random.default_rng(seed).normal(size=(n, rank))
    matrix = rows @ rows.T
    values, vectors = eigen(matrix)
    assert vectors.T @ vectors == pytest.approx(np.eye(n), abs=1e-12)
    assert vectors * values @ vectors.T == pytest.approx(matrix, abs=1e-11)
    assert np.sort(values) == pytest.approx(np.linalg.eigvalsh(matrix), abs=1e-11)


# ---------------------------------------------------------------- IMGrad

IMGRAD = oracle("imgrad")


@pytest.mark.parametrize(("inputs", "expected"), cases(IMGRAD))
def test_imgrad_agrees_with_the_exact_solution(inputs, expected):
    gradients, tolerance = np.array(inputs["gradients"]), IMGRAD["tolerance"]
    n = len(gradients)
    every = np.ones(n, dtype=bool)
    assert shortest(gradients @ gradients.T, every) == pytest.approx(expected["min_norm_weights"], **tolerance)
    for case in expected["by_alpha"]:
        shared, heads = Balancer("imgrad", n, c=case["alpha"]).step(gradients=gradients)
        assert shared @ gradients == pytest.approx(np.array(case["paper"]["direction"]), **tolerance)
        assert heads == pytest.approx(1 / n)
        shared, heads = Balancer("imgrad", n, c=case["alpha"], variant="released").step(gradients=gradients)
        rescaled = n * np.array(case["released_offset_1.5"]["direction_divided_by_1_plus_alpha2"])
        assert shared @ gradients == pytest.approx(rescaled, **tolerance)
        assert (heads == 1).all()


def simplex(n, parts):
    """A grid on the weights that are not negative and sum to 1."""
    cuts = itertools.combinations(range(parts + n - 1), n - 1)
    return np.array([np.diff([-1, *c, parts + n - 1]) - 1 for c in cuts]) / parts


@settings(max_examples=60)
@given(task_gradients(1, 4))
def test_no_point_of_the_hull_is_shorter_than_the_shortest(gradients):
    gram = gradients @ gradients.T / max((gradients**2).sum(1).max(), 1e-30)
    w = shortest(gram, np.ones(len(gram), dtype=bool))
    assert (w >= 0).all()
    assert w.sum() == pytest.approx(1)
    # at the point of smallest norm every gradient's product with it is at least its squared norm
    assert (gram @ w >= w @ gram @ w - 1e-9).all()


@settings(max_examples=40)
@given(task_gradients(1, 4, zero=False), st.integers(0, 2**32), st.floats(0, 2))
def test_no_weights_lie_lower_than_the_lowest(gradients, seed, pull):
    gram = gradients @ gradients.T / (gradients**2).sum(1).max()
    w = shortest(gram, np.ones(len(gram), dtype=bool))
    if w @ gram @ w < 1e-9:
        pull = 0.0
    linear = gram @ np.random.default_rng(seed).dirichlet(np.ones(len(gram)))

    def value(w):
        return w @ linear + pull * np.sqrt(np.maximum(((w @ gram) * w).sum(-1), 0))

    w = lowest(gram, linear, pull)
    assert (w >= 0).all()
    assert w.sum() == pytest.approx(1)
    assert value(w) <= value(simplex(len(gram), 12)).min() + 1e-9


@settings(max_examples=40)
@given(task_gradients(2, 4), st.sampled_from([2.0**-20, 2.0**20]), st.sampled_from(["paper", "released"]))
def test_imgrad_knows_no_unit_of_all_losses(gradients, scale, variant):
    n = len(gradients)
    plain, scaled = (Balancer("imgrad", n, variant=variant).step(gradients=f * gradients) for f in (1, scale))
    assert scaled == pytest.approx(plain, rel=1e-9)


def test_with_no_radius_imgrad_is_the_mean_gradient():
    gradients = np.random.default_rng(0).normal(size=(3, 6))
    assert Balancer("imgrad", 3, c=0).step(gradients=gradients) == pytest.approx(1 / 3)
    assert Balancer("imgrad", 3, c=0, variant="released").step(gradients=gradients) == pytest.approx(1)


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_gradients_that_are_opposed_but_for_single_precision_are_opposed_to_imgrad(variant):
    """The shortest vector of their hull is rounding, whose cosine with the mean means nothing."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        n = rng.integers(2, 5)
        exact = rng.normal(size=(n, 8)) * 10.0 ** rng.integers(-1, 2, size=(n, 1))
        exact[1] = -rng.uniform(0.1, 3) * exact[0]
        rounded = exact.astype(np.float32).astype(float)
        found, expected = (Balancer("imgrad", n, variant=variant).step(gradients=g)[0] @ g for g in (rounded, exact))
        assert found == pytest.approx(expected, abs=1e-3 * np.linalg.norm(expected))
