"""Metrics: hand-worked values, scikit-learn as oracle, invariances, and what is undefined."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from alloymtl.errors import UserError
from alloymtl.evaluation.metrics import HIGHER_IS_BETTER, NAMES, check_metrics, classification, regression

PACKAGES = Path(__file__).parents[1] / "workflow"
SEEDS = st.integers(0, 10_000)


def sample(seed):
    """Targets with a spread of about one, and predictions that err by about a half."""
    rng = np.random.default_rng(seed)
    target = rng.normal(size=rng.integers(3, 60))
    return target, target + rng.normal(scale=0.5, size=target.size)


def scores(seed):
    """Both classes, and scores from a coarse grid so that ties occur."""
    rng = np.random.default_rng(seed)
    target = np.r_[0, 1, rng.integers(0, 2, size=rng.integers(1, 40))]
    return target, rng.integers(0, 11, size=target.size) / 10


def test_regression_worked_by_hand():
    # Errors 1, 0, 1, 2; mean target 2.5, sum of squares about it 5.
    found = regression([1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 2.0, 6.0], scale=2.0)
    expected = {
        "r2": 1 - 6 / 5,
        "rmse": math.sqrt(6 / 4),
        "mae": 1.0,
        "p95_error": 1.85,  # ranks 0, 1, 1, 2: 0.95 * 3 = 2.85 lies 0.85 of the way from 1 to 2
        "p99_error": 1.97,
        "max_error": 2.0,
        "worst10_mae": 2.0,  # a tenth of four rows, rounded up to one
    }
    assert list(found) == list(NAMES["regression"])
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert {n: found[f"{n}_z"] for n in expected if n != "r2"} == pytest.approx(
        {n: v / 2 for n, v in expected.items() if n != "r2"}
    )


@pytest.mark.parametrize(("rows", "expected"), [(2, 2.0), (10, 10.0), (11, 10.5), (20, 19.5), (21, 20.0)])
def test_the_worst_tenth_is_rounded_up_to_a_whole_row(rows, expected):
    target, error = np.arange(rows), np.arange(1, rows + 1)
    assert regression(target, target + error, scale=1.0)["worst10_mae"] == expected


@given(SEEDS)
def test_regression_agrees_with_scikit_learn(seed):
    y, p = sample(seed)
    found = regression(y, p, scale=1.0)
    assert found["r2"] == pytest.approx(sk.r2_score(y, p), rel=1e-9, abs=1e-12)
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(y, p))
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(y, p))
    assert found["max_error"] == pytest.approx(sk.max_error(y, p))


@given(SEEDS, st.floats(0.01, 100), st.floats(-50, 50))
def test_a_change_of_unit_changes_errors_in_proportion_and_nothing_else(seed, factor, shift):
    y, p = sample(seed)
    before, after = regression(y, p, y.std()), regression(factor * y + shift, factor * p + shift, factor * y.std())
    for name in NAMES["regression"]:
        dimensionless = name == "r2" or name.endswith("_z")
        assert after[name] == pytest.approx(before[name] * (1 if dimensionless else factor), rel=1e-6, abs=1e-9)


@given(SEEDS)
def test_tail_errors_are_ordered(seed):
    found = regression(*sample(seed), scale=1.0)
    assert found["mae"] <= found["rmse"] * (1 + 1e-12)
    assert found["p95_error"] <= found["p99_error"] <= found["max_error"]
    assert found["mae"] <= found["worst10_mae"] * (1 + 1e-12) <= found["max_error"] * (1 + 2e-12)


def test_perfect_and_mean_predictions_mark_one_and_zero():
    y = np.array([1.0, 4.0, 7.0])
    assert regression(y, y, 1.0)["r2"] == 1.0
    assert regression(y, np.full(3, 4.0), 1.0)["r2"] == 0.0


@pytest.mark.parametrize(
    ("target", "prediction", "scale", "names"),
    [
        ([0.1, 0.1, 0.1], [1, 2, 3], 1.0, "r2"),
        ([5.0], [5.0], 1.0, "r2"),
        ([], [], 1.0, "no labelled row"),
        ([1, 2], [1, math.nan], 1.0, "a prediction is not finite"),
        ([1, 2], [1, math.inf], 1.0, "a prediction is not finite"),
        ([1, math.nan], [1, 2], 1.0, "a label is not finite"),
        ([1, 2], [1, 2], 0.0, "_z"),
        ([1, 2], [1, 2], math.nan, "_z"),
    ],
)
def test_what_is_undefined_is_named(target, prediction, scale, names):
    with pytest.raises(UserError, match=names):
        regression(target, prediction, scale)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="one length"):
        regression([1.0, 2.0], [1.0], 1.0)


def test_classification_worked_by_hand():
    # Predicted positive from 0.5: rows 2, 3, 5. Positive: rows 1, 3, 5. Hits 2, false alarms 1, misses 1, of 5 rows.
    found = classification([1, 0, 1, 0, 1], [0.4, 0.5, 0.5, 0.1, 0.9], threshold=0.5)
    assert list(found) == list(NAMES["classification"])
    assert found == pytest.approx(
        {
            "accuracy": 3 / 5,
            "f1": 2 / 3,
            "recall": 2 / 3,
            "precision": 2 / 3,
            # Of six (positive, negative) pairs: .4 loses to .5 and beats .1; .5 ties and beats; .9 beats both.
            "auc": (0 + 1 + 0.5 + 1 + 1 + 1) / 6,
            # Going down: at .9 one of one, at .5 two of three, at .4 three of four; each step adds a third of recall.
            "average_precision": (1 + 2 / 3 + 3 / 4) / 3,
        }
    )


@given(SEEDS)
def test_ranking_metrics_ignore_a_monotone_change_of_the_scores(seed):
    y, s = scores(seed)
    before, after = classification(y, s, 0.5), classification(y, s**3, 0.125)
    assert after == pytest.approx(before)


@given(SEEDS)
def test_auc_of_reversed_scores_is_the_complement(seed):
    y, s = scores(seed)
    assert classification(y, s, 0.5)["auc"] + classification(y, 1 - s, 0.5)["auc"] == pytest.approx(1)


@given(SEEDS)
def test_f1_is_the_harmonic_mean_of_precision_and_recall(seed):
    found = classification(*scores(seed), 0.5)
    p, r = found["precision"], found["recall"]
    assert found["f1"] == pytest.approx(2 * p * r / (p + r) if p + r else 0.0)


def test_a_model_that_never_says_yes_has_zero_precision():
    found = classification([0, 0, 1], [0.1, 0.2, 0.3], threshold=0.5)
    assert (found["precision"], found["f1"], found["recall"]) == (0.0, 0.0, 0.0)
    assert (found["auc"], found["accuracy"]) == (1.0, pytest.approx(2 / 3))


def test_one_class_leaves_metrics_undefined():
    with pytest.raises(UserError, match=r"auc, recall and average_precision.*class 0"):
        classification([0, 0], [0.1, 0.9], 0.5)
    with pytest.raises(UserError, match=r"auc.*class 1"):
        classification([1, 1], [0.1, 0.9], 0.5)
    with pytest.raises(UserError, match="not finite"):
        classification([0, 1], [0.1, math.nan], 0.5)
    with pytest.raises(ValueError, match="0 or 1"):
        classification([0, 2], [0.1, 0.9], 0.5)


def test_every_metric_has_a_direction():
    assert set(HIGHER_IS_BETTER) == {name for names in NAMES.values() for name in names}
    higher = {name for name, better in HIGHER_IS_BETTER.items() if better}
    assert higher == {"r2", "accuracy", "f1", "auc", "recall", "precision", "average_precision"}


def test_a_misspelt_metric_is_named_with_its_key_and_the_known_ones():
    check_metrics({"regression": ["r2", "mae_z"], "classification": ["f1"]}, "config.yaml")
    with pytest.raises(UserError, match=r"config.yaml: evaluation.regression\[1\].*'rsme'.*known: r2, rmse") as error:
        check_metrics({"regression": ["r2", "rsme"], "classification": ["f1"]}, "config.yaml")
    assert all(name in str(error.value) for name in NAMES["regression"])
    with pytest.raises(UserError, match=r"evaluation.classification\[0\].*'r2'"):
        check_metrics({"regression": ["r2"], "classification": ["r2"]}, "config.yaml")
    with pytest.raises(UserError, match=r"evaluation.regression\[1\].*twice"):
        check_metrics({"regression": ["r2", "r2"], "classification": ["f1"]}, "config.yaml")


def test_names_load_nothing_heavy():
    code = "import sys, alloymtl.evaluation.metrics; print({'sklearn', 'scipy', 'pandas', 'torch'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGES)
    assert found.stdout.strip() == "set()"
