"""Losses and smoothing: the authors' code as oracle, finite differences, and what must hold for any labels."""

import importlib
import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KernelDensity
from torch.func import functional_call

from alloymtl import components
from alloymtl.errors import UserError
from alloymtl.methods.losses import _balanced, _label_bins, density, gai, lds
from alloymtl.methods.smoothing import fds
from alloymtl.run import Part, reference_module
from alloymtl.training.reference.engine import moved
from alloymtl.training.reference.losses import contrast, mixture

LOSSES = {name: importlib.import_module(f"alloymtl.methods.losses.{name}") for name in components.names("loss")}
BALANCED = ("bmc", "gai", "bni")
every_loss = pytest.mark.parametrize("name", LOSSES)


def oracle(file):
    """Cases of an oracle file, and the tolerance that it asks for."""
    content = json.loads((Path(__file__).parent / "oracles" / file).read_text(encoding="utf-8"))
    return [pytest.param(c["inputs"], c["expected"], id=c["id"]) for c in content["cases"]], content["tolerance"]


LDS, LDS_TOLERANCE = oracle("lds.json")
BALANCED_MSE, BALANCED_TOLERANCE = oracle("balanced_mse.json")
FDS, FDS_TOLERANCE = oracle("fds.json")


@pytest.fixture(autouse=True, scope="module")
def _in_double():
    """Modules are built in torch's default precision; oracles and finite differences need the double one."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@st.composite
def tables(draw):
    """Features and labels of two regression tasks: skewed labels, some missing, at least two for each task."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(4, 40))
    y = rng.exponential(size=(n, 2))
    y[rng.random((n, 2)) < draw(st.floats(0, 0.7))] = np.nan
    y[:2, 0], y[2:4, 1] = rng.exponential(size=(2, 2))
    return rng.normal(size=(n, 3)), (y - np.nanmean(y, axis=0)) / np.nanstd(y, axis=0)


def built(name, y, **options):
    """The reference engine's loss of a name, over training labels ``y``."""
    form = importlib.import_module(reference_module("losses", Part("loss", name, {})))
    return form.Loss(y, LOSSES[name], {**LOSSES[name].OPTIONS, **options})


def batch(name, x, y, rng):
    """What a loss is called with, for a batch of all rows and predictions that miss."""
    labelled = ~np.isnan(y)
    weights = LOSSES[name].row_weights(x, y, LOSSES[name].OPTIONS)
    prediction = np.nan_to_num(y) + rng.normal(size=y.shape)
    return [torch.from_numpy(a.astype(np.float64)) for a in (prediction, np.nan_to_num(y), labelled, weights)]


def gradients(loss, prediction, *rest):
    """Loss of each task, and the gradients of their sum: of the prediction, and of sigma where there is one."""
    prediction = prediction.clone().requires_grad_()
    value = loss(prediction, *rest)
    return value.detach(), *torch.autograd.grad(value.sum(), [prediction, *loss.parameters()])


# ---------------------------------------------------------------- row weights


@pytest.mark.parametrize(("inputs", "expected"), LDS)
def test_lds_weights_are_the_authors(inputs, expected):
    labels = np.array(inputs["labels"])
    edges = np.histogram_bin_edges([], inputs["bins"], inputs["range"])
    options = {**lds.OPTIONS, "reweight": inputs["reweight"], "ks": inputs["ks"] or 1}
    if inputs["ks"]:
        options["sigma"] = inputs["sigma"]
        kernel = _label_bins.window(inputs["ks"], inputs["sigma"])
        np.testing.assert_allclose(kernel / kernel.max(), expected["kernel"], **LDS_TOLERANCE)
    assert _label_bins.bin_of(labels, edges).tolist() == expected["bin_of_label"]
    np.testing.assert_allclose(lds.weights(labels, edges, options), expected["weights"], **LDS_TOLERANCE)


@every_loss
@given(table=tables())
@settings(max_examples=30, deadline=None)
def test_row_weights_average_one_over_the_labels_of_each_task_and_are_zero_elsewhere(name, table):
    x, y = table
    weights = LOSSES[name].row_weights(x, y, LOSSES[name].OPTIONS)
    assert weights.shape == y.shape
    assert (weights[np.isnan(y)] == 0).all()
    assert (weights[~np.isnan(y)] > 0).all()
    np.testing.assert_allclose(weights.sum(0) / (~np.isnan(y)).sum(0), 1, rtol=1e-12)


@given(rare=st.integers(1, 20), more=st.integers(1, 200), reweight=st.sampled_from(["sqrt_inv", "inverse"]))
def test_far_from_each_other_labels_weigh_the_inverse_of_how_often_they_occur_or_its_root(rare, more, reweight):
    y = np.repeat([0.0, 1.0], [rare + more, rare])[:, None]
    weights = lds.row_weights(y, y, {**lds.OPTIONS, "reweight": reweight})
    ratio = (rare + more) / rare
    assert weights[-1] / weights[0] == pytest.approx(ratio if reweight == "inverse" else ratio**0.5)


def test_a_rare_label_beside_common_ones_weighs_less_than_a_rare_one_far_from_them():
    y = np.repeat([0.0, 0.02, 1.0], [100, 1, 1])[:, None]
    common, beside, far = lds.row_weights(y, y, lds.OPTIONS)[[0, 100, 101], 0]
    assert common < far
    assert beside < far / 3


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_density_weights_follow_a_gaussian_kernel_density_of_the_features(power):
    n = 3000
    assert n * n > density.BLOCK  # so that several blocks are put together
    x = np.random.default_rng(0).normal(size=(n, 4)) * [1.0, 0.3, 2.0, 0.0]
    y = np.arange(float(n))[:, None]
    y[::3] = np.nan
    rows = ~np.isnan(y[:, 0])
    scott = rows.sum() ** (-1 / (3 + 4))  # the fourth feature never varies
    log_density = KernelDensity(bandwidth=1.5 * scott).fit(x[rows]).score_samples(x[rows])
    wanted = np.exp(-power * log_density)
    weights = density.row_weights(x, y, {"bandwidth": 1.5, "power": power})
    np.testing.assert_allclose(weights[rows, 0], wanted / wanted.mean(), rtol=1e-9)


def test_a_lone_alloy_weighs_most_but_not_without_bound():
    x = np.r_[np.random.default_rng(1).normal(scale=0.1, size=(99, 5)), [[1e6] * 5]]
    weights = density.row_weights(x, np.zeros((100, 1)), density.OPTIONS)[:, 0]
    assert weights.argmax() == 99
    assert weights[99] <= 100 * weights[:99].min()


# ---------------------------------------------------------------- losses


@pytest.mark.parametrize(("inputs", "expected"), BALANCED_MSE)
def test_balanced_mse_is_that_of_its_authors(inputs, expected):
    prediction, target = (torch.tensor(inputs[k])[:, None] for k in ("predictions", "targets"))
    ones = torch.ones_like(target)
    for wanted in expected["by_sigma"]:
        sigma = wanted["noise_sigma"]
        if inputs["loss"] == "bmc":
            loss = contrast.Loss(target.numpy(), LOSSES["bmc"], {"sigma": sigma})
        else:
            known = inputs.get("gmm") or inputs["buckets"]
            means = np.array(known.get("means", known.get("centers")))
            variances = np.array(known.get("variances", 0 * means))
            table = _balanced.table([_balanced.Mixture(np.array(known["weights"]), means, variances)])
            given_ = SimpleNamespace(mixtures=lambda y, options, table=table: table)
            loss = mixture.Loss(target.numpy(), given_, {"sigma": sigma})
        found = [g.flatten().tolist() for g in gradients(loss, prediction, target, ones, ones)]
        values = [wanted["loss"]], wanted["grad_predictions"], [wanted["grad_noise_sigma"]]
        for mine, theirs in zip(found, values, strict=True):
            np.testing.assert_allclose(mine, theirs, **BALANCED_TOLERANCE)


@every_loss
@given(table=tables(), seed=st.integers(0, 2**16))
@settings(max_examples=5, deadline=None)
def test_gradients_are_those_of_finite_differences(name, table, seed):
    rng = np.random.default_rng(seed)
    x, y = (a[:8] for a in table)
    prediction, *rest = batch(name, x, y, rng)
    loss = built(name, y)
    sigmas = [torch.tensor([0.5, 1.3], requires_grad=True)] if name in BALANCED else []

    def without_scale(p, *s):
        # No gradient flows through the factor 2 sigma^2: what is left without it has a true one.
        scale = 2 * s[0].detach() ** 2 if s else 1.0
        return functional_call(loss, {"sigma": s[0]} if s else {}, (p, *rest)) / scale

    assert torch.autograd.gradcheck(without_scale, (prediction.requires_grad_(), *sigmas), atol=1e-6)


@every_loss
@given(table=tables(), seed=st.integers(0, 2**16))
@settings(max_examples=10, deadline=None)
def test_an_absent_task_has_no_loss_and_no_gradient_and_disturbs_no_other(name, table, seed):
    x, y = table
    loss = built(name, y)
    prediction, target, labelled, weight = batch(name, x, y, np.random.default_rng(seed))
    both = gradients(loss, prediction, target, labelled, weight)
    one = torch.tensor([1.0, 0.0])
    absent = gradients(loss, prediction, target * one, labelled * one, weight * one)
    for whole, part in zip(both, absent, strict=True):
        assert (part[..., 1] == 0).all()  # loss, gradient of the prediction, gradient of sigma
        assert torch.equal(part[..., 0], whole[..., 0])


@every_loss
@given(table=tables(), seed=st.integers(0, 2**16))
@settings(max_examples=10, deadline=None)
def test_the_order_of_rows_does_not_matter(name, table, seed):
    x, y = table
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    module = LOSSES[name]
    weights = module.row_weights(x, y, module.OPTIONS)
    np.testing.assert_allclose(module.row_weights(x[order], y[order], module.OPTIONS), weights[order], rtol=1e-9)
    loss, entries = built(name, y), batch(name, x, y, rng)
    straight, shuffled = gradients(loss, *entries), gradients(loss, *(e[order] for e in entries))
    torch.testing.assert_close(shuffled[0], straight[0])
    torch.testing.assert_close(shuffled[1], straight[1][order])


@every_loss
def test_single_precision_far_off_the_mark_stays_finite(name):
    rng = np.random.default_rng(2)
    y = rng.normal(size=(32, 2))
    y[2:, 1] = np.nan
    entries = [e.float() for e in batch(name, y, y, rng)]
    for sigma in (1.0, 0.0):  # the second is put to the smallest sigma allowed
        loss = built(name, y, **({"sigma": sigma} if name in BALANCED else {})).float()
        for found in gradients(loss, entries[0] * 1e4, *entries[1:]):
            assert found.dtype == torch.float32
            assert found.isfinite().all()


def test_no_two_losses_train_alike():
    """Not even up to a factor, which Adam would take out: two rows of a table must not be one method."""
    rng = np.random.default_rng(3)
    y = rng.exponential(size=(300, 1))
    y = (y - y.mean()) / y.std()
    x = np.c_[y, rng.normal(size=(300, 2))]
    noise = torch.from_numpy(rng.normal(size=(32, 1)))
    directions = {}
    for name in LOSSES:
        _, target, labelled, weight = (e[:32] for e in batch(name, x, y, rng))
        gradient = gradients(built(name, y), target + noise, target, labelled, weight)[1]
        directions[name] = gradient / gradient.norm()
    for one, other in itertools.combinations(directions, 2):
        # gai and bni are two approximations of one integral
        assert (directions[one] - directions[other]).norm() > (1e-3 if {one, other} == {"gai", "bni"} else 0.05)


@given(value=st.floats(-3, 3), others=st.integers(0, 5), sigma=st.floats(0.01, 5))
def test_bmc_learns_nothing_from_a_single_labelled_row(value, others, sigma):
    loss = built("bmc", np.zeros((1, 1)), sigma=sigma)
    labelled = torch.zeros(others + 1, 1)
    labelled[others // 2] = 1
    prediction = torch.linspace(-1, 1, others + 1)[:, None]
    for found in gradients(loss, prediction, value * labelled, labelled, labelled):
        assert (found == 0).all()


@pytest.mark.parametrize("name", ["gai", "bni"])
def test_the_closed_forms_learn_from_a_single_labelled_row(name):
    y = np.random.default_rng(4).normal(size=(50, 1))
    one = torch.ones(1, 1)
    assert gradients(built(name, y), one, 0.3 * one, one, one)[1].abs() > 0.1


@pytest.mark.parametrize("name", ["gai", "bni"])
def test_the_distribution_of_labels_has_their_mean_and_spread(name):
    labels = np.random.default_rng(5).exponential(size=400)
    m = gai.mixture(labels, 8) if name == "gai" else LOSSES["bni"].histogram(labels, 50)
    mean = (m.weights * m.means).sum()
    spread = (m.weights * (m.variances + m.means**2)).sum() - mean**2
    assert m.weights.sum() == pytest.approx(1)
    assert mean == pytest.approx(labels.mean(), abs=0.03)
    assert spread == pytest.approx(labels.var(), rel=0.03)


def test_labels_that_hardly_differ_make_a_smaller_mixture():
    assert len(gai.mixture(np.array([1.0, 1.0, 2.0, 3.0]), 8).weights) == 3


@pytest.mark.parametrize("name", BALANCED)
def test_sigma_stays_usable_when_every_label_is_met(name):
    y = np.random.default_rng(6).normal(size=(64, 2))
    loss = built(name, y).float()
    optimiser = torch.optim.Adam(loss.parameters(), lr=0.05)
    target, ones = torch.from_numpy(y).float(), torch.ones(64, 2)
    for _ in range(300):
        optimiser.zero_grad()
        loss(target, target, ones, ones).sum().backward()
        optimiser.step()
    assert loss.sigma.max() < 0.5  # it followed the errors down
    for found in gradients(loss, target + 1, target, ones, ones):
        assert found.isfinite().all()
        assert found.any()


def test_sigma_below_its_smallest_value_finds_back_up_when_errors_grow():
    loss = built("bmc", np.zeros((1, 1)), sigma=0.0)
    target = torch.linspace(-1, 1, 8)[:, None]
    ones = torch.ones(8, 1)
    met, missed = (gradients(loss, target + error, target, ones, ones)[2] for error in (0.0, 0.5))
    assert met == 0
    assert missed < 0


@every_loss
def test_a_group_without_regression_tasks_has_no_losses(name):
    x, none = np.zeros((5, 3)), np.zeros((5, 0))
    assert LOSSES[name].row_weights(x, none, LOSSES[name].OPTIONS).shape == (5, 0)
    assert built(name, none)(*(torch.zeros(5, 0) for _ in range(4))).shape == (0,)


# ---------------------------------------------------------------- feature distribution smoothing


def smoothed(smoothing, h, epoch, rows=None):
    """Features for each task's head as the reference engine makes them, of all training rows or of some."""
    rows = slice(None) if rows is None else rows
    tables = smoothing.calibration(epoch)
    tables = None if tables is None else [torch.from_numpy(table).to(h.dtype) for table in tables]
    return moved(h, torch.from_numpy(smoothing.bins[:, rows]), tables)


@pytest.mark.parametrize("variant", ["paper", "released"])
@pytest.mark.parametrize(("inputs", "expected"), FDS)
def test_fds_is_that_of_its_authors(inputs, expected, variant, monkeypatch):
    same = {k: inputs[k] for k in ("ks", "sigma", "momentum", "start_update", "start_smooth")}
    low, high = inputs["factor_clip"]
    options = {**same, "bins": inputs["buckets"], "clip_low": low, "clip_high": high, "variant": variant}
    assert set(options) == set(fds.OPTIONS)
    # The authors' range is given, not that of the labels.
    monkeypatch.setattr(fds, "edges", lambda labels, bins: np.histogram_bin_edges([], bins, inputs["range"]))
    all_labels = inputs["epochs"][0]["all_labels"]
    smoothing = fds.Smoothing(np.array(all_labels, float)[:, None], inputs["feature_dim"], options)
    for epoch, (given_, wanted) in enumerate(zip(inputs["epochs"], expected[f"{variant}_order"], strict=True)):
        assert given_["all_labels"] == all_labels
        batch_rows = [all_labels.index(label) for label in given_["batch_labels"]]  # rows of the same labels
        found = {"batch_smoothed": smoothed(smoothing, torch.tensor(given_["batch_features"]), epoch, batch_rows)}
        smoothing.end_of_epoch(np.array(wanted.get("collected_features", given_["all_features"])), epoch)
        found |= {"running_mean": smoothing.running_mean, "running_var": smoothing.running_variance}
        found |= {"smoothed_mean": smoothing.smoothed_mean, "smoothed_var": smoothing.smoothed_variance}
        for name in wanted.keys() & found.keys():
            np.testing.assert_allclose(found[name][0], wanted[name], **FDS_TOLERANCE, err_msg=f"{name}, epoch {epoch}")


def a_smoothing(y, h, epochs=1, **options):
    """Smoothing that has taken in the features ``h`` of all rows ``epochs`` times."""
    smoothing = fds.Smoothing(y, h.shape[-1], {**fds.OPTIONS, "bins": 6, **options})
    for epoch in range(epochs):
        smoothing.end_of_epoch(h.numpy(), epoch)
    return smoothing


@st.composite
def represented(draw):
    """Labels of two regression tasks and a classification, with features that follow the first task's labels."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(60, 120))
    y = np.c_[rng.uniform(-2, 2, (n, 2)), np.full(n, np.nan)]
    y[rng.random((n, 3)) < 0.2] = np.nan
    h = rng.normal(size=(n, 4)) * rng.uniform(0.5, 2, 4)
    return y, torch.from_numpy(h + np.sin(3 * np.nan_to_num(y[:, :1])))


@given(represented())
@settings(max_examples=30, deadline=None)
def test_fds_changes_the_features_of_labelled_rows_and_of_no_others(data):
    y, h = data
    smoothing = a_smoothing(y, h)
    out = smoothed(smoothing, h, 1)
    changed = (out != h).any(-1).numpy()
    assert out.shape == (3, *h.shape)
    assert not changed[2].any()
    for task in (0, 1):
        labelled, bins = ~np.isnan(y[:, task]), smoothing.bins[task]
        company = np.bincount(bins[labelled], minlength=6)[bins] > 1  # a row alone in its bin stays
        np.testing.assert_array_equal(changed[task], labelled & company)
    assert (out - h)[:2].abs().mean() > 0.05  # by more than rounding: the features' own scale is 1
    assert smoothing.calibration(0) is None
    assert torch.equal(smoothed(smoothing, h, 0), h.expand(3, -1, -1))


@given(represented())
@settings(max_examples=30, deadline=None)
def test_fds_gives_each_bin_the_smoothed_mean_and_variance(data):
    y, h = data
    smoothing = a_smoothing(y, h)
    out = smoothed(smoothing, h, 1)
    for task, k in itertools.product((0, 1), range(6)):
        rows = smoothing.bins[task] == k
        assert not np.isnan(y[rows, task]).any()
        if rows.sum() < 2:
            continue
        mean, variance = (torch.from_numpy(s[task, k]) for s in (smoothing.smoothed_mean, smoothing.smoothed_variance))
        torch.testing.assert_close(out[task, rows].mean(0), mean)
        factor = variance / h[rows].var(0)
        torch.testing.assert_close(out[task, rows].var(0), h[rows].var(0) * factor.clamp(0.1, 10))


@given(represented(), st.integers(0, 2**16))
@settings(max_examples=10, deadline=None)
def test_fds_does_not_depend_on_the_order_of_rows_nor_on_the_other_tasks(data, seed):
    y, h = data
    order = np.random.default_rng(seed).permutation(len(y))
    whole, shuffled = a_smoothing(y, h, epochs=2), a_smoothing(y[order], h[order], epochs=2)
    torch.testing.assert_close(smoothed(shuffled, h[order], 2), smoothed(whole, h, 2)[:, order])
    alone = a_smoothing(y[:, 1:2], h, epochs=2)
    torch.testing.assert_close(smoothed(alone, h, 2)[0], smoothed(whole, h, 2)[1])
    own = torch.stack((h, 2 * h, h))  # each task its own representation
    torch.testing.assert_close(smoothed(a_smoothing(y, own), own, 1)[0], smoothed(a_smoothing(y, h), h, 1)[0])


@given(represented(), st.sampled_from(["paper", "released"]))
@settings(max_examples=10, deadline=None)
def test_all_that_fds_remembers_is_in_its_state(data, variant):
    y, h = data
    smoothing = a_smoothing(y, h, epochs=3, variant=variant)
    restored = fds.Smoothing(y, h.shape[1], smoothing.options)
    state = smoothing.state()
    restored.load_state(state)
    for one in (smoothing, restored):
        one.end_of_epoch(h.numpy() + 1, 3)
    assert torch.equal(smoothed(smoothing, h, 4), smoothed(restored, h, 4))
    restored.load_state(state)  # a copy: neither the steps of one nor those of the other have changed it
    np.testing.assert_array_equal(restored.running_mean, a_smoothing(y, h, epochs=3, variant=variant).running_mean)


def test_fds_passes_gradients_and_leaves_dead_units_alone_in_single_precision():
    y = np.random.default_rng(7).uniform(size=(200, 1)).astype(np.float32)
    h = torch.randn(200, 3, dtype=torch.float32, generator=torch.Generator().manual_seed(1)).relu()
    h[:, 1] = 0
    smoothing = fds.Smoothing(y, 3, fds.OPTIONS)
    smoothing.end_of_epoch(h.numpy(), 0)
    h.requires_grad_()
    out = smoothed(smoothing, h, 1)
    out.sum().backward()
    assert out.dtype == torch.float32
    assert torch.equal(out[0, :, 1], h[:, 1])
    assert h.grad.isfinite().all()
    low, high = fds.OPTIONS["clip_low"] ** 0.5, fds.OPTIONS["clip_high"] ** 0.5
    assert ((h.grad >= 0.999 * low) & (h.grad <= 1.001 * high)).all()


# ---------------------------------------------------------------- options


@pytest.mark.parametrize("kind", ["loss", "smoothing"])
def test_options_are_read_without_importing_and_are_the_modules_own(kind):
    for name in components.names(kind):
        module = importlib.import_module(f"alloymtl.methods.{'losses' if kind == 'loss' else kind}.{name}")
        assert components.resolve(kind, name, {}, "key") == module.OPTIONS


@pytest.mark.parametrize(
    ("name", "option", "value", "where"),
    [
        ("lds", "bins", 0, "loss_options.bins"),
        ("lds", "ks", 4, "loss_options.ks"),
        ("lds", "sigma", 0.0, "loss_options.sigma"),
        ("density", "bandwidth", 0.0, "loss_options.bandwidth"),
        ("gai", "components", 0, "loss_options.components"),
        ("bni", "bins", 0, "loss_options.bins"),
        ("fds", "ks", 13, "smoothing_options.ks"),
        ("fds", "momentum", 1.5, "smoothing_options.momentum"),
    ],
)
def test_options_that_mean_nothing_are_refused_with_their_key(name, option, value, where):
    y, wrong = np.arange(10.0)[:, None], {option: value}

    def use():
        if name == "fds":
            return a_smoothing(y, torch.zeros(10, 2), **wrong)
        return built(name, y, **wrong), LOSSES[name].row_weights(y, y, {**LOSSES[name].OPTIONS, **wrong})

    with pytest.raises(UserError) as refused:
        use()
    assert refused.value.where == where
