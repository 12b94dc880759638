"""Training: the step against plain torch, the schedule against torch's, resuming, and what must not leak."""

import dataclasses
import errno
import signal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from alloymtl.errors import UserError
from alloymtl.methods.balancers import inverse_size
from alloymtl.methods.samplers import uniform
from alloymtl.run import Target
from alloymtl.training import job
from alloymtl.training.interruption import heeding
from alloymtl.training.job import forget
from alloymtl.training.schedule import EarlyStopping, Plateau
from alloymtl.training.streams import dropout_keep, stream
from training_fixture import (
    TRAINING,
    Watcher,
    a_run,
    an_engine,
    an_epoch,
    data,
    in_double,
    partition,
    rows,
    same,
    train,
)

# ---------------------------------------------------------------- the step


def plain_step(network, heads, optimiser, x, y, labelled, keep, weights, penalty=None):
    """The step as anyone would write it in torch: boolean masks, torch's own losses, one head after the other."""
    h, start = x, 0
    for linear, norm in network:
        h = functional.relu(norm(linear(h)))
        h = h * keep[:, start : start + h.shape[1]] / (1 - TRAINING["dropout"])
        start += h.shape[1]
    total = torch.zeros((), dtype=torch.float64)
    for t, head in enumerate(heads):
        mask = labelled[:, t]
        if mask.any():
            output, wanted = head(h[mask]).squeeze(1), y[mask, t]
            each = functional.binary_cross_entropy_with_logits if t == 2 else functional.mse_loss
            total = total + weights[t] * each(output, wanted)
        else:
            total = total + 0 * head(h).sum()  # a gradient of zero, not none: Adam's momentum still acts
    optimiser.zero_grad()
    total.backward()
    optimiser.step()


def twin(engine):
    """The same network built of torch's own layers, holding the engine's parameters."""
    source = engine.network
    backbone = [
        (nn.Linear(*linear.weight.shape[::-1], bias=False), nn.BatchNorm1d(len(linear.weight)))
        for linear in source.backbone.linear
    ]
    heads = []
    with torch.no_grad():
        for (linear, _), original in zip(backbone, source.backbone.linear, strict=True):
            linear.weight.copy_(original.weight)
        for t in range(len(source.heads.weight_out)):
            first, last = (
                nn.Linear(source.heads.weight_in.shape[1], source.heads.hidden),
                nn.Linear(source.heads.hidden, 1),
            )
            first.weight.copy_(source.heads.weight_in[t].T)
            first.bias.copy_(source.heads.bias_in[t, 0])
            last.weight.copy_(source.heads.weight_out[t].T)
            last.bias.copy_(source.heads.bias_out[t, 0])
            heads.append(nn.Sequential(first, nn.ReLU(), last))
    return backbone, heads


def test_fifty_steps_equal_those_of_plain_torch():
    run = a_run(weight_decay=1e-4)
    dataset = data(rows(), run)
    train_rows = dataset.rows("train", [0, 1, 2])
    x, y = dataset.x[train_rows], dataset.y[train_rows]
    weights = np.array([1.0, 6.5, 3.0])
    engine = an_engine(run, x, y, weights)
    in_double(engine)  # so that fifty steps of Adam do not blow rounding up to the size of a mistake
    backbone, heads = twin(engine)
    modules = nn.ModuleList([*(m for pair in backbone for m in pair), *heads])
    modules.double()
    optimiser = torch.optim.Adam(modules.parameters(), lr=1e-3, weight_decay=1e-4)
    steps = 0
    for epoch in range(5):
        batches = uniform.batches(~np.isnan(y), 8, stream(3, ["a"], "batches", epoch), {})
        keep = dropout_keep(stream(3, ["a"], "dropout", epoch), len(x), 28, 0.3)
        an_epoch(engine, batches, keep)
        start = 0
        for batch in batches:
            mask = torch.from_numpy(keep[start : start + len(batch)].astype(np.float64))
            labels = torch.from_numpy(y[batch]).double()
            plain_step(
                backbone, heads, optimiser, torch.from_numpy(x[batch]).double(), labels, ~labels.isnan(), mask, weights
            )  # fmt: skip
            start += len(batch)
            steps += 1
    assert steps >= 50
    for (linear, norm), ours, our_norm in zip(
        backbone, engine.network.backbone.linear, engine.network.backbone.norm, strict=True
    ):
        torch.testing.assert_close(ours.weight, linear.weight, rtol=1e-9, atol=1e-11)
        torch.testing.assert_close(our_norm.running_var, norm.running_var, rtol=1e-9, atol=1e-11)
    for t, head in enumerate(heads):
        torch.testing.assert_close(engine.network.heads.weight_in[t].T, head[0].weight, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("method", ["hard", "structured"])
def test_a_task_that_is_absent_from_a_batch_gives_its_head_no_gradient(method):
    run = a_run(method, weight_decay=0.0)
    dataset = data(rows(), run)
    train_rows = dataset.rows("train", [0])  # rows of the first task only
    engine = an_engine(run, dataset.x[train_rows], dataset.y[train_rows])
    before = engine.parameters()
    an_epoch(engine, [np.arange(8)])
    after = engine.parameters()
    for name in ("heads.weight_in", "heads.weight_out", "heads.bias_out"):
        assert not np.array_equal(before[name][0], after[name][0])
        np.testing.assert_array_equal(before[name][1:], after[name][1:])


def test_structured_network_without_its_auxiliary_branch_is_the_hard_sharing_network():
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32))
    engines = {}
    for method in ("hard", "structured"):
        run = a_run(method, options={"alpha": 0.0} if method == "structured" else {})
        engines[method] = an_engine(run, x.numpy(), np.zeros((9, 3)), regression=[True] * 3)
    shared = engines["hard"].parameters()
    structured = engines["structured"]
    structured.load_parameters({**structured.parameters(), **shared})
    np.testing.assert_allclose(structured.predict(x.numpy()), engines["hard"].predict(x.numpy()), rtol=1e-6)


def test_the_sparsity_penalty_alone_drives_every_relation_towards_zero():
    run = a_run("structured", options={"lambda_sparse": 1.0}, learning_rate=0.01, weight_decay=0.0)
    y = np.full((8, 3), np.nan)
    y[:, 0] = np.linspace(-1, 1, 8)
    engine = an_engine(run, np.random.default_rng(0).normal(size=(8, 4)), y, np.zeros(3), regression=[True] * 3)
    start = engine.relations()
    for _ in range(200):
        an_epoch(engine, [np.arange(8)])
    assert ((start > 0) & (start < 1)).all()
    assert (engine.relations() < 0.05).all()


@pytest.mark.parametrize("method", ["hard", "structured", "soft"])
def test_linear_maps_start_within_the_root_of_their_fan_in(method):
    engine = an_engine(a_run(method, hidden=[64, 80], options={"head": 48}), np.ones((9, 4)), np.zeros((9, 3)))
    wide = {"backbone.linear.1.weight": 64, "backbones.weight.1": 64, "heads.weight_in": 80, "heads.weight_out": 48}
    found = {name: np.abs(value).max() for name, value in engine.parameters().items() if name in wide}
    assert len(found) == 3
    for name, largest in found.items():
        assert 0.95 < largest * wide[name] ** 0.5 <= 1, name


# ---------------------------------------------------------------- weights, batches, streams, schedule


def test_inverse_size_weights_are_those_of_the_paper():
    weights = inverse_size.coefficients(np.array([52388, 800, 840]), {"power": 1.0})
    np.testing.assert_allclose(weights, [1, 65.485, 62.3666667])


def test_dropout_drops_its_share_of_units():
    keep = dropout_keep(np.random.default_rng(0), 2000, 100, 0.3)
    assert keep.mean() == pytest.approx(0.7, abs=0.005)
    assert keep.dtype == np.uint8
    assert set(np.unique(keep)) == {0, 1}
    odd = dropout_keep(np.random.default_rng(0), 3, 7, 0.5)  # not a multiple of the four decisions drawn at a time
    assert odd.shape == (3, 7)
    assert 0 < odd.mean() < 1
    assert dropout_keep(np.random.default_rng(0), 5, 4, 0.0).all()


@given(losses=st.lists(st.floats(0.01, 10, allow_nan=False), min_size=1, max_size=60), patience=st.integers(0, 5))
@settings(deadline=None)
def test_plateau_follows_torch(losses, patience):
    parameter = nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=0.1)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=patience)
    ours = Plateau(0.1, 0.5, patience)
    for loss in losses:
        theirs.step(loss)
        rate = ours.update(loss)
        # torch refuses steps smaller than 1e-8; the rates compared here stay above it
        if rate > 1e-7:
            assert rate == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-12)


def test_early_stopping_waits_its_patience_after_the_best_epoch():
    stopping = EarlyStopping(patience=3)
    for epoch, loss in enumerate([5, 4, 4, 6, 7], start=1):
        stopping.update(epoch, loss)
        assert stopping.should_stop(epoch) == (epoch == 5)
    assert stopping.best_epoch == 2


# ---------------------------------------------------------------- whole runs


@pytest.mark.parametrize("method", ["independent", "hard", "structured"])
def test_a_killed_run_resumes_and_ends_byte_identical(method, tmp_path):
    run = a_run(method)
    dataset = data(rows(), run)
    undisturbed = train(run, dataset, tmp_path / "undisturbed")
    with pytest.raises(KeyboardInterrupt):
        train(run, dataset, tmp_path / "killed", watcher=Watcher(stop_at=4))
    checkpoints = list((tmp_path / "killed").glob("*.checkpoint.npz"))
    assert checkpoints
    watcher = Watcher()
    same(train(run, dataset, tmp_path / "killed", watcher=watcher), undisturbed)
    groups = 3 if method == "independent" else 1
    assert watcher.epochs == groups * 6 - 3  # three of the epochs had been saved before the kill
    again = Watcher()  # killed once more, between its last epoch and its record
    same(train(run, dataset, tmp_path / "killed", watcher=again), undisturbed)
    assert again.epochs == 0
    forget(tmp_path / "killed")
    assert not list((tmp_path / "killed").iterdir())


@pytest.mark.parametrize("method", ["independent", "hard"])
def test_a_run_that_is_asked_to_stop_saves_its_last_epoch_and_goes_on_there(method, tmp_path):
    run = a_run(method)
    dataset = data(rows(), run)
    undisturbed = train(run, dataset, tmp_path / "undisturbed")
    before = signal.getsignal(signal.SIGTERM)
    watcher = Watcher(at=lambda epoch: epoch == 3 and signal.raise_signal(signal.SIGTERM))
    with heeding() as asked, pytest.raises(UserError, match=r"stopped by SIGTERM after epoch 3\. Mend: start again"):
        train(run, dataset, tmp_path / "stopped", watcher=watcher, seconds=1e9, asked_to_stop=asked)
    assert signal.getsignal(signal.SIGTERM) is before
    watcher = Watcher()
    resumed = train(run, dataset, tmp_path / "stopped", watcher=watcher)
    same(resumed, undisturbed)
    groups = 3 if method == "independent" else 1
    assert watcher.epochs == groups * 6 - 3
    assert next(iter(resumed.fits.values())).spent > 0 == next(iter(undisturbed.fits.values())).spent


def test_a_full_disk_costs_a_run_its_checkpoints_and_nothing_else(tmp_path, monkeypatch, caplog):
    run = a_run()
    dataset = data(rows(), run)
    undisturbed = train(run, dataset, tmp_path / "undisturbed")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with caplog.at_level("WARNING", logger="alloymtl"):
        same(train(run, dataset, tmp_path / "full"), undisturbed)
    assert "a+b+c.checkpoint.npz: this file could not be written: the disk is full." in caplog.text
    assert not list((tmp_path / "full").iterdir())


def test_a_task_counts_the_steps_that_held_a_row_of_it(tmp_path):
    run = a_run(batch_size=4, max_epochs=2)
    dataset = data(rows(), run)
    (fit,) = train(run, dataset, tmp_path).fits.values()
    labelled = dataset.training_rows([0, 1, 2]).labelled
    drawn = [
        batch
        for epoch in (1, 2)
        for batch in uniform.batches(labelled, 4, stream(run.seed, ["a", "b", "c"], "batches", epoch), {})
    ]
    assert fit.steps == len(drawn)
    assert list(fit.task_steps.values()) == np.sum([labelled[batch].any(0) for batch in drawn], axis=0).tolist()
    assert min(fit.task_steps.values()) < fit.steps


@pytest.mark.parametrize("damage", ["truncated", "another run's"])
def test_a_checkpoint_that_cannot_be_trusted_is_not_resumed_from(damage, tmp_path):
    run = a_run()
    dataset = data(rows(), run)
    undisturbed = train(run, dataset, tmp_path / "undisturbed")
    with pytest.raises(KeyboardInterrupt):
        train(run, dataset, tmp_path / "killed", watcher=Watcher(stop_at=4))
    (checkpoint,) = (tmp_path / "killed").glob("*.checkpoint.npz")
    if damage == "truncated":
        checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    watcher = Watcher()
    key = "key" if damage == "truncated" else "another key"
    same(train(run, dataset, tmp_path / "killed", key=key, watcher=watcher), undisturbed)
    assert watcher.epochs == 6


def test_a_run_that_diverges_says_so(tmp_path):
    run = a_run(learning_rate=1e30)
    with pytest.raises(
        UserError, match=r"epoch \d: the validation loss is not finite. Mend: lower training.learning_rate"
    ):
        train(run, data(rows(), run), tmp_path)


def test_fingerprint_tells_runs_inputs_and_code_apart():
    first = job.fingerprint(a_run(), {"features": "1"})
    assert first == job.fingerprint(a_run(), {"features": "1"})
    assert first != job.fingerprint(a_run(seed=2), {"features": "1"})
    assert first != job.fingerprint(a_run(), {"features": "2"})
    code = {file.relative_to(job.ROOT / "alloymtl").as_posix() for file in job.code_of(a_run("structured"))}
    assert {"methods/architectures/structured.py", "methods/balancers/inverse_size.py"} <= code
    assert {"training/reference/engine.py", "training/reference/networks/structured.py"} <= code
    assert {"methods/losses/mse.py", "methods/samplers/uniform.py", "training/loop.py", "run.py"} <= code


def test_seeds_differ_and_an_independent_network_sees_its_own_task_only(tmp_path):
    run = a_run("independent")
    frame = rows()
    table = partition(frame, run)
    first = train(run, data(frame, run, table), tmp_path / "first").predictions
    other_seed = train(dataclasses.replace(run, seed=2), data(frame, run), tmp_path / "other").predictions
    assert not np.array_equal(first.prediction, other_seed.prediction)
    frame["y:b"] = frame["y:b"] * -3 + 1  # another task's labels change, its rows stay
    dataset = data(frame, run, table)
    second = train(run, dataset, tmp_path / "second").predictions
    of_a = first.task == "a"
    assert set(second[of_a].alloy) == set(first[of_a].alloy)
    np.testing.assert_array_equal(first[of_a].prediction, second[of_a].prediction)
    assert not np.array_equal(first[first.task == "b"].prediction, second[first.task == "b"].prediction)


def test_standardisation_uses_training_rows_alone():
    run = a_run()
    frame = rows()
    before = data(frame, run)
    train_rows = before.rows("train", [0, 1, 2])
    np.testing.assert_allclose(before.x[train_rows].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(before.x[train_rows].std(0), 1, atol=1e-5)
    held_out = ~frame.alloy.isin(before.alloys[train_rows])
    frame.loc[held_out, "x:0"] += 100
    after = data(frame, run)
    np.testing.assert_array_equal(after.x[train_rows], before.x[train_rows])
    np.testing.assert_array_equal(after.y[train_rows], before.y[train_rows])


@given(
    y=st.lists(st.floats(0.01, 1e4), min_size=3, max_size=20, unique=True), transform=st.sampled_from(["none", "log10"])
)
@settings(deadline=None)
def test_targets_come_back_from_their_standardised_scale(y, transform):
    from alloymtl.training.dataset import _standardisation

    labels = np.array(y)
    scale = _standardisation(Target("a", "regression", transform), labels)
    np.testing.assert_allclose(scale.restore(scale.standardise(labels)), labels, rtol=1e-6)
