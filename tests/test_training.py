"""Training: the step against plain torch, the schedule against torch's, resuming, and what must not leak."""

import contextlib
import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from alloymtl.data.split import split
from alloymtl.errors import UserError
from alloymtl.methods.balancers import inverse_size
from alloymtl.methods.samplers import uniform
from alloymtl.run import Part, Run, Target
from alloymtl.training import job
from alloymtl.training.dataset import build
from alloymtl.training.reference import Engine
from alloymtl.training.schedule import EarlyStopping, Plateau
from alloymtl.training.streams import dropout_keep, stream

TRAINING = {
    "hidden": [16, 12],
    "dropout": 0.3,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "weight_decay": 1e-4,
    "max_epochs": 6,
    "patience": 30,
    "plateau_factor": 0.5,
    "plateau_patience": 1,
    "engine": "reference",
}
OPTIONS = {
    "independent": {"head": 0},
    "hard": {"head": 5},
    "structured": {"head": 5, "embedding": 6, "alpha": 0.1, "lambda_sparse": 0.01, "lambda_self": 0.01},
}
TASKS = (Target("a", "regression", "none"), Target("b", "regression", "none"), Target("c", "classification", "none"))


def a_run(method="hard", seed=1, tasks=TASKS, **training):
    parts = {
        "architecture": Part("architecture", method, OPTIONS[method]),
        "loss": Part("loss", "mse", {}),
        "balancer": Part("balancer", "inverse_size", {"power": 1.0}),
        "sampler": Part("sampler", "uniform", {}),
    }
    return Run(method, "all", 7, seed, tasks, parts, {**TRAINING, **training}, threshold=0.5, simulated=True)


def rows(n=150, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    y = x @ rng.normal(size=(4, 3)) + 0.1 * rng.normal(size=(n, 3))
    y[:, 2] = y[:, 2] > 0
    owner = rng.choice(3, n, p=[0.6, 0.2, 0.2])
    y[owner[:, None] != np.arange(3)] = np.nan
    frame = pd.DataFrame({"alloy": [f"alloy{i:04d}" for i in range(n)], "system": "A-B"})
    frame[[f"x:{i}" for i in range(4)]] = x
    frame[[f"y:{t.name}" for t in TASKS]] = y
    return frame


def partition(frame, run):
    kinds = {t.name: t.kind for t in run.tasks}
    return split(frame, kinds, {"kind": "stratified", "validation": 0.2, "test": 0.2, "strata": 3}, 7)


def data(frame, run, table=None):
    return build(frame, partition(frame, run) if table is None else table, run.tasks, run.level)


class Watcher:
    """An observer that may stop the run, as a kill would."""

    def __init__(self, stop_at=None):
        self.stop_at, self.epochs = stop_at, 0

    def update(self, epoch, values):
        self.epochs += 1
        if epoch == self.stop_at:
            raise KeyboardInterrupt


def train(run, dataset, folder, key="key", watcher=None):
    folder.mkdir(parents=True, exist_ok=True)
    return job.train(run, dataset, folder, key, lambda group: contextlib.nullcontext(watcher or Watcher()), 0)


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


def in_double(engine):
    """Let an engine compute in double precision."""
    engine.network.double()
    engine.x, engine.y, engine.labelled = engine.x.double(), engine.y.double(), engine.labelled.double()
    engine.coefficients = engine.coefficients.double()


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
    engine = Engine(
        x, y, [True, True, False], weights, run.parts["architecture"], run.parts["loss"], run.training,
        stream(3, ["a"], "initialisation"),
    )  # fmt: skip
    in_double(engine)  # so that fifty steps of Adam do not blow rounding up to the size of a mistake
    backbone, heads = twin(engine)
    modules = nn.ModuleList([*(m for pair in backbone for m in pair), *heads])
    modules.double()
    optimiser = torch.optim.Adam(modules.parameters(), lr=1e-3, weight_decay=1e-4)
    steps = 0
    for epoch in range(5):
        batches = uniform.batches(len(x), 8, stream(3, ["a"], "batches", epoch))
        keep = dropout_keep(stream(3, ["a"], "dropout", epoch), len(x), 28, 0.3)
        engine.epoch(batches, keep)
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
    engine = Engine(
        dataset.x[train_rows], dataset.y[train_rows], [True, True, False], np.ones(3), run.parts["architecture"],
        run.parts["loss"], run.training, stream(3, ["a"], "initialisation"),
    )  # fmt: skip
    before = engine.parameters()
    with np.errstate(invalid="ignore"):
        engine.epoch([np.arange(8)], np.ones((8, 28), np.uint8))
    after = engine.parameters()
    for name in ("heads.weight_in", "heads.weight_out", "heads.bias_out"):
        assert not np.array_equal(before[name][0], after[name][0])
        np.testing.assert_array_equal(before[name][1:], after[name][1:])


def test_structured_network_without_its_auxiliary_branch_is_the_hard_sharing_network():
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32))
    engines = {}
    for method in ("hard", "structured"):
        run = a_run(method)
        options = {**OPTIONS[method], **({"alpha": 0.0} if method == "structured" else {})}
        engines[method] = Engine(
            x.numpy(), np.zeros((9, 3), np.float32), [True] * 3, np.ones(3), Part("architecture", method, options),
            run.parts["loss"], run.training, stream(3, ["a"], "initialisation"),
        )  # fmt: skip
    shared = engines["hard"].parameters()
    structured = engines["structured"]
    structured.load_parameters({**structured.parameters(), **shared})
    np.testing.assert_allclose(structured.predict(x.numpy()), engines["hard"].predict(x.numpy()), rtol=1e-6)


def test_the_sparsity_penalty_alone_drives_every_relation_towards_zero():
    run = a_run("structured", learning_rate=0.01, weight_decay=0.0)
    options = {**OPTIONS["structured"], "lambda_sparse": 1.0}
    y = np.full((8, 3), np.nan, np.float32)
    y[:, 0] = 0.0
    engine = Engine(
        np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32), y, [True] * 3, np.zeros(3),
        Part("architecture", "structured", options), run.parts["loss"], run.training,
        stream(1, ["a"], "initialisation"),
    )  # fmt: skip
    start = engine.relations()
    with np.errstate(invalid="ignore"):
        for _ in range(200):
            engine.epoch([np.arange(8)], np.ones((8, 28), np.uint8))
    assert ((start > 0) & (start < 1)).all()
    assert (engine.relations() < 0.05).all()


# ---------------------------------------------------------------- weights, batches, streams, schedule


def test_inverse_size_weights_are_those_of_the_paper():
    weights = inverse_size.coefficients(np.array([52388, 800, 840]), {"power": 1.0})
    np.testing.assert_allclose(weights, [1, 65.485, 62.3666667])


@given(n=st.integers(2, 300), size=st.integers(2, 40), seed=st.integers(0, 2**31))
@settings(deadline=None)
def test_an_epoch_holds_every_row_once_and_no_batch_of_one_row(n, size, seed):
    batches = uniform.batches(n, size, np.random.default_rng(seed))
    assert sorted(np.concatenate(batches)) == list(range(n))
    assert all(2 <= len(b) <= size + 1 for b in batches)
    assert all(len(b) == size for b in batches[:-1])


def test_default_study_takes_1182_steps_an_epoch():
    assert len(uniform.batches(37818, 32, np.random.default_rng(0))) == 1182


def test_dropout_drops_its_share_of_units():
    keep = dropout_keep(np.random.default_rng(0), 2000, 100, 0.3)
    assert keep.mean() == pytest.approx(0.7, abs=0.005)
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


def same(one, other):
    pd.testing.assert_frame_equal(one.predictions, other.predictions, check_exact=True)
    assert {k: v.history for k, v in one.fits.items()} == {k: v.history for k, v in other.fits.items()}
    if one.relations is not None:
        pd.testing.assert_frame_equal(one.relations, other.relations, check_exact=True)


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
    assert not list((tmp_path / "killed").iterdir())


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
    assert {"methods/architectures/structured.py", "methods/balancers/inverse_size.py", "training/reference.py"} <= code
    assert {"methods/losses/mse.py", "methods/samplers/uniform.py", "training/loop.py", "run.py"} <= code


def test_seeds_differ_and_an_independent_network_sees_its_own_task_only(tmp_path):
    run = a_run("independent")
    frame = rows()
    table = partition(frame, run)
    first = train(run, data(frame, run, table), tmp_path).predictions
    other_seed = train(dataclasses.replace(run, seed=2), data(frame, run), tmp_path).predictions
    assert not np.array_equal(first.prediction, other_seed.prediction)
    frame["y:b"] = frame["y:b"] * -3 + 1  # another task's labels change, its rows stay
    dataset = data(frame, run, table)
    second = train(run, dataset, tmp_path).predictions
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
