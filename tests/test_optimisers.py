"""Ways to take a step beside plain Adam, where the answer is known. That both engines agree, test_compiled.py says."""

import contextlib
import copy

import numpy as np
import pytest
import torch
from GeN.GeN import lr_parabola
from hypothesis import given
from hypothesis import strategies as st

from alloymtl.methods.optimisers.automatic import step_size
from alloymtl.training.dataset import TrainingRows
from alloymtl.training.reference.optimisers._common import Base
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
    if 0.6 * rate < best < 1.9 * rate:
        assert told == pytest.approx(best, rel=1e-6)
        assert step_size(rate, loss(start), loss(start + change), loss(start - change), 0.75) == pytest.approx(
            0.75 * rate + 0.25 * best, rel=1e-6
        )
    elif best < -1e-6:
        assert told == rate  # uphill
    elif best > 3 * rate:
        assert told == pytest.approx(2 * rate)
    elif 1e-6 < best < 0.4 * rate:
        assert told == pytest.approx(rate / 2)


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


def test_automatic_step_sizes_are_those_of_the_authors_release():
    """GeN's code looks at the batch after the step's, too. It counts steps twice in Adam's moments; that is undone."""
    told = []

    class Released(Base):
        def begin_epoch(self, number, passes):
            self.following = iter([*passes[1:], passes[0]])

        def step(self, forward, labelled, draws, measured):
            output, weighted = forward()
            self.engine.backward(weighted, labelled, draws, measured)
            following, _ = next(self.following)
            optimiser = self.engine.optimiser
            moments = copy.deepcopy(optimiser.state_dict()["state"])
            lr_parabola(
                Passing(self.engine.network, following), optimiser, lambda loss, _: loss, 1,
                iter([(torch.zeros(1), torch.zeros(1))]), "cpu", "image_cls",
            )  # fmt: skip
            told.append(optimiser.param_groups[0]["lr"])
            for parameter, of in optimiser.state.items():
                kept = moments.get(optimiser.param_groups[0]["params"].index(parameter), {})
                for name, value in of.items():
                    value.copy_(kept.get(name, torch.zeros_like(value)))
            optimiser.step()
            return output.detach()

    class Passing(torch.nn.Module):
        def __init__(self, network, forward):
            super().__init__()
            self.network, self.pass_ = network, forward

        def forward(self, _):
            with unchanged_statistics(self.network):
                return self.pass_()[1].sum()

    batches = [np.arange(first, first + 6) for first in range(0, 30, 6)]
    automatic, released = a_run(parts={"optimiser": "automatic"}), a_run()
    automatic.parts["optimiser"].options.update(every=1)
    found = []
    compiled, reference = engines(automatic, rows(), np.array([1.0, 2.0, 0.5]), real=np.float64)
    theirs = engines(released, rows(), np.array([1.0, 2.0, 0.5]), real=np.float64)[1]
    theirs.stepper = Released(theirs, {})
    for number in range(1, 7):
        for engine in (compiled, reference, theirs):
            an_epoch(engine, batches, number=number)
        found.append((compiled.learning_rate(), reference.learning_rate()))
    assert len(set(told)) > 10, "the rule had something to say"
    np.testing.assert_allclose(found, np.repeat(told[4::5], 2).reshape(-1, 2), rtol=1e-6)


@contextlib.contextmanager
def unchanged_statistics(network):
    kept = [(buffer, buffer.clone()) for buffer in network.buffers()]
    yield
    for buffer, value in kept:
        buffer.copy_(value)


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
