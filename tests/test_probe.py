"""Gradient measurements and similarity of networks: what they say where the truth is known."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloymtl.training.probe import halves, measure
from alloymtl.training.similarity import linear_cka, of_backbones

ORACLE = json.loads((Path(__file__).parent / "oracles" / "similarity.json").read_text())
TASKS = ["a", "b", "c"]


class Noisy:
    """An engine whose task gradients are known vectors under noise that falls with the number of rows."""

    def __init__(self, truth, noise, rng):
        self.truth, self.noise, self.rng, self.grams = truth, noise, rng, []

    def draw(self, rows):
        return self.truth + self.noise / np.sqrt(rows) * self.rng.normal(size=self.truth.shape)

    def take_steps(self, steps):
        drawn = [self.draw(1) for _ in range(steps)]
        self.grams = [g @ g.T for g in drawn]

    def task_gradients(self, rows):
        return self.draw(len(rows))


def vectors(cosine, size, rng):
    """Two unit vectors with a given cosine, and a third at right angles to both."""
    q, _ = np.linalg.qr(rng.normal(size=(size, 3)))
    return np.stack([q[:, 0], cosine * q[:, 0] + np.sqrt(1 - cosine**2) * q[:, 1], q[:, 2]])


@pytest.mark.parametrize("cosine", [-0.6, 0.0, 0.8])
def test_products_across_halves_recover_a_cosine_that_mini_batches_hide(cosine):
    rng = np.random.default_rng(0)
    engine = Noisy(vectors(cosine, 2000, rng), 0.5, rng)
    labelled = np.eye(3, dtype=bool)[np.arange(300) % 3]
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
    assert corrected == pytest.approx(cosine, abs=0.05)
    assert abs(total("cosine", "a", "b") / 60) < 0.01  # one row's gradient is a five hundredth signal
    if cosine:
        large = total("cosine_large", "a", "b") / 60
        assert 0 < large / cosine < 0.5  # less noise, but still biased towards zero


def test_steps_without_one_of_the_tasks_are_not_counted():
    engine = Noisy(np.eye(3), 0.0, np.random.default_rng(0))
    absent = np.full((3, 3), np.nan)
    absent[:2, :2] = [[1, -1], [-1, 4]]
    engine.grams = [absent, np.diag([1.0, 1.0, 0.0])]
    lines = measure(
        engine, np.zeros((0, 3), bool), TASKS, {"rows": 4, "epoch_interval": 9}, 2, np.random.default_rng(0)
    )
    of_pair = {(line["first"], line["second"], line["measure"]): line for line in lines}
    assert of_pair["a", "b", "cosine"]["value"] == pytest.approx(-0.25)  # of -1/2 and 0
    assert of_pair["a", "b", "cosine"]["n"] == 2
    assert ("a", "c", "cosine") not in of_pair  # one step without c, one in which its gradient is zero


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
