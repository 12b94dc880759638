"""Ways to take a step beside plain Adam, where the answer is known. That both engines agree, test_compiled.py says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alloymtl.methods.optimisers.automatic import step_size
from alloymtl.training.dataset import TrainingRows
from test_engine_methods import labelled_rows
from training_fixture import a_run, an_engine, an_epoch, engines

BATCHES = [np.arange(0, 12), np.arange(12, 30)]


def rows():
    x, y = labelled_rows(30, seed=4)
    return TrainingRows(x.astype(np.float32), y.astype(np.float32), (True, True, False))


@given(
    curvature=st.floats(0.1, 10), lowest=st.floats(-5, 5), start=st.floats(-5, 5),
    direction=st.one_of(st.floats(0.1, 2), st.floats(-2, -0.1)),
    rate=st.floats(0.05, 0.2),
)  # fmt: skip
def test_the_automatic_step_ends_at_the_bottom_of_a_parabola(curvature, lowest, start, direction, rate):
    def loss(w):
        return curvature * (w - lowest) ** 2 / 2

    change = rate * direction
    told = step_size(rate, loss(start), loss(start + change), loss(start - change), 0.0)
    slope = curvature * (start - lowest) * direction
    best = -slope / (curvature * direction**2)
    if 0.2 * rate < best < 5 * rate:
        assert told == pytest.approx(best, rel=1e-6)
        assert step_size(rate, loss(start), loss(start + change), loss(start - change), 0.75) == pytest.approx(
            0.75 * rate + 0.25 * best, rel=1e-6
        )
    elif best < -1e-6:
        assert told == rate  # uphill
    elif best > 20 * rate:
        assert told == pytest.approx(10 * rate)


def test_a_loss_that_does_not_curve_upwards_leaves_the_step_size():
    assert step_size(0.1, 2.0, 1.0, 3.0, 0.0) == 0.1
    assert step_size(0.1, 2.5, 1.0, 3.0, 0.0) == 0.1
    assert step_size(0.1, np.nan, 1.0, 3.0, 0.0) == 0.1


@pytest.mark.parametrize("engine", [0, 1])
def test_an_automatic_step_size_that_keeps_all_of_the_old_is_plain_adam_to_the_last_bit(engine):
    plain = a_run(parts={"loss": "bmc"})
    probing = a_run(parts={"loss": "bmc", "optimiser": "automatic"})
    probing.parts["optimiser"].options.update(memory=1.0, every=1)
    found = []
    for run in (plain, probing):
        made = engines(run, rows(), np.ones(3))[engine]
        for number in (1, 2):
            keep = np.random.default_rng(number).random((30, made.units)) > 0.3
            an_epoch(made, BATCHES, keep.astype(np.uint8), number)
        found.append({**made.parameters(), **{k: v for k, v in made.moments().items() if "optimiser" not in k}})
    one, other = found
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


def test_the_schedule_has_no_say_in_an_automatic_step_size():
    run = a_run(parts={"optimiser": "automatic"})
    for engine in engines(run, rows(), np.ones(3)):
        engine.set_learning_rate(1e-7)
        assert engine.learning_rate() == run.training["learning_rate"]


def _shared(engine):
    ends = np.cumsum([0] + [p.numel() for p in engine.network.parameters()])
    which = {id(p) for p in engine.network.shared_parameters()}
    places = zip(engine.network.parameters(), ends, strict=False)
    return np.concatenate([np.arange(start, start + p.numel()) for p, start in places if id(p) in which])


def test_a_flat_step_sums_the_tasks_gradients_at_their_own_sharp_points():
    """By the plain engine, put at each task's point by hand."""
    x, y = labelled_rows(30, seed=4)
    weights, radius = [1.0, 2.0, 0.5], {"radius_shared": 0.3, "radius_own": 0.2}
    run = a_run(parts={"optimiser": "flat"}, dropout=0.0)
    run.parts["optimiser"].options.update(radius)
    flat, plain = an_engine(run, x, y, weights), an_engine(a_run(dropout=0.0), x, y, weights)
    batch = np.arange(30)
    start = plain.parameters()
    here = plain.learned[0].detach().numpy().copy()
    shared = _shared(plain)
    own = np.setdiff1d(np.arange(len(here)), shared)
    expected = np.zeros_like(here)
    for task in range(3):
        alone = np.zeros(3)
        alone[task] = weights[task]
        parts = []
        for place in (here, None):
            plain.load_parameters(start)
            if place is None:
                moved = here.copy()
                for where, length in ((shared, 0.3), (own, 0.2)):
                    moved[where] += length * parts[0][where] / np.linalg.norm(parts[0][where])
                plain.learned[0].data.copy_(plain._put(moved))
            plain.coefficients = plain._put(alone.astype(np.float32))
            before = plain.learned[0].detach().clone()
            plain.set_learning_rate(0.0)
            an_epoch(plain, [batch])
            assert np.array_equal(before, plain.learned[0].detach())
            parts.append(plain.learned[0].grad.numpy().copy())
        expected += parts[1]
    an_epoch(flat, [batch])
    np.testing.assert_allclose(flat.learned[0].grad.numpy(), expected, rtol=2e-4, atol=2e-6)


def test_a_flat_step_without_a_radius_is_the_plain_one():
    steps = []
    for name in ("adam", "flat"):
        run = a_run(parts={"optimiser": name})
        if name == "flat":
            run.parts["optimiser"].options.update(radius_shared=0.0, radius_own=0.0)
        steps.append([])
        for engine in engines(run, rows(), np.array([1.0, 2.0, 3.0])):
            an_epoch(engine, BATCHES)
            parameters = {n: v for n, v in engine.parameters().items() if not n.endswith("tracked")}
            steps[-1].append(parameters)
    for one, other in zip(*steps, strict=True):
        for name, value in one.items():
            np.testing.assert_allclose(other[name], value, rtol=1e-3, atol=1e-5, err_msg=name)
