"""The benchmark compares like with like: its loops take the steps that the engines take."""

import importlib
from pathlib import Path

import numpy as np
import pytest

import training_fixture as fixture
from alloymtl.training.dataset import TrainingRows

ROOT = Path(__file__).parents[1]
N, STEPS = 24, 5


@pytest.fixture
def bench(monkeypatch):
    """Modules of the benchmark by name; the folder is no part of the package."""
    monkeypatch.syspath_prepend(ROOT)
    return lambda name: importlib.import_module(f"bench.{name}")


def rows(n_tasks):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(N, 6)).astype(np.float32)
    y = rng.normal(size=(N, n_tasks)).astype(np.float32)
    y[:, -1] = y[:, -1] > 0
    y[np.arange(N)[:, None] % n_tasks != np.arange(n_tasks)] = np.nan
    return x, y, (*(True for _ in range(n_tasks - 1)), False)


def loop_like(bench, kind, engine, x, y, regression, weights):
    """A loop whose network has an engine's parameters."""
    import torch

    training, head = fixture.TRAINING, fixture.OPTIONS["hard"]["head"]
    network = bench("naive").Network(x.shape[1], y.shape[1], training["hidden"], head, dropout=0.0)
    values = {name: torch.from_numpy(value) for name, value in engine.parameters().items()}
    with torch.no_grad():
        for layer in range(len(training["hidden"])):
            network.backbone[4 * layer].weight.copy_(values[f"backbone.linear.{layer}.weight"])
        for task, layers in enumerate(network.heads):
            for end, layer in (("in", layers[0]), ("out", layers[-1])):
                layer.weight.copy_(values[f"heads.weight_{end}"][task].T)
                layer.bias.copy_(values[f"heads.bias_{end}"][task].flatten())
    return getattr(bench("naive"), kind)(TrainingRows(x, y, regression), weights, network, training)


@pytest.mark.parametrize(
    ("kind", "method", "n_tasks"),
    # PCGrad goes through the other tasks in random order; with two tasks there is only one.
    [("NaiveLoop", "inverse_size", 3), ("TorchjdLoop", "pcgrad", 2)],
)
def test_a_loop_takes_the_steps_of_the_reference_engine(bench, kind, method, n_tasks):
    import torch

    x, y, regression = rows(n_tasks)
    weights = [1.0, 20.0, 5.0][:n_tasks]
    run = fixture.a_run(parts={"balancer": method}, dropout=0.0)
    engine = fixture.an_engine(run, x, y, weights, regression)
    loop = loop_like(bench, kind, engine, x, y, regression, weights)
    batch = np.arange(N)
    for step in range(STEPS):
        # The second task is absent from one step, on which its moments and weight decay still act.
        taken = batch[batch % n_tasks != 1] if step == 2 else batch
        by_engine = np.nansum(np.asarray(weights) * fixture.an_epoch(engine, [taken], number=step + 1))
        by_loop = loop.step(torch.from_numpy(x[taken]), torch.from_numpy(y[taken]))
        assert by_loop == pytest.approx(by_engine, rel=1e-4)
    # Losses of the last step know the gradients of all steps before it.
    np.testing.assert_allclose(
        loop.network.heads[1][0].weight.detach().numpy().T, engine.parameters()["heads.weight_in"][1], atol=1e-5
    )


def test_the_rows_have_the_shapes_of_the_default_study(bench):
    run = bench("forms").default_run("hard")
    data = bench("rows").made_up(run.tasks)
    study = bench("forms").study()
    assert tuple(study.simulation["rows"].values()) == bench("rows").SIZES
    assert data.sizes().tolist() == [*bench("rows").SIZES]
    assert study.split["validation"] == study.split["test"] == bench("rows").HELD_OUT
    assert len(data.training_rows([0, 1, 2]).x) == 37_820
    assert (data.training_rows([0, 1, 2]).labelled.sum(axis=1) == 1).all()
    assert set(np.unique(data.labels[~np.isnan(data.labels[:, 2]), 2])) == {0, 1}


def test_every_form_is_a_method_of_the_default_study(bench):
    forms = bench("forms")
    assert {form.method for form in forms.FORMS} <= set(forms.study().methods)
    assert len({form.name for form in forms.FORMS}) == len(forms.FORMS)


def test_every_balancer_that_is_asked_in_each_step_is_timed(bench):
    forms = bench("forms")
    found = {form.name: forms.default_run(form.method, form.parts).parts["balancer"] for form in forms.FORMS}
    asked = {part.name for part in found.values() if "GRADIENTS" in vars(importlib.import_module(part.module))}
    module_names = {file.stem for file in (ROOT / "workflow/alloymtl/methods/balancers").glob("[a-z]*.py")}
    modules = {name: importlib.import_module(f"alloymtl.methods.balancers.{name}") for name in module_names}
    assert asked == {name for name, module in modules.items() if hasattr(module, "balance")}
    assert found["mgda"].options == modules["mgda"].OPTIONS


def test_a_ratio_is_the_median_of_ratios_within_rounds(bench):
    forms, report = bench("forms"), bench("report")
    seldom = forms.Form("seldom", "hard", "compiled", 10, every=2)
    times = {"naive": [100.0, 1000.0, 300.0], "hard": [5.0, 40.0, 10.0], "seldom": [20.0, 50.0]}
    naive, hard, other = report.of_forms([forms.NAIVE, forms.HARD, seldom], times)
    assert (other["ratio_to_naive"], other["us_per_step"], other["met"]) == (5.5, 35, False)
    assert (hard["rounds"], other["rounds"]) == (3, 2)
    assert (naive["ratio_to_naive"], hard["ratio_to_naive"], hard["us_per_step"]) == (1, 25, 10)
    assert hard["met"]
    bound = report.of_bound(times, [5.0, 20.0, 4.0], [1.0, 1.0, 1.0], 5e6)
    assert (bound["ratio_of_hard"], bound["met"]) == (2, False)
    process = bench("processes").Process(seconds=44.0, epochs=5, cpu_seconds=44.0, peak_memory_mb=501.0)
    whole = report.of_processes(process, process, epochs=200)
    assert whole["met"] == {"start_up_seconds": False, "peak_memory_mb": False}  # of 5 epochs the time says nothing
    machine = {"forms": [naive, hard, other], "lower_bound": bound, "whole_run": whole}
    ends = [line.split()[-1] for line in report.table(machine).splitlines()]
    assert (ends.count("met"), ends.count("missed")) == (1, 4)
    assert "seldom (2 of 3 rounds)" in report.table(machine)


def test_a_job_tells_what_its_process_took(bench):
    first = bench("processes").job(bench("forms").default_run("hard", engine="reference"), "--first-step")
    assert first.epochs == 0
    assert 0 < first.seconds < 60
    # Its own peak: far more than an interpreter, far less than what this process may have held before.
    assert 50 < first.peak_memory_mb < 2000
