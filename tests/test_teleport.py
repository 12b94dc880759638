"""COST's moves and steps: what they are where the answer is known by hand, by differences or by torch."""

import numpy as np
import pytest
import torch

from alloymtl.methods.optimisers.teleport import conflicts, ratios
from alloymtl.training.reference.optimisers import teleported
from alloymtl.training.reference.optimisers.teleported import Adapters, Objective, take_step
from test_engine_methods import labelled_rows
from training_fixture import Watcher, a_run, an_engine, an_epoch, data, in_double, rows, same, train

BATCHES = [np.arange(0, 12), np.arange(12, 25), np.arange(25, 40)]
VARIANTS = ["paper", "released"]


def gram_of(*gradients):
    return np.array(gradients, float) @ np.array(gradients, float).T


def options(**changed):
    return {"after": 0, "rank": 5, "passes": 2, "perturbations": 5, "gamma": 0.1, "variant": "paper", **changed}


def a_cost_run(balancer="fairgrad", changed=(), method="hard", **more):
    run = a_run(method, parts={"optimiser": "teleport", "balancer": balancer}, **more)
    run.parts["optimiser"].options.update(options(**dict(changed)))
    return run


def an_opened_engine(double=False, epochs=0, **changed):
    """An engine with its moves at hand: the passes of an epoch in evaluation mode, as a move has them."""
    engine = an_engine(a_cost_run(changed=changed), *labelled_rows())
    if double:
        in_double(engine)
    for number in range(1, epochs + 1):
        engine.stepper.options = options(after=epochs + 1)
        an_epoch(engine, BATCHES, number=number)
    engine.stepper.options = options(**changed)
    seen = {}

    def stop(number, passes):
        seen["passes"] = passes
        raise InterruptedError

    opened, engine.stepper.begin_epoch = engine.stepper.begin_epoch, stop
    keep = np.random.default_rng(5).random((40, engine.units)) > 0.3
    with pytest.raises(InterruptedError):
        an_epoch(engine, BATCHES, keep.astype(np.uint8))
    engine.stepper.begin_epoch = opened
    opened(epochs + 2, seen["passes"])
    return engine, seen["passes"]


def moments(engine):
    return {name: value for name, value in engine.moments().items() if not name.startswith("optimiser.")}


# ---------------------------------------------------------------- conflict


def test_the_smallest_gradient_against_the_mean_is_a_conflict():
    assert conflicts(gram_of([1, 0], [-3, 1]), "paper")
    assert conflicts(gram_of([1, 0], [-3, 1]), "released")
    assert not conflicts(gram_of([1, 0], [3, 1]), "paper")
    assert not conflicts(gram_of([1, 0], [3, 1]), "released")


def test_a_larger_gradient_against_the_mean_counts_in_the_released_code_alone():
    gram = gram_of([2, 0], [-1.9, 0.5], [-1.9, -0.5])
    assert not conflicts(gram, "paper")
    assert conflicts(gram, "released")


def test_a_right_angle_counts_in_the_released_code_alone():
    gram = gram_of([1, 0], [-1, 1])
    assert not conflicts(gram, "paper")
    assert conflicts(gram, "released")


@pytest.mark.parametrize("variant", VARIANTS)
def test_absent_tasks_and_gradients_of_zero_are_in_no_conflict(variant):
    gram = gram_of([1, 0], [-3, 1], [0, 0])
    assert conflicts(gram, variant)
    gram[1], gram[:, 1] = np.nan, np.nan
    assert not conflicts(gram, variant)
    assert not conflicts(np.full((3, 3), np.nan), variant)
    assert not conflicts(np.zeros((3, 3)), variant)


def test_small_gradients_weigh_more():
    np.testing.assert_allclose(ratios(np.array([1.0, 2.0, 5.0])), [3 * 7 / 8, 3 * 6 / 8, 3 * 3 / 8])
    assert ratios(np.array([2.0])) == 0
    assert not ratios(np.zeros(2)).any()


# ---------------------------------------------------------------- without a conflict


@pytest.mark.parametrize("balancer", ["fairgrad", "famo", "pcgrad", "none"])
@pytest.mark.parametrize("measured", [0, 2])
def test_without_a_conflict_it_is_plain_adam_to_the_last_bit(balancer, measured, monkeypatch):
    monkeypatch.setattr(teleported, "conflicts", lambda *_: False)
    plain = a_run(parts={"balancer": balancer, "loss": "bmc"})
    looking = a_cost_run(balancer)
    looking.parts["loss"] = plain.parts["loss"]
    made = [an_engine(run, *labelled_rows(), measure_every=measured) for run in (plain, looking)]
    for engine in made:
        for number in (1, 2):
            keep = np.random.default_rng(number).random((40, engine.units)) > 0.3
            an_epoch(engine, BATCHES, keep.astype(np.uint8), number)
    one, other = ({**engine.parameters(), **moments(engine)} for engine in made)
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)
    for kept in ("grams", "multipliers"):
        np.testing.assert_array_equal(getattr(made[0], kept), getattr(made[1], kept))


def test_it_looks_after_some_epochs_and_moves_once_in_each(monkeypatch):
    monkeypatch.setattr(teleported, "conflicts", lambda *_: True)
    engine = an_engine(a_cost_run(changed={"after": 2}), *labelled_rows())
    moved, move = [], engine.stepper._move
    engine.stepper._move = lambda conflict: moved.append(engine.stepper.number) or move(conflict)
    for number in range(1, 5):
        an_epoch(engine, BATCHES, number=number)
    assert moved == [3, 4]


@pytest.mark.parametrize("measured", [0, 1])
def test_the_step_after_a_move_is_one_step_of_adam_and_of_the_balancer(measured, monkeypatch):
    """A move of no passes leads nowhere, so the first step of all is the plain one."""
    monkeypatch.setattr(teleported, "conflicts", lambda *_: True)
    runs = [a_run(parts={"balancer": "famo"}), a_cost_run("famo", {"passes": 0})]
    made = [an_engine(run, *labelled_rows(), measure_every=measured) for run in runs]
    for engine in made:
        an_epoch(engine, BATCHES[:1])
    one, other = ({**engine.parameters(), **moments(engine)} for engine in made)
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)
    np.testing.assert_array_equal(made[0].grams, made[1].grams)


# ---------------------------------------------------------------- the move


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("method", ["hard", "structured"])
@pytest.mark.parametrize("rank", [1, 2])
def test_a_move_changes_the_shared_linear_maps_alone_and_by_no_more_than_its_rank(method, rank, variant, monkeypatch):
    monkeypatch.setattr(teleported, "conflicts", lambda *_: True)
    monkeypatch.setattr(teleported, "take_step", lambda *_: None)
    changed = {"rank": rank, "variant": variant}
    engine = an_engine(a_cost_run(method=method, changed=changed), *labelled_rows())
    engine.network.eval()
    monkeypatch.setattr(engine.network, "train", lambda *_: engine.network)  # steps leave the running statistics, too
    before = engine.parameters()
    an_epoch(engine, BATCHES)
    shared = {id(p) for p in engine.network.shared_parameters()}
    linear = {id(m.weight) for m in engine.network.modules() if isinstance(m, torch.nn.Linear)}
    maps = {name for name, p in engine.network.named_parameters() if id(p) in shared & linear}
    assert len(maps) >= 2
    for name, value in engine.parameters().items():
        change = value - before[name]
        if name in maps:
            assert 1 <= np.linalg.matrix_rank(change.astype(float), tol=1e-5) <= rank, name
        else:
            assert not change.any(), name


def test_a_move_leaves_running_statistics_and_drops_units_as_training_does():
    engine, passes = an_opened_engine(epochs=3)
    buffers = {name: value.clone() for name, value in engine.network.named_buffers()}
    engine.stepper._move(passes[0])
    assert engine.network.training
    for name, value in engine.network.named_buffers():
        assert torch.equal(value, buffers[name]), name


def test_a_move_raises_small_gradients_and_keeps_the_losses_better_than_random_ones_of_its_length():
    """Long enough to get somewhere, on a network that has learned a little."""
    engine, passes = an_opened_engine(epochs=20, gamma=1.0, passes=90)
    network = engine.network
    maps = Adapters(network, 1, np.random.default_rng(0)).weights

    def look():
        network.eval()
        losses = [forward()[1] for forward, _ in passes]
        there = [labelled.any(0) for _, labelled in passes]
        norms = [
            engine.gradients(found, held, network.shared_parameters())[held].norm(dim=1).numpy()
            for found, held in zip(losses, there, strict=True)
        ]
        network.train()
        return torch.stack(losses).detach(), sum((ratios(n) * n).sum() for n in norms)

    before, start = look(), [w.detach().clone() for w in maps]
    engine.stepper._move(passes[0])
    after = look()
    assert after[1] > 1.2 * before[1]
    moved = (after[0] - before[0]).abs().mean()
    lengths = [(w - s).detach().norm() for w, s in zip(maps, start, strict=True)]
    rng = np.random.default_rng(1)
    for _ in range(20):
        with torch.no_grad():
            for w, s, length in zip(maps, start, lengths, strict=True):
                direction = torch.from_numpy(rng.standard_normal(w.shape)).to(w)
                w.copy_(s + length * direction / direction.norm())
        assert (look()[0] - before[0]).abs().mean() > 1.5 * moved


def test_without_a_pull_the_losses_are_where_they_are_to_stay():
    engine, passes = an_opened_engine(epochs=3, gamma=0.0)
    assert not engine.stepper._move(passes[0]).any()


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_objective_is_that_of_differences_of_losses(variant):
    """In double precision, with the directions drawn again and the parameters moved by 1e-4 of each."""
    engine, passes = an_opened_engine(double=True, epochs=2, variant=variant)
    network, released = engine.network, variant == "released"
    network.eval()
    conflict = passes[1]
    objective = Objective(network, engine.stepper.options, passes, conflict, np.random.default_rng(3))
    held = [labelled.any(0) for _, labelled in passes]
    before = torch.stack([forward()[1].detach() for forward, _ in passes])
    move = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in network.shared_parameters():
            p += 0.05 * torch.randn(p.shape, generator=move, dtype=p.dtype)
    rng = np.random.default_rng(3)
    own = {id(p) for p in network.shared_parameters()}
    rest = [p for p in network.parameters() if id(p) not in own] if released else []
    along = [*network.shared_parameters(), *rest]
    for number, batch in enumerate(objective.batches):
        at = 1 if released else number
        there = held[at]
        here = passes[at][0]()[1]
        norms = engine.gradients(here, there, network.shared_parameters()).norm(dim=1)[there].numpy()
        sizes = [p.numel() for p in along]
        steepest = np.zeros(int(there.sum()))
        for drawn in rng.standard_normal((5, sum(sizes)), np.float32).astype(float):
            parts = np.split(drawn, np.cumsum(sizes)[:-1])
            whole = np.linalg.norm(drawn)
            starts = [p.detach().clone() for p in along]
            with torch.no_grad():
                for p, part in zip(along, parts, strict=True):
                    length = np.linalg.norm(part) if released else whole
                    p += 1e-4 * torch.from_numpy(part / length).view_as(p)
                changed = passes[at][0]()[1]
                for p, start in zip(along, starts, strict=True):
                    p.copy_(start)
            steepest = np.maximum(steepest, ((changed - here).abs()[there] / 1e-4).detach().numpy())
        grown = ratios(norms) * steepest
        now = passes[number][0]()[1].detach()
        if released:
            mean = torch.stack([before[[h[t] for h in held], t].mean() for t in range(3)])
            expected = 10 * (now - mean)[held[number]].abs().mean() - 0.5 * grown.mean()
        else:
            expected = (now - before[number])[held[number]].abs().sum() - 0.1 * grown.sum()
        assert float(objective(batch).detach()) == pytest.approx(float(expected), rel=1e-3)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_objectives_gradient_is_its_slope(variant):
    engine, passes = an_opened_engine(double=True, epochs=2, variant=variant, gamma=3.0)
    engine.network.eval()
    objective = Objective(engine.network, engine.stepper.options, passes, passes[1], None)
    weights = Adapters(engine.network, 1, np.random.default_rng(0)).weights
    draw = np.random.default_rng(4)
    with torch.no_grad():
        for w in weights:
            w += 0.05 * torch.from_numpy(draw.standard_normal(w.shape))

    def value(batch):
        objective.rng = np.random.default_rng(6)
        return objective(batch)

    for batch in objective.batches:
        ways = [torch.from_numpy(draw.standard_normal(w.shape)) for w in weights]
        # R_i is held, as a weight is.
        norms = [teleported.slopes_of(b.forward()[1][b.tasks], objective.shared) for b in (batch, objective.conflict)]
        fixed = iter([ratios(norms[variant == "released"].detach().norm(dim=1).numpy())] * 3)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(teleported, "ratios", lambda _, fixed=fixed: next(fixed))
            gradients = torch.autograd.grad(value(batch), weights)
            found = []
            for sign in (1, -1):
                with torch.no_grad():
                    for w, way in zip(weights, ways, strict=True):
                        w += sign * 1e-6 * way
                found.append(float(value(batch).detach()))
                with torch.no_grad():
                    for w, way in zip(weights, ways, strict=True):
                        w -= sign * 1e-6 * way
        slope = sum(float((g * way).sum()) for g, way in zip(gradients, ways, strict=True))
        assert slope == pytest.approx((found[0] - found[1]) / 2e-6, rel=1e-4)


def test_the_factors_gradients_are_torchs():
    engine, _ = an_opened_engine()
    maps = Adapters(engine.network, 3, np.random.default_rng(0))
    assert all(not b.any() for b in maps.factors[1::2])
    draw = torch.Generator().manual_seed(0)
    given = [torch.randn(w.shape, generator=draw) for w in maps.weights]
    for b in maps.factors[1::2]:
        b.copy_(torch.randn(b.shape, generator=draw))
    maps.set_gradients(given)
    copies = [f.detach().clone().requires_grad_() for f in maps.factors]
    made = [s + 8 / 3 * copies[2 * i + 1] @ copies[2 * i] for i, s in enumerate(maps.start)]
    expected = torch.autograd.grad(sum((g * w).sum() for g, w in zip(given, made, strict=True)), copies)
    for factor, gradient in zip(maps.factors, expected, strict=True):
        torch.testing.assert_close(factor.grad, gradient)
    maps.merge()
    for weight, expected in zip(maps.weights, made, strict=True):
        torch.testing.assert_close(weight.detach(), expected.detach())


def test_maps_that_belong_to_a_task_rest():
    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.shared, self.head = torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)

        def shared_parameters(self):
            return [*self.shared.parameters()]

    network = Network()
    (only,) = Adapters(network, 1, np.random.default_rng(0)).weights
    assert only is network.shared.weight


def test_what_a_move_draws_differs_by_epoch_and_by_the_parameters_that_the_run_began_with():
    def moved(number, other):
        engine, passes = an_opened_engine()
        last = engine.learned[0].data[-1:]
        kept = last.clone()
        last += other
        engine.stepper = teleported.Optimiser(engine, options())
        last.copy_(kept)
        engine.stepper.begin_epoch(number, passes)
        return engine.stepper._move(passes[0]).numpy()

    first = moved(1, 0)
    np.testing.assert_array_equal(first, moved(1, 0))
    assert not np.array_equal(first, moved(2, 0))
    assert not np.array_equal(first, moved(1, 1))


# ---------------------------------------------------------------- trajectory


def adam_after(gradients, sigmas):
    """A parameter after some steps of Adam from 1, learning rate .1."""
    parameter = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimiser = torch.optim.Adam([parameter], lr=0.1, fused=True)
    for gradient, sigma in zip(gradients, sigmas, strict=True):
        parameter.grad = torch.tensor([gradient], dtype=torch.float64)
        take_step(optimiser, sigma)
        assert optimiser.param_groups[0]["betas"] == (0.9, 0.999)
    return float(parameter.detach())


def test_a_reused_trajectory_decays_faster_for_one_step():
    m, v = 0.1 * 2.0, 0.001 * 4.0
    first = 1 - 0.1 * (m / 0.1) / (np.sqrt(v / 0.001) + 1e-8)
    m, v = 0.45 * m + 0.55 * 3.0, 0.4995 * v + 0.5005 * 9.0
    second = first - 0.1 * (m / (1 - 0.45**2)) / (np.sqrt(v / (1 - 0.4995**2)) + 1e-8)
    m, v = 0.9 * m + 0.1 * 1.0, 0.999 * v + 0.001 * 1.0
    third = second - 0.1 * (m / (1 - 0.9**3)) / (np.sqrt(v / (1 - 0.999**3)) + 1e-8)
    assert adam_after([2.0, 3.0], [None, 0.5]) == pytest.approx(second, rel=1e-12)
    assert adam_after([2.0, 3.0, 1.0], [None, 0.5, None]) == pytest.approx(third, rel=1e-12)


@pytest.mark.parametrize("sigma", [0.0, -0.3])
def test_a_trajectory_against_the_move_is_forgotten(sigma):
    start = adam_after([2.0], [None])
    fresh = adam_after([3.0, 1.0], [None, None]) - 1
    assert adam_after([2.0, 3.0, 1.0], [None, sigma, None]) - start == pytest.approx(fresh, rel=1e-9)


def test_the_move_is_compared_with_the_last_steps_gradient(monkeypatch):
    monkeypatch.setattr(teleported, "conflicts", lambda *_: True)
    engine = an_engine(a_cost_run(changed={"after": 1}), *labelled_rows())
    an_epoch(engine, BATCHES)
    last = np.concatenate([p.grad.numpy().ravel() for p in engine.network.shared_parameters()])
    seen = {"sigmas": []}
    move = engine.stepper._move
    engine.stepper._move = lambda conflict: seen.setdefault("change", move(conflict))
    take = teleported.take_step
    monkeypatch.setattr(teleported, "take_step", lambda o, s=None: seen["sigmas"].append(s) or take(o, s))
    an_epoch(engine, BATCHES, number=2)
    change = seen["change"].numpy()
    expected = change @ last / np.linalg.norm(change) / np.linalg.norm(last)
    assert seen["sigmas"][0] == pytest.approx(expected, rel=1e-4)
    assert seen["sigmas"][1:] == [None, None]


# ---------------------------------------------------------------- whole runs


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_that_is_killed_resumes_to_the_same_last_bit(variant, tmp_path, monkeypatch):
    # At the first step of an epoch, where the trajectory is that of the epoch before.
    counted = []
    monkeypatch.setattr(teleported, "conflicts", lambda *_: counted.append(1) or True)
    run = a_cost_run(changed={"after": 1, "variant": variant, "passes": 1}, max_epochs=4)
    dataset = data(rows(), run)
    whole = train(run, dataset, tmp_path / "whole")
    assert len(counted) == 3
    with pytest.raises(KeyboardInterrupt):
        train(run, dataset, tmp_path / "killed", watcher=Watcher(stop_at=2))
    same(train(run, dataset, tmp_path / "killed"), whole)


@pytest.mark.parametrize("frozen", [True, False])
def test_stages_of_one_task_do_not_move(frozen, tmp_path):
    run = a_cost_run(method="transfer", options={"frozen": frozen})
    plain = a_run("transfer", parts={"balancer": "fairgrad"}, options={"frozen": frozen})
    dataset = data(rows(), run)
    one, other = (train(each, dataset, tmp_path / each.parts["optimiser"].name) for each in (run, plain))
    same(one, other)
