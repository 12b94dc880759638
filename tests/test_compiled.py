"""The compiled engine takes the reference engine's steps: the same gradients, losses and runs, to rounding."""

import dataclasses
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloymtl import components
from alloymtl.engines import FORMS, chosen
from alloymtl.errors import UserError
from alloymtl.methods.samplers import stratified, uniform
from alloymtl.run import Part
from alloymtl.training.compiled import jit
from alloymtl.training.dataset import TrainingRows
from alloymtl.training.streams import dropout_keep, stream
from test_engine_methods import METHODS, labelled_rows
from training_fixture import GRADIENTS, Watcher, a_run, data, engines, rows, same, train

STEPS = 50
# What decides about a step, beside what whole runs decide about.
KINDS = {
    name: {key: value for key, value in spec.items() if key not in {"checkpoint", "steps_per_epoch", "diagnostics"}}
    for name, spec in METHODS.items()
    if name not in {"per_task", "fixed_steps", "transfer", "finetuned", "random", "measured"}
} | {
    "hard": {},
    "linear_heads": {"options": {"head": 0}},
    "structured_linear_heads": {"method": "structured", "options": {"head": 0}},
    "structured_gradnorm": {"method": "structured", "parts": {"balancer": "gradnorm"}},
    "structured_fds": {"method": "structured", "parts": {"smoothing": "fds"}},
    "soft_linear_heads": {"method": "soft", "options": {"head": 0}},
    "soft_bmc": {"method": "soft", "parts": {"loss": "bmc"}},
    "fds_pcgrad": {"parts": {"smoothing": "fds", "balancer": "pcgrad"}},
    "gai_gradnorm": {"parts": {"loss": "gai", "balancer": "gradnorm"}},
    "frozen": {"method": "transfer", "start": True, "frozen": True},
    "frozen_random": {"method": "transfer", "frozen": True},
    "finetuned": {"method": "transfer", "start": True},
    "frozen_bni": {"method": "transfer", "start": True, "frozen": True, "parts": {"loss": "bni"}},
    "without_dropout": {"dropout": 0.0},
    "three_layers": {"hidden": [9, 7, 5]},
    "one_layer_structured": {"method": "structured", "hidden": [6], "parts": {"balancer": "pcgrad"}},
    "automatic": {"parts": {"optimiser": "automatic"}},
    "structured_automatic": {"method": "structured", "parts": {"optimiser": "automatic", "balancer": "ngdiff"}},
    "soft_automatic": {"method": "soft", "parts": {"optimiser": "automatic", "loss": "bmc"}},
    "flat": {"parts": {"optimiser": "flat"}, "diagnostics": GRADIENTS},
    "flat_cagrad": {"parts": {"optimiser": "flat", "balancer": "cagrad", "sampler": "stratified"}},
    "flat_famo": {"parts": {"optimiser": "flat", "balancer": "famo", "loss": "bmc"}},
    "flat_fds": {"parts": {"optimiser": "flat", "balancer": "upgrad", "smoothing": "fds"}},
    "structured_flat": {"method": "structured", "parts": {"optimiser": "flat", "balancer": "imtl_g"}},
    **{f"balanced by {name}": {"parts": {"balancer": name}} for name in components.names("balancer")},
}
SINGLE = {"independent", "transfer"}
"""Architectures whose stages hold one task each."""


# ---------------------------------------------------------------- processes of their own


def python(code, **environment):
    """Start a fresh Python process that can import the package and these tests."""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here.parent / "workflow"), str(here)])
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], env={**os.environ, "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def told(process):
    """What a process printed, read as JSON, once it has ended well."""
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    return json.loads(out)


TRAIN = """
import hashlib, json, pathlib, sys, tempfile
from training_fixture import GRADIENTS, a_run, data, rows, train
run = a_run("structured", parts={"balancer": "gradnorm"}, diagnostics=GRADIENTS, engine="compiled")
with tempfile.TemporaryDirectory() as folder:
    outcome = train(run, data(rows(), run), pathlib.Path(folder))
from threadpoolctl import threadpool_info
print(json.dumps({
    "torch": [name for name in sys.modules if name.partition(".")[0] == "torch"],
    "threads": [(pool["user_api"], pool["num_threads"]) for pool in threadpool_info()],
    "sha256": hashlib.sha256(outcome.predictions.prediction.to_numpy().tobytes()).hexdigest(),
}))
"""


@pytest.fixture(scope="module")
def job():
    """A job in a process of its own. With an empty cache it compiles beside the tests, in single precision."""
    process = python(TRAIN, OMP_NUM_THREADS="", OPENBLAS_NUM_THREADS="", MKL_NUM_THREADS="")
    yield process
    process.kill()
    process.communicate()


# ---------------------------------------------------------------- two engines, step by step


def kind_of_step(name, x, y, real, regression=(True, True, False), **more):
    """Both engines of a kind on some rows, the rows, and the run."""
    spec = dict(KINDS[name])
    first, frozen = spec.pop("start", False), spec.pop("frozen", False)
    run = a_run(**{**spec, **more})
    coefficients = np.array([1.0, 4.7, 0.53])
    if run.parts["architecture"].name in SINGLE:
        there = ~np.isnan(y[:, 0])
        x, y, regression, coefficients = x[there], y[there, :1], regression[:1], coefficients[:1]
    training = TrainingRows(x.astype(np.float32), y.astype(np.float32), tuple(regression))
    start = None
    if first:
        _, taught = engines(run, training, coefficients)
        taught.epoch(*an_epoch_of(taught, training, run, 1), 1)
        start = taught.backbone()
    every = 1 if measures(run, y.shape[1]) else 0
    pair = engines(run, training, coefficients, real, start=start, frozen=frozen, measure_every=every)
    return *pair, training, run


def measures(run, n_tasks):
    """Whether gradients of several tasks meet in shared parameters."""
    return n_tasks > 1 and run.parts["architecture"].name != "soft"


def an_epoch_of(engine, training, run, number, batches=None):
    """Batches, dropout decisions and the balancer's random numbers of an epoch."""
    if batches is None:
        part = run.parts["sampler"]
        sampler = {"uniform": uniform, "stratified": stratified}[part.name]
        rng = stream(5, ["a"], "batches", number)
        batches = sampler.batches(training.labelled, run.training["batch_size"], rng, part.options)
    count = sum(map(len, batches))
    keep = dropout_keep(stream(5, ["a"], "dropout", number), count, engine.units, run.training["dropout"])
    draws = stream(5, ["a"], "balancer", number).random((len(batches), engine.n_draws))
    return batches, keep, draws


def of_compiled(engine, values):
    """A vector over the parameters that are trained, by their names."""
    found = {}
    for name, shape in engine.layout.parameters.items():
        begin = engine.layout.starts[name] - engine.first
        if begin >= 0:
            found[name] = values[begin:][: int(np.prod(shape))].reshape(shape)
    return found


def of_reference(engine, what):
    """Something about each parameter that is trained, by its name."""
    trained = {name: p for name, p in engine.network.named_parameters() if p.requires_grad}
    whole = engine.learned[0]
    values = (whole.grad if what == "grad" else engine.optimiser.state[whole][what]).numpy()
    ends = np.cumsum([p.numel() for p in trained.values()])
    parts = zip(trained.items(), np.split(values, ends[:-1]), strict=True)
    return {name: part.reshape(p.shape) for (name, p), part in parts}


def sigma_of(engine):
    """The losses' sigma, or None where none is learned."""
    return getattr(engine.loss, "sigma", None)


def network_of(reference):
    """Parameters and running statistics of the reference engine, without torch's own count of batches."""
    return {name: value for name, value in reference.parameters().items() if not name.endswith("tracked")}


def joined(values):
    """All numbers of several arrays in one vector, in the order of their names."""
    return np.concatenate([np.asarray(values[name], np.float64).ravel() for name in sorted(values)])


def apart(one, other):
    """Norm of the difference relative to the norm of the other; arrays, or arrays by name."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        one, other = joined(one), joined(other)
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    assert one.shape == other.shape
    return np.linalg.norm(one - other) / max(np.linalg.norm(other), 1e-300)


def gradients_apart(compiled, reference):
    """Relative difference of the last step's gradients, over the network's parameters and the losses' sigma."""
    one, other = of_compiled(compiled, compiled.state.g), of_reference(reference, "grad")
    sigma = sigma_of(reference)
    if sigma is not None and len(sigma):
        one, other = {**one, "sigma": compiled.state.sigma_g}, {**other, "sigma": sigma.grad.numpy()}
    return apart(one, other)


def differences(compiled, reference, training, run):
    """How far the engines are apart in all that they have to tell, after the same steps from the same start."""
    found = {"start": apart(compiled.parameters(), network_of(reference))}
    assert compiled.units == reference.units
    assert compiled.n_draws == reference.n_draws
    steps, number, losses = 0, 0, 0.0
    while steps < STEPS:
        number += 1
        if number == 3:
            for engine in (compiled, reference):
                engine.set_learning_rate(run.training["learning_rate"] / 2)
        arguments = an_epoch_of(compiled, training, run, number)
        one, other = (engine.epoch(*arguments, number) for engine in (compiled, reference))
        losses = max(losses, np.abs(one / other - 1).max())
        found["losses"] = losses
        assert len(compiled.grams) == len(reference.grams)
        for gram, expected in zip(compiled.grams, reference.grams, strict=True):
            np.testing.assert_array_equal(np.isnan(gram), np.isnan(expected))
            found["gram"] = max(found.get("gram", 0), apart(np.nan_to_num(gram), np.nan_to_num(expected)))
        for multipliers, expected in zip(compiled.multipliers, reference.multipliers, strict=True):
            found["multipliers"] = max(found.get("multipliers", 0), apart(multipliers, expected))
        found["rate"] = abs(compiled.learning_rate() / reference.learning_rate() - 1)
        steps += len(arguments[0])
    found["gradient"] = gradients_apart(compiled, reference)
    found["parameters"] = apart(compiled.parameters(), network_of(reference))
    for name, moment in (("m", "exp_avg"), ("v", "exp_avg_sq")):
        found[name] = apart(of_compiled(compiled, getattr(compiled.state, name)), of_reference(reference, moment))
    sigma = sigma_of(reference)
    if sigma is not None and len(sigma):
        found["sigma"] = apart(compiled.sigma, sigma.detach().numpy())
    if compiled.asks is not None:
        found["balancer"] = apart(compiled.balancer_state, reference.state)
        second = getattr(reference.stepper, "second", None)
        if second is not None:
            found["second"] = apart(compiled.state.second, second)
    if compiled.smoothing is not None:
        found["smoothing"] = apart(compiled.smoothing.state(), reference.smoothing.state())
    x = training.x.astype(compiled.w.dtype)
    found["predictions"] = apart(compiled.predict(x), reference.predict(x))
    found["validation losses"] = apart(compiled.losses(x, training.y), reference.losses(x, training.y))
    if measures(run, training.y.shape[1]):
        chosen = np.arange(0, len(x), 2)
        found["task gradients"] = apart(compiled.task_gradients(chosen), reference.task_gradients(chosen))
    assert (compiled.relations() is None) == (reference.relations() is None)
    if compiled.relations() is not None:
        found["relations"] = apart(compiled.relations(), reference.relations())
    assert (compiled.backbones(x) is None) == (reference.backbones(x) is None)
    for part, expected in zip(compiled.backbones(x) or (), reference.backbones(x) or (), strict=True):
        found["backbones"] = max(found.get("backbones", 0), apart(part, expected))
    if compiled.form == "shared":
        backbone = {n: v for n, v in reference.backbone().items() if not n.endswith("tracked")}
        found["backbone"] = apart(compiled.backbone(), backbone)
    return found


def agree(found, tolerance=1e-9):
    assert {name: value for name, value in found.items() if not value <= tolerance} == {}


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize("name", KINDS)
def test_fifty_steps_in_double_precision_equal_the_reference_s_to_rounding(name):
    """Free-running steps, so a difference anywhere in the state would show in the end."""
    x, y = labelled_rows(43, seed=1)  # batches of 8, the last one of 3
    agree(differences(*kind_of_step(name, x, y, np.float64)))


@pytest.mark.parametrize("loss", ["bmc", "gai", "bni"])
def test_a_sigma_below_its_floor_acts_as_the_floor(loss):
    x, y = labelled_rows(43, seed=1)
    run = a_run(parts={"loss": loss})
    run.parts["loss"].options.update(sigma=0.004, sigma_rate=0.002)
    training = TrainingRows(x.astype(np.float32), y.astype(np.float32), (True, True, False))
    pair = engines(run, training, np.ones(3), np.float64, measure_every=1)
    agree(differences(*pair, training, run))


def labelled_at(overlap, n_tasks, n, rng):
    """Which tasks each row has labels of (rows x tasks): at least four rows for each task, the last ones scarce."""
    if overlap == "full":
        return np.ones((n, n_tasks), bool)
    owner = rng.choice(n_tasks, n, p=np.array([8.0, 4, 2, 1, 1])[:n_tasks] / sum([8, 4, 2, 1, 1][:n_tasks]))
    owner[: 4 * n_tasks] = np.arange(4 * n_tasks) % n_tasks
    found = owner[:, None] == np.arange(n_tasks)
    return found | (rng.random(found.shape) < 0.2) if overlap == "partial" else found


@st.composite
def cases(draw, architecture, balancer):
    """A run of an architecture and a balancer, its training rows, of any shape, and the tasks' coefficients."""
    n_tasks = 1 if architecture in SINGLE else draw(st.integers(2, 5), label="tasks")
    regression = tuple(draw(st.lists(st.booleans(), min_size=n_tasks, max_size=n_tasks), label="regression"))
    options = {"head": draw(st.sampled_from([0, 4, 7]), label="head")}
    if architecture == "structured":
        options |= {"alpha": draw(st.sampled_from([0.0, 0.1, 1.0])), "embedding": draw(st.sampled_from([1, 5]))}
    parts = {
        "loss": draw(st.sampled_from(components.names("loss")), label="loss"),
        "smoothing": draw(st.sampled_from(["none", "fds"] if components.shares(architecture) else ["none"])),
        "balancer": balancer,
    }
    training = {
        "hidden": draw(st.lists(st.integers(3, 12), min_size=1, max_size=3), label="hidden"),
        "batch_size": draw(st.integers(4, 16), label="batch size"),
        "dropout": draw(st.sampled_from([0.0, 0.3]), label="dropout"),
        "weight_decay": draw(st.sampled_from([0.0, 1e-4, 0.1]), label="weight decay"),
        "reduction": draw(st.sampled_from(["task_mean", "label_mean"]), label="reduction"),
        "learning_rate": draw(st.sampled_from([1e-3, 1e-2]), label="learning rate"),
    }
    n = 4 * n_tasks + draw(st.integers(6, 40), label="further rows")
    rng = np.random.default_rng(draw(st.integers(0, 99), label="seed"))
    labelled = labelled_at(draw(st.sampled_from(["none", "partial", "full"]), label="overlap"), n_tasks, n, rng)
    x = rng.normal(size=(n, draw(st.integers(2, 6), label="features"))).astype(np.float32)
    y = x @ rng.normal(size=(x.shape[1], n_tasks)) + rng.normal(size=(n, n_tasks))
    y = np.where(regression, y, y > 0)
    y[~labelled] = np.nan
    if draw(st.booleans(), label="stratified") and 2 * len(stratified.pools(labelled)) <= training["batch_size"]:
        parts["sampler"] = "stratified"
    run = a_run(architecture, parts=parts, options=options, **training)
    components.check_together(run.parts, "method")
    return run, TrainingRows(x, y.astype(np.float32), regression), rng.uniform(0.3, 5, n_tasks)


@pytest.mark.parametrize(
    ("architecture", "balancer"),
    [
        *itertools.product(["hard", "structured"], ["none", "gradnorm", "pcgrad"]),
        *itertools.product(["soft", "independent", "transfer"], ["inverse_size"]),
    ],
)
@given(drawn=st.data())
@settings(deadline=None, max_examples=9)
def test_engines_agree_whatever_the_shapes(architecture, balancer, drawn):
    """Batches that lack tasks, a last partial batch, any overlap, any loss, any widths; in double precision."""
    run, training, coefficients = drawn.draw(cases(architecture, balancer))
    more = {"measure_every": 3 if measures(run, training.y.shape[1]) else 0, "frozen": architecture == "transfer"}
    agree(differences(*engines(run, training, coefficients, np.float64, **more), training, run))


# ---------------------------------------------------------------- single precision


@pytest.fixture
def nearest_kink(monkeypatch):
    """A list of one number: how near to 0 the input of a ReLU of the reference engine came; set it to inf at will."""
    from torch.nn import functional

    nearest, original = [np.inf], functional.relu

    def relu(x, inplace=False):
        if x.requires_grad:  # a gradient will come back
            nearest[0] = min(nearest[0], x.detach().abs().min().item())
        return original(x, inplace)

    monkeypatch.setattr(functional, "relu", relu)
    return nearest


def follow(compiled, reference):
    """Let the compiled engine stand where the reference stands, but for the moments of the optimiser."""
    compiled.load_parameters(reference.parameters())
    sigma = sigma_of(reference)
    if sigma is not None and len(sigma):
        compiled.sigma[:] = sigma.detach().numpy()
    compiled.balancer_state[:] = reference.state
    if compiled.smoothing is not None:
        compiled.smoothing.load_state(reference.smoothing.state())


@pytest.mark.parametrize("name", KINDS)
def test_steps_in_single_precision_have_the_reference_s_gradients(name, nearest_kink):
    """Default widths, each step from where the reference stands: rounding apart, gradients and losses are the same.

    A ReLU whose input is 0 but for rounding may be on in one engine and off in the other, and its gradient is there or
    not. Of a step in which one comes so near to 0 only the loss is compared; there are few of them.
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 21))
    y = x @ rng.normal(size=(21, 3)) / 4 + rng.normal(size=(300, 3))
    y[:, 2] = y[:, 2] > 0
    y[rng.random(y.shape) > np.array([0.9, 0.3, 0.1])] = np.nan
    there = ~np.isnan(y).all(1)
    own = KINDS[name].get("hidden", [128, 128])
    wide = {"hidden": [128] * len(own), "batch_size": 32}
    compiled, reference, training, run = kind_of_step(name, x[there], y[there], np.float32, **wide)
    assert apart(compiled.parameters(), network_of(reference)) < 1e-6
    steps, skipped, number = 0, 0, 0
    while steps < STEPS:
        number += 1
        batches, keep, draws = an_epoch_of(compiled, training, run, number)
        cuts = np.cumsum([len(batch) for batch in batches])[:-1]
        for step, (batch, kept) in enumerate(zip(batches, np.split(keep, cuts), strict=True)):
            follow(compiled, reference)
            nearest_kink[0] = np.inf
            with np.errstate(invalid="ignore"):  # no labels, no mean loss
                one, other = (e.epoch([batch], kept, draws[[step]], number) for e in (compiled, reference))
            np.testing.assert_allclose(one, other, rtol=1e-5)
            if nearest_kink[0] < 2e-6:
                skipped += 1
            else:
                assert gradients_apart(compiled, reference) < 1e-5
            steps += 1
    assert skipped < steps / 5


# ---------------------------------------------------------------- a balancer of one's own


def balance(losses, gram, present, draws, state, settings):
    """Shared gradients of equal norm, blurred by chance; heads by the mean norm so far."""
    multipliers = np.zeros((2, len(losses)))
    for i in range(len(losses)):
        if present[i]:
            state[0] += 1
            state[1] += (np.sqrt(gram[i, i]) - state[1]) / state[0]
            multipliers[0, i] = settings[0] * (0.5 + draws[i]) / (np.sqrt(gram[i, i]) + 1e-3)
            multipliers[1, i] = state[1] + losses[i]
    return multipliers


@pytest.mark.parametrize("scope", ["last", "shared"])
@pytest.mark.parametrize("method", ["hard", "structured"])
def test_a_new_balancer_needs_no_new_kernel(method, scope, monkeypatch):
    """It is a function of losses, gradients' inner products and its own state: one file, whatever the architecture."""
    own = types.ModuleType(f"alloymtl.methods.balancers.equal_norms_{scope}")
    own.GRADIENTS, own.balance = scope, balance
    own.settings = lambda options: np.array([options["size"]])
    own.initial_state = lambda n_tasks, options: np.zeros(2)
    own.n_draws = lambda n_tasks: n_tasks
    monkeypatch.setitem(sys.modules, own.__name__, own)
    x, y = labelled_rows(43, seed=1)
    training = TrainingRows(x.astype(np.float32), y.astype(np.float32), (True, True, False))
    run = a_run(method, parts={"balancer": "pcgrad"})
    agree(differences(*engines(run, training, np.ones(3), np.float64, measure_every=1), training, run))
    compiled_before = jit._with_signature.cache_info().misses
    run.parts["balancer"] = Part("balancer", f"equal_norms_{scope}", {"size": 0.3})
    agree(differences(*engines(run, training, np.ones(3), np.float64, measure_every=1), training, run))
    assert jit._with_signature.cache_info().misses == compiled_before


# ---------------------------------------------------------------- whole runs


@pytest.fixture(scope="module")
def dataset():
    return data(rows(), a_run())


def distance(one, other):
    """Root mean square of the difference of two runs' predictions, task by task."""
    gaps = (one.predictions.prediction - other.predictions.prediction) ** 2
    return np.sqrt(gaps.groupby(one.predictions.task).mean())


@pytest.mark.parametrize("name", METHODS)
def test_whole_runs_repeat_byte_by_byte_after_a_kill_too_and_equal_the_reference_s(name, dataset, tmp_path):
    run = a_run(**METHODS[name], engine="compiled")
    undisturbed = train(run, dataset, tmp_path / "undisturbed")
    assert undisturbed.engine == "compiled"
    with pytest.raises(KeyboardInterrupt):
        train(run, dataset, tmp_path / "killed", watcher=Watcher(stop_at=4))
    assert list((tmp_path / "killed").glob("*.checkpoint.npz"))
    same(train(run, dataset, tmp_path / "killed", watcher=Watcher()), undisturbed)
    reference = train(a_run(**METHODS[name]), dataset, tmp_path / "reference")
    other_seed = train(dataclasses.replace(run, seed=2), dataset, tmp_path / "other seed")
    assert (distance(undisturbed, reference) < 0.01 * distance(undisturbed, other_seed)).all()
    assert undisturbed.extras.keys() == reference.extras.keys()
    for stage, fit in undisturbed.fits.items():
        expected = reference.fits[stage]
        for what in ("epochs", "steps", "task_steps", "best_epoch"):
            assert getattr(fit, what) == getattr(expected, what)
        losses, expected_losses = ([line["loss"] for line in f.history] for f in (fit, expected))
        np.testing.assert_allclose(losses, expected_losses, rtol=1e-3)


# ---------------------------------------------------------------- jobs side by side


def test_a_job_of_its_own_process_repeats_the_numbers_on_one_thread_without_torch(job, dataset, tmp_path):
    spec = {"parts": {"balancer": "gradnorm"}, "diagnostics": GRADIENTS}
    here = train(a_run("structured", **spec, engine="compiled"), dataset, tmp_path)
    found = told(job)
    assert found["torch"] == []
    assert found["threads"]
    assert all(number == 1 for _, number in found["threads"])
    assert found["sha256"] == hashlib.sha256(here.predictions.prediction.to_numpy().tobytes()).hexdigest()


# A small kernel stands for all: they are compiled and kept in the same way.
STEP = """
import json
import numpy as np
from alloymtl.training.compiled import jit
from alloymtl.training.compiled.kernels.adam import adam
w, g, m, v = np.linspace(-1, 1, 4 * 9).reshape(4, 9)
adam(w, g, m, np.abs(v), 1e-3, 0.1, 3)
print(json.dumps({"w": w.tolist(), "hits": sum(adam.stats.cache_hits.values()),
                  "misses": sum(adam.stats.cache_misses.values()), "folder": str(jit.numba.config.CACHE_DIR)}))
"""


def listing(folder):
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


def test_jobs_that_start_at_once_on_an_empty_cache_leave_it_whole(tmp_path):
    together = [python(STEP, ALLOYMTL_CACHE=str(tmp_path)) for _ in range(3)]
    found = [told(process) for process in together]
    left = listing(tmp_path)
    assert {file.suffix for file in left} == {".nbc", ".nbi"}  # and no temporary file
    later = told(python(STEP, ALLOYMTL_CACHE=str(tmp_path)))
    assert (later["hits"], later["misses"]) == (1, 0)
    assert listing(tmp_path) == left
    assert {str(one["w"]) for one in found} == {str(later["w"])}
    assert Path(later["folder"]).parent == tmp_path


def test_a_cache_that_cannot_be_written_costs_time_and_no_job(tmp_path):
    (tmp_path / "file").touch()
    found = told(python(STEP, ALLOYMTL_CACHE=str(tmp_path / "file"), TMPDIR=str(tmp_path)))
    assert np.isfinite(found["w"]).all()
    assert Path(found["folder"]).parent == tmp_path


def test_an_edit_to_any_kernel_leaves_the_cache_of_the_old_one(tmp_path, monkeypatch):
    """Numba itself would go on with machine code in which the old one is built in."""
    package = Path(jit.__file__).parents[2]

    def caches():
        return jit.cache_folder().name, jit.Locator.get_suitable_cache_subpath(str(jit._balancers() / "pcgrad.py"))

    monkeypatch.setenv("ALLOYMTL_CACHE", str(tmp_path / "cache"))
    before = caches()
    for part in ("training/compiled", "methods"):
        shutil.copytree(package / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(jit, "__file__", str(tmp_path / "training" / "compiled" / "jit.py"))
    assert caches() == before
    with (tmp_path / "methods" / "balancers" / "_gram.py").open("a") as source:
        source.write("# an edit")
    kernels, balancers = caches()
    assert kernels == before[0], "a balancer is a value to the kernels"
    assert balancers != before[1]
    for file in ("training/compiled/kernels/heads.py", "methods/optimisers/automatic.py"):
        with (tmp_path / file).open("a") as source:
            source.write("# an edit")
        assert caches()[0] not in (kernels, before[0])
        kernels = caches()[0]


def test_every_form_is_known_to_the_compiled_engine_and_an_unknown_one_is_left_to_the_reference():
    from alloymtl.training.compiled.engine import LOSSES

    assert set(FORMS["loss"]) == set(LOSSES)
    for kind, known in FORMS.items():
        forms = {Part(kind, name, {}).form for name in components.names(kind)}
        assert forms == set(known) | ({"teleported"} if kind == "optimiser" else set())
    parts = {"architecture": Part("architecture", "hard", {}), "loss": Part("loss", "mse", {})}
    assert chosen({"engine": "auto"}, parts, "methods.m") == "compiled"
    assert chosen({"engine": "reference"}, parts, "methods.m") == "reference"
    parts["loss"] = Part("loss", "_common", {})  # a file that states no form
    assert chosen({"engine": "auto"}, parts, "methods.m") == "reference"
    with pytest.raises(UserError, match=r"methods\.m: the compiled engine does not know loss '_common'"):
        chosen({"engine": "compiled"}, parts, "methods.m")
