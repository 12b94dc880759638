"""What each kind of method does to a step, an epoch and a run, held to the same thing written out plainly."""

import itertools

import numpy as np
import pytest
import torch

from alloymtl.methods.architectures import transfer
from alloymtl.methods.samplers import uniform
from alloymtl.training import job
from alloymtl.training.dataset import TrainingRows
from alloymtl.training.loop import Loop, Plan
from alloymtl.training.streams import stream
from training_fixture import GRADIENTS, Watcher, a_run, an_engine, an_epoch, data, in_double, rows, same, train

METHODS = {
    "lds": {"parts": {"loss": "lds"}},
    "density": {"parts": {"loss": "density"}},
    "bmc": {"parts": {"loss": "bmc"}},
    "gai": {"parts": {"loss": "gai"}},
    "bni": {"parts": {"loss": "bni"}},
    "fds": {"parts": {"smoothing": "fds"}},
    "lds_fds": {"parts": {"loss": "lds", "smoothing": "fds"}},
    "gradnorm": {"parts": {"balancer": "gradnorm"}},
    "pcgrad": {"parts": {"balancer": "pcgrad"}},
    "bmc_gradnorm": {"parts": {"loss": "bmc", "balancer": "gradnorm"}},
    "bmc_pcgrad": {"parts": {"loss": "bmc", "balancer": "pcgrad"}},
    "stratified": {"parts": {"sampler": "stratified"}},
    "structured": {"method": "structured"},
    "structured_pcgrad": {"method": "structured", "parts": {"balancer": "pcgrad"}},
    "soft": {"method": "soft"},
    "transfer": {"method": "transfer"},
    "finetuned": {"method": "transfer", "options": {"frozen": False}},
    "random": {"method": "transfer", "options": {"pretrained": False}},
    "independent": {"method": "independent"},
    "label_mean": {"reduction": "label_mean"},
    "per_task": {"checkpoint": "per_task"},
    "fixed_steps": {"steps_per_epoch": 7},
    "measured": {"diagnostics": GRADIENTS},
}


def labelled_rows(n=40, seed=0):
    """Rows of three tasks, some with several labels."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    y = x @ rng.normal(size=(4, 3)) + 0.1 * rng.normal(size=(n, 3))
    y[:, 2] = y[:, 2] > 0
    y[rng.random((n, 3)) < 0.5] = np.nan
    empty = np.isnan(y).all(1)
    y[empty, 0] = 0.3
    return x, y


# ---------------------------------------------------------------- whole runs


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    run = a_run()
    frame = rows()
    return data(frame, run), train(run, data(frame, run), tmp_path_factory.mktemp("hard"))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_differs_from_the_baseline_and_survives_a_kill(name, baseline, tmp_path):
    """A method that changes nothing would be a switch that is not connected."""
    dataset, plain = baseline
    run = a_run(**METHODS[name])
    undisturbed = train(run, dataset, tmp_path / "undisturbed")
    with pytest.raises(KeyboardInterrupt):
        train(run, dataset, tmp_path / "killed", watcher=Watcher(stop_at=4))
    assert list((tmp_path / "killed").glob("*.checkpoint.npz"))
    same(train(run, dataset, tmp_path / "killed", watcher=Watcher()), undisturbed)
    differs = not np.array_equal(undisturbed.predictions.prediction, plain.predictions.prediction)
    # To measure gradients changes no number, nor do checkpoints while every task still improves (see the next test).
    assert differs == (name not in {"measured", "per_task"})


def test_checkpoints_of_each_task_predict_it_from_its_own_best_epoch(baseline, tmp_path):
    dataset, _ = baseline
    outcome = train(a_run(checkpoint="per_task", max_epochs=12), dataset, tmp_path)
    (fit,) = outcome.fits.values()
    for task, best in fit.best_epoch.items():
        losses = [h["loss"] for h in fit.history if h["task"] == task and h["partition"] == "validation"]
        assert best == np.argmin(losses) + 1
    assert len(set(fit.best_epoch.values())) > 1
    joint = train(a_run(max_epochs=12), dataset, tmp_path / "joint")
    assert joint.fits["a+b+c"].history == fit.history  # the steps are the same; only what is kept differs


# ---------------------------------------------------------------- single steps


def gradients_after_a_step(run, x, y, weights, **more):
    engine = an_engine(run, x, y, weights, **more)
    in_double(engine)
    an_epoch(engine, [np.arange(len(x))])
    return engine, {name: p.grad.numpy().copy() for name, p in engine.network.named_parameters()}


def task_gradients_by_torch(run, x, y, weights):
    """Gradient of each weighted task loss on the backbone, task by task, each through a network of its own."""
    found = []
    for task in range(3):
        engine = an_engine(run, x, y, weights)
        in_double(engine)
        network = engine.network
        network.train()
        there = ~np.isnan(y[:, task])
        output = network(engine.x, torch.ones(len(x), engine.units, dtype=torch.float64))[there, task]
        wanted = torch.from_numpy(y[there, task].astype(np.float32)).double()
        loss = torch.nn.functional.binary_cross_entropy_with_logits if task == 2 else torch.nn.functional.mse_loss
        (weights[task] * loss(output, wanted)).backward()
        found.append(np.concatenate([p.grad.numpy().ravel() for p in network.backbone.parameters()]))
    return np.stack(found)


def flat(gradients):
    return np.concatenate([g.ravel() for name, g in gradients.items() if name.startswith("backbone")])


@pytest.mark.parametrize("seed", range(5))
def test_pcgrad_removes_from_each_task_what_conflicts_with_the_others(seed):
    x, y = labelled_rows(seed=seed)
    weights = np.array([1.0, 4.0, 0.5])
    run = a_run(parts={"balancer": "pcgrad"})
    _, after = gradients_after_a_step(run, x, y, weights)
    own = task_gradients_by_torch(a_run(), x, y, weights)
    candidates = []
    for orders in itertools.product(*(itertools.permutations([s for s in range(3) if s != t]) for t in range(3))):
        total = np.zeros(own.shape[1])
        for task, order in enumerate(orders):
            g = own[task].copy()
            for other in order:
                if g @ own[other] < 0:
                    g -= g @ own[other] / (own[other] @ own[other]) * own[other]
            total += g
        candidates.append(total)
    distances = [np.abs(flat(after) - total).max() for total in candidates]
    assert min(distances) < 1e-9 * np.abs(own).max()


def test_without_projection_the_same_plumbing_gives_the_plain_sum():
    x, y = labelled_rows()
    weights = np.array([1.0, 4.0, 0.5])
    run = a_run(parts={"balancer": "pcgrad"})
    run.parts["balancer"].options["projection"] = "off"
    _, after = gradients_after_a_step(run, x, y, weights)
    _, plain = gradients_after_a_step(a_run(), x, y, weights)
    for name, gradient in plain.items():
        np.testing.assert_allclose(after[name], gradient, rtol=1e-9, atol=1e-12)


def test_smoothing_comes_before_dropout_so_that_dropped_units_stay_dropped():
    x, y = labelled_rows()
    engine = an_engine(a_run(parts={"smoothing": "fds"}), x, y)
    seen = []
    original = engine.network.read_out
    engine.network.read_out = lambda h: seen.append(h.detach().clone()) or original(h)
    keep = (np.random.default_rng(0).random((40, engine.units)) > 0.3).astype(np.uint8)
    for number in (1, 2, 3):
        an_epoch(engine, [np.arange(40)], keep, number)
    dropped = keep[:, -12:] == 0
    for h in seen:
        assert (h.numpy()[:, dropped] == 0).all()
    plain = engine.network.backbone(engine.x, None).detach()
    assert not torch.allclose(seen[-1][0], plain)


def test_smoothing_moves_rows_by_the_labels_of_regression_tasks_and_by_no_class():
    x, y = labelled_rows()
    engine = an_engine(a_run(parts={"smoothing": "fds"}), x, y)
    np.testing.assert_array_equal(engine.bins.numpy() >= 0, ~np.isnan(y.T) & np.array([[True], [True], [False]]))


def test_measured_inner_products_are_those_of_the_tasks_own_gradients():
    x, y = labelled_rows()
    weights = np.array([1.0, 4.0, 0.5])
    engine, _ = gradients_after_a_step(a_run(), x, y, weights, measure_every=1)
    own = task_gradients_by_torch(a_run(), x, y, weights)
    np.testing.assert_allclose(engine.grams[0], own @ own.T, rtol=1e-9)


def test_a_large_batch_is_measured_without_a_trace():
    x, y = labelled_rows()
    engine = an_engine(a_run(), x, y)
    before = engine.parameters()
    first, again = engine.task_gradients(np.arange(30)), engine.task_gradients(np.arange(30))
    np.testing.assert_array_equal(first, again)
    for name, value in engine.parameters().items():
        np.testing.assert_array_equal(value, before[name])
    assert (np.abs(first).sum(1) > 0).all()


def test_mean_over_all_labels_lets_tasks_count_by_their_rows():
    x, y = labelled_rows()
    weights = np.array([1.0, 4.0, 0.5])
    _, after = gradients_after_a_step(a_run(reduction="label_mean"), x, y, weights)
    counts = (~np.isnan(y)).sum(0)
    own = task_gradients_by_torch(a_run(), x, y, weights * counts / counts.sum())
    np.testing.assert_allclose(flat(after), own.sum(0), rtol=1e-9, atol=1e-12)


def test_gradnorm_weighs_heads_and_backbone_alike():
    x, y = labelled_rows()
    run = a_run(parts={"balancer": "gradnorm"})
    engine, after = gradients_after_a_step(run, x, y, np.ones(3))
    weights = engine.state[:3]
    assert weights.sum() == pytest.approx(3)
    _, expected = gradients_after_a_step(a_run(), x, y, weights)
    for name, gradient in expected.items():
        np.testing.assert_allclose(after[name], gradient, rtol=1e-6, atol=1e-7)  # weights pass through float32


# ---------------------------------------------------------------- soft sharing, transfer


def test_soft_sharing_without_coupling_is_separate_networks():
    x, y = labelled_rows()
    y[:, 1:] = np.nan
    y[:, 0] = x[:, 0]
    engine = an_engine(a_run("soft", options={"coupling": 0.0}, weight_decay=0.0), x, y, regression=[True] * 3)
    before = engine.parameters()
    an_epoch(engine, [np.arange(40)])
    after = engine.parameters()
    for name in ("backbones.weight.0", "backbones.weight.1", "heads.weight_in"):
        assert not np.array_equal(before[name][0], after[name][0])
        np.testing.assert_array_equal(before[name][1:], after[name][1:])


def test_coupling_is_the_sum_of_squared_distances_over_pairs_and_draws_backbones_together():
    x, y = labelled_rows()
    engine = an_engine(a_run("soft", options={"coupling": 0.7}), x, y)
    vectors = engine.network.backbones.vectors()
    pairs = itertools.combinations(range(3), 2)
    expected = 0.7 * sum((vectors[a] - vectors[b]).square().sum() for a, b in pairs)
    torch.testing.assert_close(engine.network.penalty(), expected)
    similar = {}
    for coupling in (0.0, 1.0):
        engine = an_engine(a_run("soft", options={"coupling": coupling}, learning_rate=0.01), x, y)
        for number in range(1, 101):
            an_epoch(engine, [np.arange(40)], number=number)
        v, h = engine.backbones(x.astype(np.float32))
        similar[coupling] = v[0] @ v[1] / np.linalg.norm(v[0]) / np.linalg.norm(v[1])
        assert h.shape == (3, 40, 12)
    assert similar[1.0] > 0.999
    assert abs(similar[0.0]) < 0.3  # nothing makes uncoupled backbones alike


def test_backbones_of_soft_sharing_equal_single_ones():
    x, y = labelled_rows()
    soft, hard = an_engine(a_run("soft"), x, y), an_engine(a_run(), x, y)
    values = soft.parameters()
    for task in range(3):
        hard.network.backbone.load_state_dict(
            {
                **{f"linear.{i}.weight": torch.from_numpy(values[f"backbones.weight.{i}"][task]) for i in range(2)},
                **{k: v for k, v in hard.network.backbone.state_dict().items() if not k.startswith("linear")},
            }
        )
        single = hard.network.represent(torch.from_numpy(x.astype(np.float32)), None)
        torch.testing.assert_close(soft.network.represent(soft.x, None)[task], single, rtol=1e-5, atol=1e-6)


def transfer_loops(baseline, tmp_path, **options):
    """The loops of each stage of a transfer run, after training."""
    dataset, _ = baseline
    run = a_run("transfer", options=options)
    made = []
    original = job._loop

    def keep(*arguments):
        made.append(original(*arguments))
        return made[-1]

    job._loop = keep
    try:
        train(run, dataset, tmp_path)
    finally:
        job._loop = original
    return made


def test_a_frozen_backbone_is_the_source_s_to_the_end(baseline, tmp_path):
    source, *others = transfer_loops(baseline, tmp_path)
    assert tuple(source.plan.tasks) == ("a",)  # the task with the most labels
    assert [tuple(loop.plan.tasks) for loop in others] == [("b",), ("c",)]
    taught = source.engine.backbone()
    for loop in others:
        for name, value in loop.engine.backbone().items():
            np.testing.assert_array_equal(value, taught[name])


def test_a_frozen_backbone_drops_units_in_front_of_the_head_alone():
    x, y = labelled_rows()
    engine = an_engine(a_run("transfer"), x, y, frozen=True)
    engine.network.train()
    keep = torch.ones(40, engine.units)
    whole = engine.network.represent(engine.x, None)
    keep[:, :16] = 0  # the first layer
    torch.testing.assert_close(engine.network.represent(engine.x, keep), whole * engine.network.backbone.scale)
    keep[:, 16] = 0  # a unit of the last one
    assert (engine.network.represent(engine.x, keep)[:, 0] == 0).all()


def test_a_frozen_random_backbone_is_calibrated_and_so_no_smaller_than_a_trained_one():
    x, y = labelled_rows()
    run = a_run("transfer", options={"pretrained": False})
    frozen, free = an_engine(run, x, y, frozen=True), an_engine(run, x, y)
    h = frozen.network.represent(frozen.x, None)
    free.network.train()
    # Batch statistics, but for the divisor of the variance.
    torch.testing.assert_close(h, free.network.represent(free.x, None), rtol=0.05, atol=0.02)
    free.network.eval()
    assert h.std() > 2 * free.network.represent(free.x, None).std()


def test_arms_of_transfer_differ_in_their_backbone_alone(baseline, tmp_path):
    dataset, _ = baseline
    starts = {}
    for arm, options in {
        "frozen": {},
        "scratch": {"pretrained": False, "frozen": False},
        "random": {"pretrained": False},
    }.items():
        run = a_run("transfer", options=options)
        stages = transfer.stages(["a", "b", "c"], dataset.sizes(), run.parts["architecture"].options)
        source = {"a": {k: np.array(v + 1) for k, v in an_engine(run, *labelled_rows()).backbone().items()}}
        start = source.get(stages[1].start)
        starts[arm] = job._loop(run, dataset, stages[1], [1], start, np.ones(1)).engine.parameters()
    for name in starts["frozen"]:
        same_start = np.array_equal(starts["frozen"][name], starts["scratch"][name])
        assert same_start == name.startswith("heads"), name
        if "running" not in name and "tracked" not in name:  # the frozen one has been calibrated
            np.testing.assert_array_equal(starts["random"][name], starts["scratch"][name])


# ---------------------------------------------------------------- batches across epochs


def test_a_fixed_number_of_steps_goes_on_where_the_epoch_before_ended():
    x, y = labelled_rows(43)
    run = a_run(steps_per_epoch=4)
    rows = TrainingRows(x.astype(np.float32), y.astype(np.float32), (True, True, False))
    plan = Plan(
        tasks=["a", "b", "c"], rows=rows, validation=(x, y), coefficients=np.ones(3), sampler=uniform,
        sampler_options={}, settings=run.training, probe=None, seed=5,
    )  # fmt: skip
    loop = Loop(an_engine(run, x, y), plan)
    drawn = [batch for epoch in range(1, 7) for batch in loop._batches(epoch)]
    streams = (stream(5, plan.tasks, "batches", number) for number in range(1, 6))
    passes = [batch for rng in streams for batch in uniform.batches(~np.isnan(y), 8, rng, {})]
    assert len(drawn) == 24
    for one, other in zip(drawn, passes, strict=False):
        np.testing.assert_array_equal(one, other)
