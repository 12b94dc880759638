"""Gradient measurements and similarity of networks: what they say where the truth is known."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloymtl.training.probe import halves, measure, product_of_all_rows
from alloymtl.training.similarity import linear_cka, of_backbones

ORACLE = json.loads((Path(__file__).parent / "oracles" / "similarity.json").read_text())
TASKS = ["a", "b", "c"]


class Rows:
    """An engine to which each row gives a gradient of its own: those of a task scatter about a known mean.

    Args:
        means: mean gradient of each task over its rows (tasks x numbers).
        labelled: (rows x tasks).
        noise: how far the rows scatter.
        rng: draws them.
    """

    def __init__(self, means, labelled, noise, rng):
        self.labelled, self.grams = labelled, []
        self.of_row = np.zeros((*labelled.shape, means.shape[1]))
        for task in range(labelled.shape[1]):
            there = labelled[:, task]
            scatter = noise * rng.normal(size=(there.sum(), means.shape[1]))
            self.of_row[there, task] = means[task] + scatter - scatter.mean(0)
        self.rng = rng
        self.factors = np.ones(len(means))

    @property
    def multipliers(self):
        return [self.factors] * len(self.grams)

    def task_gradients(self, rows):
        counts = self.labelled[rows].sum(0)[:, None]
        return self.of_row[rows].sum(0) / np.maximum(counts, 1)

    def take_steps(self, steps):
        """Mini-batches of one row a task."""
        self.grams = []
        for _ in range(steps):
            drawn = [
                self.of_row[self.rng.choice(np.flatnonzero(column)), t] for t, column in enumerate(self.labelled.T)
            ]
            self.grams.append(np.stack(drawn) @ np.stack(drawn).T)


def vectors(cosine, size, rng):
    """Two unit vectors with a given cosine, and a third at right angles to both."""
    q, _ = np.linalg.qr(rng.normal(size=(size, 3)))
    return np.stack([q[:, 0], cosine * q[:, 0] + np.sqrt(1 - cosine**2) * q[:, 1], q[:, 2]])


@pytest.mark.parametrize("cosine", [-0.6, 0.0, 0.8])
def test_products_across_halves_recover_a_cosine_that_mini_batches_hide(cosine):
    rng = np.random.default_rng(0)
    labelled = np.eye(3, dtype=bool)[np.arange(300) % 3]
    engine = Rows(vectors(cosine, 500, rng), labelled, 1.0, rng)
    lines = []
    for epoch in range(1, 61):
        engine.take_steps(5)
        lines += measure(engine, labelled, TASKS, {"rows": 60, "epoch_interval": 1}, epoch, rng)

    def total(measure_name, first, second):
        return sum(
            line["value"]
            for line in lines
            if (line["measure"], line["first"], line["second"]) == (measure_name, first, second)
        )

    corrected = total("product_halves", "a", "b") / np.sqrt(
        total("product_halves", "a", "a") * total("product_halves", "b", "b")
    )
    assert corrected == pytest.approx(cosine, abs=0.08)
    assert abs(total("cosine", "a", "b") / 60) < 0.02  # one row's gradient is a five hundredth signal
    if cosine:
        large = total("cosine_large", "a", "b") / 60
        assert 0 < large / cosine < 0.5  # less noise, but still biased towards zero


@pytest.mark.parametrize("overlap", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("fitted", [False, True])
def test_products_across_halves_are_unbiased_even_where_few_rows_are_fitted(overlap, fitted):
    """A network that has fitted its rows has a gradient of zero over them; halves of them then point apart."""
    rng = np.random.default_rng(1)
    n = 40
    labelled = np.zeros((n, 2), bool)
    labelled[: n // 2 + int(overlap * n / 2), 0] = True
    labelled[n // 2 - int(overlap * n / 2) :, 1] = True
    means = np.zeros((2, 30)) if fitted else vectors(0.4, 30, rng)[:2]
    engine = Rows(means, labelled, 1.0, rng)
    shared = labelled.all(1)  # rows of both tasks have gradients that vary together, as those of one network do
    engine.of_row[shared, 1] = 0.7 * engine.of_row[shared, 0] + 0.3 * engine.of_row[shared, 1]
    truth = np.stack([engine.of_row[labelled[:, t], t].mean(0) for t in range(2)])
    draws = []
    for _ in range(4000):
        sets = halves(labelled, 12, rng)
        first, second = (engine.task_gradients(s) for s in sets)
        draws.append([product_of_all_rows(first, second, *pair, sets, labelled) for pair in ((0, 0), (0, 1), (1, 1))])
    draws = np.array(draws)
    expected = [truth[0] @ truth[0], truth[0] @ truth[1], truth[1] @ truth[1]]
    # Where tasks share some of their rows, halves are not quite simple draws: a tenth of the bias that is removed.
    slack = 0.1 * 30 / n if 0 < overlap < 1 else 0.0
    error = np.abs(draws.mean(0) - expected)
    assert (error < 4 * draws.std(0) / np.sqrt(len(draws)) + slack).all()


def test_with_every_row_in_a_half_the_products_are_those_of_the_full_gradients():
    rng = np.random.default_rng(2)
    labelled = np.eye(2, dtype=bool)[np.arange(40) % 2]
    engine = Rows(vectors(0.3, 20, rng)[:2], labelled, 2.0, rng)
    sets = halves(labelled, 40, rng)
    full = engine.task_gradients(np.arange(40))
    first, second = (engine.task_gradients(s) for s in sets)
    for task in range(2):
        found = product_of_all_rows(first, second, task, task, sets, labelled)
        assert found == pytest.approx(full[task] @ full[task])


def test_steps_without_one_of_the_tasks_are_not_counted():
    engine = Rows(np.eye(3), np.eye(3, dtype=bool), 0.0, np.random.default_rng(0))
    absent = np.full((3, 3), np.nan)
    absent[:2, :2] = [[1, -1], [-1, 4]]
    engine.grams = [absent, np.diag([1.0, 1.0, 0.0])]
    engine.factors = np.array([2.0, 0.5, 3.0])
    lines = measure(
        engine, np.zeros((0, 3), bool), TASKS, {"rows": 4, "epoch_interval": 9}, 2, np.random.default_rng(0)
    )
    of_pair = {(line["first"], line["second"], line["measure"]): line for line in lines}
    assert of_pair["a", "b", "cosine"]["value"] == pytest.approx(-0.25)  # of -1/2 and 0
    assert of_pair["a", "b", "cosine"]["n"] == 2
    assert ("a", "c", "cosine") not in of_pair  # one step without c, one in which its gradient is zero
    norms = {t: (of_pair[t, t, "norm"], of_pair[t, t, "norm_scaled"]) for t in TASKS}
    assert {t: (plain["value"], scaled["value"], plain["n"]) for t, (plain, scaled) in norms.items()} == {
        "a": (1.0, 2.0, 2),
        "b": (1.5, 0.75, 2),  # of 2 and 1
        "c": (0.0, 0.0, 1),
    }


@given(
    seed=st.integers(0, 1000), rows=st.integers(4, 40), n=st.integers(8, 120), overlap=st.floats(0, 0.8),
)  # fmt: skip
@settings(deadline=None)
def test_halves_are_disjoint_and_hold_as_many_rows_of_each_task(seed, rows, n, overlap):
    rng = np.random.default_rng(seed)
    labelled = rng.random((n, 3)) < overlap
    labelled[np.arange(n), rng.integers(0, 3, n)] = True
    first, second = halves(labelled, rows, rng)
    assert not set(first) & set(second)
    together = np.concatenate([first, second])
    for task in range(3):
        assert labelled[together, task].sum() >= min(rows, labelled[:, task].sum())
    if (labelled.sum(1) == 1).all():
        counts = labelled[first].sum(0) - labelled[second].sum(0)
        assert (np.abs(counts) <= 1).all()
        assert (labelled[together].sum(0) == np.minimum(rows, labelled.sum(0))).all()


@pytest.mark.parametrize("case", ORACLE["cases"], ids=lambda c: c["id"])
def test_cka_equals_the_independent_formula(case):
    x, y = np.array(case["x"], float), np.array(case["y"], float)
    if case["cka"] is None:
        assert np.isnan(linear_cka(x, y))
    else:
        assert linear_cka(x, y) == pytest.approx(case["cka"], rel=1e-8, abs=1e-10)


def test_backbones_that_differ_by_a_rotation_agree_in_what_they_represent_and_not_in_their_weights():
    rng = np.random.default_rng(1)
    h = rng.normal(size=(40, 5))
    rotation, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    weights = np.stack([np.eye(5).ravel(), rotation.ravel()])
    weight_cosine, cka = of_backbones(weights, np.stack([h, 3 * h @ rotation]), ["a", "b"])
    assert cka["value"] == pytest.approx(1)
    assert weight_cosine["value"] < 0.9
