"""Balancers that seek a common direction: exact solutions as oracles, optimality, invariances, and degenerate cases."""

import json
from importlib import import_module
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alloymtl import components
from alloymtl.methods.balancers import _gram
from alloymtl.training.compiled.engine import compiled_balancer

NAMES = ("mgda", "cagrad", "imtl_g", "nash_mtl", "fairgrad", "aligned_mtl", "upgrad")
ORACLES = {n: json.loads((Path(__file__).parent / "oracles" / f"{n}.json").read_text(encoding="utf-8")) for n in NAMES}
SIZES = np.array([52388, 800, 840])


def module_of(name):
    return import_module(f"alloymtl.methods.balancers.{name}")


def ask(name, gram, present=None, balance=None, **changed):
    """Multipliers (2 x tasks) by the balancer, as Python unless a compiled form of it is given."""
    module, gram = module_of(name), np.array(gram, dtype=float)
    n = len(gram)
    options = components.resolve("balancer", name, changed, "methods.m")
    present = np.ones(n, dtype=bool) if present is None else np.array(present, dtype=bool)
    state, settings = module.initial_state(n, options), module.settings(options)
    return (balance or module.balance)(np.ones(n), gram, present, np.zeros(module.n_draws(n)), state, settings)


def weights_of(name, gradients, **changed):
    g = np.array(gradients, dtype=float)
    return ask(name, g @ g.T, **changed)[0]


def oracle_cases(name, *settings):
    """(gradients, changed options, expected) of an oracle file; one for each setting where it lists several."""
    found = []
    for case in ORACLES[name]["cases"]:
        expected = case["expected"]
        for block, key, option in settings:
            for entry in expected[block]:
                found.append(pytest.param(case, {option: entry[key]}, entry, id=f"{case['id']}-{entry[key]}"))
        if not settings:
            found.append(pytest.param(case, {}, expected, id=case["id"]))
    return found


def agrees(name, case, changed, expected, key="combined"):
    """Compare with the oracle to its tolerance, on the direction and on the weights where these are unique."""
    tolerance = {"rel": ORACLES[name]["tolerance"]["rtol"], "abs": ORACLES[name]["tolerance"]["atol"]}
    gradients = np.array(case["inputs"]["gradients"])
    found = weights_of(name, gradients, **changed)
    assert found @ gradients == pytest.approx(expected[key], **tolerance)
    if "weights" in expected:
        assert found == pytest.approx(expected["weights"], **tolerance)


@pytest.mark.parametrize(("case", "changed", "expected"), oracle_cases("mgda"))
def test_mgda_is_the_exact_shortest_vector(case, changed, expected):
    agrees("mgda", case, changed, expected)


@pytest.mark.parametrize(("case", "changed", "expected"), oracle_cases("cagrad", ("by_c", "c", "c")))
def test_cagrad_is_the_exact_solution(case, changed, expected):
    unique = {k: v for k, v in expected.items() if k != "weights" or "depend" not in case["id"]}
    agrees("cagrad", case, changed, unique)


@pytest.mark.parametrize(("case", "changed", "expected"), oracle_cases("imtl_g"))
def test_imtl_g_is_torchjds(case, changed, expected):
    agrees("imtl_g", case, changed, expected)


@pytest.mark.parametrize(("case", "changed", "expected"), oracle_cases("nash_mtl"))
def test_nash_mtl_reaches_the_bargaining_point(case, changed, expected):
    agrees("nash_mtl", case, changed, expected)


@pytest.mark.parametrize(("case", "changed", "expected"), oracle_cases("fairgrad", ("by_alpha", "alpha", "alpha")))
def test_fairgrad_reaches_the_root(case, changed, expected):
    agrees("fairgrad", case, changed, expected, "combined_gradient")


@pytest.mark.parametrize(
    ("case", "changed", "expected"), oracle_cases("aligned_mtl", ("by_scale_mode", "scale_mode", "scale"))
)
def test_aligned_mtl_is_torchjds_at_every_scale(case, changed, expected):
    agrees("aligned_mtl", case, changed, expected)


@pytest.mark.parametrize(("case", "changed", "expected"), oracle_cases("upgrad"))
def test_upgrad_projects_without_regularisation(case, changed, expected):
    agrees("upgrad", case, changed, expected if "combined" in expected else expected["torchjd_default"])


# ---------------------------------------------------------------- worked by hand


def test_two_tasks_worked_by_hand():
    """Gradients (2, 0) and (-1, 1): norms 2 and root 2, product -2; the Gram matrix is [[4, -2], [-2, 2]]."""
    gradients = np.array([[2.0, 0.0], [-1.0, 1.0]])
    # shortest: w (2, 0) + (1 - w) (-1, 1) is normal to the difference (3, -1): 3 (3w - 1) = 1 - w
    assert weights_of("mgda", gradients) == pytest.approx([0.4, 0.6])
    # w_i = 1 / norm_i / sqrt(1 + cosine) solves G w = 1 / w for two tasks
    cosine = -1 / np.sqrt(2)
    expected = np.array([0.5, np.sqrt(0.5)]) / np.sqrt(1 + cosine)
    assert weights_of("nash_mtl", gradients) == pytest.approx(expected)
    # of two gradients, equal projections lie on the bisector: weights as 1 / norm
    assert weights_of("imtl_g", gradients) == pytest.approx(np.array([0.5, np.sqrt(0.5)]) / (0.5 + np.sqrt(0.5)))
    # (2, 0) without its part along (-1, 1) is (1, 1), (-1, 1) without its part along (2, 0) is (0, 1): mean (.5, 1)
    assert weights_of("upgrad", gradients) @ gradients == pytest.approx([0.5, 1.0])
    # the mean (.5, .5) gives slopes 1 and 0; the worst-off gains most by a detour along its own gradient, as far as
    # c * sqrt(.5) = .2 with c = .2 sqrt(2): (.5, .5) + .2 (-1, 1) / sqrt(2)
    detour = 0.2 * np.sqrt(0.5)
    found = weights_of("cagrad", gradients, c=0.2 * np.sqrt(2)) @ gradients
    assert found == pytest.approx([0.5 - detour, 0.5 + detour])


def test_orthogonal_gradients_worked_by_hand():
    """Norms 2 and 1/2 at a right angle."""
    gradients = np.diag([2.0, 0.5])
    assert weights_of("mgda", gradients) == pytest.approx(np.array([0.25, 4]) / 4.25)
    assert weights_of("imtl_g", gradients) == pytest.approx([0.2, 0.8])
    assert weights_of("nash_mtl", gradients) == pytest.approx([0.5, 2])
    assert weights_of("fairgrad", gradients, alpha=2.0) == pytest.approx([4 ** (-2 / 3), 0.25 ** (-2 / 3)])
    assert weights_of("fairgrad", gradients, alpha=0.5) == pytest.approx([4 ** (-1 / 3), 0.25 ** (-1 / 3)])
    assert weights_of("aligned_mtl", gradients) == pytest.approx([0.125, 0.5])
    assert weights_of("upgrad", gradients) == pytest.approx([0.5, 0.5])


def test_three_gradients_of_a_plane_without_a_common_direction():
    """Unit gradients at 0, 120 and 240 degrees cancel out: no direction serves all."""
    angles = np.deg2rad([0, 120, 240])
    gradients = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for name in NAMES:
        found = weights_of(name, gradients)
        assert np.isfinite(found).all()
        if name not in ("imtl_g", "aligned_mtl"):
            assert found @ gradients == pytest.approx([0, 0], abs=1e-6)
    assert weights_of("mgda", gradients) == pytest.approx([1 / 3] * 3)


def test_cagrad_keeps_to_the_mean_where_no_detour_serves_the_worst_off():
    """Of (1, 0), (-1, 0) and (0, 1) the first two cannot both gain; the mean (0, 1/3) harms neither."""
    gradients = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    assert weights_of("cagrad", gradients) @ gradients == pytest.approx([0, 1 / 3], abs=1e-6)


# ---------------------------------------------------------------- any gradients


@st.composite
def task_gradients(draw, min_tasks=1, max_tasks=5, width=6, degenerate=True, spread=3):
    """Gradients (tasks x width) of very different norms; some are zero, some the multiple of another."""
    n = draw(st.integers(min_tasks, max_tasks))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    found = rng.normal(size=(n, width)) * 10.0 ** rng.integers(-spread, spread + 1, size=(n, 1))
    for i in range(n):
        what = draw(st.sampled_from(["own", "own", "zero", "dependent"])) if degenerate else "own"
        if what == "zero":
            found[i] = 0
        elif what == "dependent":
            found[i] = rng.normal() * found[rng.integers(n)]
    return found


def shortest(gradients):
    """Norm of the shortest convex combination, by the faces of the hull."""
    n, least = len(gradients), np.inf
    for size in range(1, n + 1):
        for face in combinations(range(n), size):
            g = gradients[list(face)]
            weights = np.ones(1)
            if size > 1:
                rest = np.linalg.lstsq((g[1:] - g[0]).T, -g[0], rcond=None)[0]
                weights = np.array([1 - rest.sum(), *rest])
            if (weights >= -1e-12).all():
                least = min(least, np.linalg.norm(weights @ g))
    return least


@given(task_gradients())
def test_nothing_in_the_hull_is_shorter_than_what_mgda_finds(gradients):
    found = weights_of("mgda", gradients)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1)
    direction = found @ gradients
    norms, length = np.linalg.norm(gradients, axis=1), np.linalg.norm(direction)
    # the hull lies beyond the plane through the shortest vector
    assert (gradients @ direction >= length**2 - 1e-7 * norms * norms.min() - 1e-12 * length**2).all()
    assert length == pytest.approx(shortest(gradients), abs=1e-7 * norms.min(), rel=1e-7)


@given(task_gradients(), st.sampled_from([0.0, 0.1, 0.4, 0.9]))
def test_cagrads_direction_lies_in_its_ball_and_serves_the_worst_off_no_less_than_the_mean(gradients, c):
    gradients = gradients[np.any(gradients != 0, axis=1)]
    if len(gradients) == 0:
        return
    mean, direction = gradients.mean(0), weights_of("cagrad", gradients, c=c) @ gradients
    largest = np.linalg.norm(gradients, axis=1).max()
    room = c * np.linalg.norm(mean)
    assert np.linalg.norm(direction - mean) <= room * (1 + 1e-6) + 1e-9 * largest
    worst = (gradients @ direction).min()
    smallest = np.linalg.norm(gradients, axis=1).min()
    assert worst >= (gradients @ mean).min() - 1e-9 * largest * smallest
    # weak duality: no vector of the ball serves the worst-off task better than g_0 . g_w + room |g_w|, for any w
    rng = np.random.default_rng(0)
    for mixed in rng.dirichlet(np.full(len(gradients), 0.3), size=20) @ gradients:
        assert worst <= mixed @ mean + room * np.linalg.norm(mixed) + 1e-9 * largest**2


@given(task_gradients(2, 4, degenerate=False, spread=1), st.sampled_from([0.1, 0.4, 0.9]))
def test_no_vector_of_cagrads_ball_serves_the_worst_off_task_better(gradients, c):
    """The duality gap closes at the weights of the detour."""
    mean = gradients.mean(0)
    found = weights_of("cagrad", gradients, c=c)
    detour = found - 1 / len(gradients)
    assert (detour >= 0).all()
    mixed = detour / detour.sum() @ gradients
    bound = mixed @ mean + c * np.linalg.norm(mean) * np.linalg.norm(mixed)
    scale = np.linalg.norm(mean) * np.linalg.norm(gradients, axis=1).max()
    assert (gradients @ (found @ gradients)).min() == pytest.approx(bound, abs=1e-9 * scale)


@given(task_gradients())
def test_upgrad_is_in_conflict_with_no_task(gradients):
    direction = weights_of("upgrad", gradients) @ gradients
    norms = np.linalg.norm(gradients, axis=1)
    assert (gradients @ direction >= -1e-9 * norms * norms.max()).all()


@given(task_gradients())
def test_without_conflict_upgrad_is_the_mean(gradients):
    assert weights_of("upgrad", np.abs(gradients)) == pytest.approx(1 / len(gradients))


@given(task_gradients(degenerate=False, spread=1))
def test_upgrads_projection_is_the_nearest_direction_of_the_dual_cone(gradients):
    """What is added to a gradient is normal to the projection, and of the polar cone."""
    n = len(gradients)
    for k in range(n):
        alone = np.eye(n)[k]
        unit = gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
        added = _gram.nonnegative(unit @ unit.T, -unit @ unit[k])
        projection = (alone + added) @ unit
        assert (added >= 0).all()
        assert added @ unit @ projection == pytest.approx(0, abs=1e-9 * (1 + added.sum()))


@given(task_gradients(max_tasks=4, degenerate=False), st.sampled_from([0.1, 0.5, 1.0, 2.0, 10.0]))
def test_fairgrad_solves_its_equations(gradients, alpha):
    found = weights_of("fairgrad", gradients, alpha=alpha)
    assert (found > 0).all()
    norms = np.linalg.norm(gradients, axis=1)
    gap = gradients @ (found @ gradients) - found ** (-1 / alpha)
    assert (np.abs(gap) <= 1e-11 * norms * (found @ norms)).all()


@given(task_gradients(max_tasks=4, degenerate=False))
def test_the_bargain_is_fairness_with_alpha_1_and_as_long_as_the_root_of_the_number_of_tasks(gradients):
    found = weights_of("nash_mtl", gradients)
    assert (found == weights_of("fairgrad", gradients)).all()
    assert np.linalg.norm(found @ gradients) == pytest.approx(np.sqrt(len(gradients)))


def test_fairness_runs_from_the_sum_to_the_worst_off_task():
    gradients = np.array([[3.0, 0.0], [0.6, 0.4]])
    assert weights_of("fairgrad", gradients, alpha=0.0) == pytest.approx([1, 1], abs=0.05)
    shortest_one = weights_of("mgda", gradients) @ gradients
    direction = weights_of("fairgrad", gradients, alpha=10.0) @ gradients
    assert direction == pytest.approx(shortest_one / (shortest_one @ shortest_one), rel=0.1)


def test_dependent_gradients_have_a_bargain_unless_they_cancel_out():
    twice = np.array([[1.0, 2.0], [2.0, 4.0], [1.0, -1.0]])
    found = weights_of("nash_mtl", twice)
    assert twice @ (found @ twice) == pytest.approx(1 / found, rel=1e-6)


@given(task_gradients(2, 4, degenerate=False, spread=1), arrays(float, 4, elements=st.floats(-3, 3)))
def test_bargain_and_equal_projections_do_not_depend_on_the_units_of_the_losses(gradients, exponents):
    scaled = gradients * 10.0 ** exponents[: len(gradients), None]
    plain, other = (weights_of("nash_mtl", g) @ g for g in (gradients, scaled))
    assert other == pytest.approx(plain, rel=1e-6, abs=1e-6)
    plain, other = (weights_of("imtl_g", g) @ g for g in (gradients, scaled))
    cosine = plain @ other / np.linalg.norm(plain) / np.linalg.norm(other)
    assert abs(cosine) == pytest.approx(1, abs=1e-6)  # weights that sum to less than nothing turn around


@given(task_gradients(max_tasks=4, degenerate=False, spread=2))
def test_imtl_g_has_equal_projections_and_weights_that_sum_to_1(gradients):
    found = weights_of("imtl_g", gradients)
    assert found.sum() == pytest.approx(1)
    projections = gradients @ (found @ gradients) / np.linalg.norm(gradients, axis=1)
    largest = np.abs(found) @ np.linalg.norm(gradients, axis=1)
    assert projections == pytest.approx(np.full(len(gradients), projections[0]), rel=1e-6, abs=1e-7 * largest)


@given(task_gradients(max_tasks=4, degenerate=False, spread=1))
def test_aligned_mtl_is_the_mean_of_an_orthogonal_system(gradients):
    left, values, right = np.linalg.svd(gradients, full_matrices=False)
    expected = values.min() * (left @ right).mean(0)
    assert weights_of("aligned_mtl", gradients) @ gradients == pytest.approx(expected, rel=1e-6, abs=1e-9)


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize("name", NAMES)
@given(gradients=task_gradients(max_tasks=4), data=st.data())
def test_a_step_is_that_of_the_tasks_present(name, gradients, data):
    present = data.draw(arrays(bool, len(gradients)))
    gram = gradients @ gradients.T
    # what stands in an absent task's rows is nobody's gradient: nothing may look at it
    found, alone = ask(name, gram, present), ask(name, gram[np.ix_(present, present)])
    assert (found[:, present] == alone).all()
    assert (found[:, ~present] == 0).all()
    assert (found[1] == present).all()


@pytest.mark.parametrize("name", NAMES)
@given(gradients=task_gradients(max_tasks=6, width=3, spread=12))
def test_zero_tiny_and_dependent_gradients_end_in_finite_numbers(name, gradients):
    gradients = gradients.astype(np.float32).astype(float)
    found = weights_of(name, gradients)
    assert np.isfinite(found).all()
    single = found.astype(np.float32) @ gradients.astype(np.float32)  # as an engine adds them up
    assert np.isfinite(single).all()
    if name != "imtl_g":  # whose weights may nearly cancel out
        assert np.linalg.norm(single) <= 3 * max(1, np.linalg.norm(gradients, axis=1).max())


@pytest.mark.parametrize("name", NAMES)
def test_compiled_it_gives_the_same(name):
    balance, rng = compiled_balancer(f"alloymtl.methods.balancers.{name}"), np.random.default_rng(1)
    for _ in range(60):
        n = rng.integers(1, 7)
        gradients = rng.normal(size=(n, 5)) * 10.0 ** rng.integers(-3, 4, size=(n, 1))
        gradients[rng.random(n) < 0.1] = 0
        gram, present = gradients @ gradients.T, rng.random(n) < 0.8
        assert ask(name, gram, present, balance) == pytest.approx(ask(name, gram, present), rel=1e-12, abs=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_diverged_step_ends(name):
    balance = compiled_balancer(f"alloymtl.methods.balancers.{name}")
    for value in (np.nan, np.inf):
        for gram in (np.full((3, 3), value), np.diag([1.0, value, 1.0])):
            assert ask(name, gram, balance=balance).shape == (2, 3)


@pytest.mark.parametrize("name", NAMES)
def test_a_task_alone_keeps_its_direction(name):
    found = weights_of(name, [[3.0, 4.0]])
    assert found[0] > 0
    assert weights_of(name, [[0.0, 0.0]]) @ [[0.0, 0.0]] == pytest.approx([0, 0])


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_weighed_by_size_only_where_that_is_asked_for(name):
    module = module_of(name)
    for power, expected in ((0.0, [1, 1, 1]), (1.0, SIZES.max() / SIZES)):
        options = components.resolve("balancer", name, {"power": power}, "methods.m")
        assert module.coefficients(SIZES, options) == pytest.approx(expected)
