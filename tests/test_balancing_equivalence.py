"""Does a balancer reach a grid search? Two one-sided tests held to scipy, families of tests, verdicts, costs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from alloymtl.errors import UserError
from alloymtl.evaluation.balancing import costs, equivalence
from alloymtl.evaluation.balancing.equivalence import ALL_LEVELS, compared, tost
from alloymtl.evaluation.statistics import holm
from alloymtl.files import write_parquet
from balancing_world import EVALUATION, METHODS, SEEDS, experiment, method, metrics, run, spec

NAMES = list(METHODS)
SAMPLES = st.lists(st.floats(-5, 5), min_size=3, max_size=12).filter(lambda d: np.std(d) > 1e-3)


@given(SAMPLES, st.floats(0.1, 4))
def test_two_one_sided_tests_are_those_of_scipy(differences, margin):
    zero = np.zeros(len(differences))
    found = tost(differences, margin, 0.05)
    above = stats.ttest_rel(np.array(differences) + margin, zero, alternative="greater").pvalue
    below = stats.ttest_rel(np.array(differences) - margin, zero, alternative="less").pvalue
    both = stats.ttest_rel(differences, zero)
    assert (found.p_lower, found.p_upper) == pytest.approx((above, below), rel=1e-9, abs=1e-15)
    assert found.p_value == max(found.p_lower, found.p_upper)
    assert found.p_difference == pytest.approx(both.pvalue, rel=1e-9)
    interval = both.confidence_interval(0.90)
    assert (found.ci_low, found.ci_high) == pytest.approx((interval.low, interval.high), rel=1e-9, abs=1e-12)


@given(SAMPLES, st.floats(0.1, 4))
def test_equivalence_is_shown_exactly_where_the_interval_lies_within_the_margin(differences, margin):
    found = tost(differences, margin, 0.05)
    assert (found.p_value < 0.05) == (-margin < found.ci_low and found.ci_high < margin)


def test_equivalence_worked_by_hand():
    # Mean 0.5 and SD 0.5 of four pairs: error 0.25, so that t = (0.5 + 1) / 0.25 = 6 and (0.5 - 1) / 0.25 = -2.
    d = 0.5 + 0.5 * np.array([-1, -1, 1, 1]) * np.sqrt(3 / 4)
    found = tost(d, 1.0, 0.05)
    assert found.p_lower == pytest.approx(stats.t.sf(6, 3))
    assert found.p_upper == pytest.approx(stats.t.cdf(-2, 3))
    assert found.ci_high == pytest.approx(0.5 + 2.3533634 * 0.25)


@pytest.mark.parametrize(("shift", "p_value"), [(0.5, 0.0), (-0.5, 0.0), (1.5, 1.0), (1.0, 0.5)])
def test_differences_that_do_not_vary_are_within_the_margin_or_are_not(shift, p_value):
    assert tost([shift] * 4, 1.0, 0.05).p_value == p_value


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan")])
def test_a_margin_is_positive(margin):
    with pytest.raises(ValueError, match="margin"):
        tost([0.1, 0.2, 0.3], margin, 0.05)


def test_the_question_asked_beforehand_is_not_corrected_for_the_others():
    rng = np.random.default_rng(3)
    differences = {name: rng.normal(0.2 * n, 0.6, 8) for n, name in enumerate(["scaled", "one", "two", "three"])}
    rows = {row["method"]: row for row in compared(differences, ["scaled"], EVALUATION)}
    assert rows["scaled"]["p_equivalence_holm"] == rows["scaled"]["p_equivalence"]
    assert rows["scaled"]["family"] == 1
    for kind in ("equivalence", "difference"):
        raw = [rows[n][f"p_{kind}"] for n in ("one", "two", "three")]
        assert [rows[n][f"p_{kind}_holm"] for n in ("one", "two", "three")] == pytest.approx(list(holm(raw)))
    assert {rows[n]["family"] for n in ("one", "two", "three")} == {3}


VERDICTS = [(0.3, 0.1, "equivalent"), (-3.0, 0.1, "worse"), (3.0, 0.1, "better"), (0.0, 9.0, "not shown")]


@pytest.mark.parametrize(("shift", "spread", "verdict"), VERDICTS)
def test_verdicts(shift, spread, verdict):
    noise = spread * np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    (row,) = compared({"scaled": shift + noise}, ["scaled"], EVALUATION)
    assert row["verdict"] == verdict


def test_a_difference_that_is_shown_but_within_the_margin_is_equivalence():
    (row,) = compared({"scaled": 0.5 + 0.01 * np.arange(5)}, ["scaled"], EVALUATION)
    assert row["p_difference"] < 0.05
    assert row["verdict"] == "equivalent"


def test_what_is_not_defined_is_said_and_counts_in_no_family():
    nothing = np.full(5, np.nan)
    rows = list(compared({"one": 0.1 * np.arange(5), "two": nothing}, [], EVALUATION))
    assert [row["verdict"] for row in rows] == ["equivalent", "undefined"]
    assert [row["family"] for row in rows] == [1, 0]
    assert np.isnan(rows[1]["p_equivalence"])


def _value(name, level, seed, task):
    """Independent networks have error 2.0 and score 0.5; a method's error is lower by its number in hundredths."""
    gain = {"single": 0, "plain": -10, "search": 10, "scaled": 9.5, "smoothed": 30, "slaw": 2}[name]
    gain += 0.01 * seed * (name != "single") * (1 if name in ("search", "scaled") else -1)
    gain -= 4 * (level != "all") * (name != "single")
    return 2.0 * (1 - gain / 100) if task == "strength" else 0.5 * (1 + gain / 100)


@pytest.fixture
def reached(tmp_path):
    one = experiment("balancing", NAMES, levels=[100, "all"])
    inputs = {"metrics": metrics(tmp_path / "metrics.parquet", _value, [one])}
    return run(equivalence.step, spec(one), inputs, ["equivalence"], tmp_path)["equivalence"]


def test_methods_are_set_against_the_grid_search_at_every_level_and_over_all(reached):
    assert list(reached["level"].drop_duplicates()) == ["100", "all", ALL_LEVELS]
    for _, rows in reached.groupby("level"):
        assert list(rows["method"]) == ["scaled", "plain", "smoothed", "slaw"]
        assert list(rows["primary"]) == [True, False, False, False]
        differences = dict(zip(rows["method"], rows["difference"], strict=True))
        # A seed moves the others against the search by 0.02 points, and the mean seed is three.
        expected = {"scaled": -0.5, "plain": -20 - 0.06, "smoothed": 20 - 0.06, "slaw": -8 - 0.06}
        assert differences == pytest.approx(expected, abs=1e-9)
        verdicts = dict(zip(rows["method"], rows["verdict"], strict=True))
        assert verdicts == {"scaled": "equivalent", "plain": "worse", "smoothed": "better", "slaw": "worse"}
    assert set(reached["n_pairs"]) == {len(SEEDS)}


def test_the_margin_is_a_setting(tmp_path):
    one = experiment("balancing", NAMES)
    inputs = {"metrics": metrics(tmp_path / "metrics.parquet", _value, [one])}
    table = run(equivalence.step, spec(one, equivalence_margin=0.4), inputs, ["equivalence"], tmp_path)["equivalence"]
    assert table.loc[table["method"] == "scaled", "verdict"].item() == "worse"
    assert ALL_LEVELS not in set(table["level"])


def test_each_sampler_has_its_own_grid_search(tmp_path):
    stratified = {
        f"{n}2": {**METHODS[n], "sampler": {"name": "stratified", "options": {}}} for n in ("search", "scaled")
    }
    methods = {**METHODS, **stratified, "lonely": method("slaw", sampler="other")}
    one = experiment("balancing", methods)

    def value(name, level, seed, task):
        return _value({"lonely": "slaw"}.get(name, name.rstrip("2")), level, seed, task)

    inputs = {"metrics": metrics(tmp_path / "metrics.parquet", value, [one])}
    table = run(equivalence.step, spec(one, methods=methods), inputs, ["equivalence"], tmp_path)["equivalence"]
    pairs = set(zip(table["sampler"], table["reference"], strict=True))
    assert pairs == {("uniform", "search"), ("stratified", "search2")}
    assert "lonely" not in set(table["method"])


def test_a_run_that_is_missing_stops_the_build(tmp_path):
    one = experiment("balancing", NAMES)
    path = metrics(tmp_path / "metrics.parquet", _value, [one])
    table = pd.read_parquet(path)
    write_parquet(path, table[(table["method"] != "slaw") | (table["seed"] != 3)])
    with pytest.raises(UserError, match="slaw/level-all/split-0/seed-3"):
        run(equivalence.step, spec(one), {"metrics": path}, ["equivalence"], tmp_path)


def test_one_run_has_no_spread(tmp_path):
    one = experiment("balancing", NAMES, seeds=[1])
    path = metrics(tmp_path / "metrics.parquet", _value, [one])
    with pytest.raises(UserError, match=r"experiments\.balancing\.seeds"):
        run(equivalence.step, spec(one), {"metrics": path}, ["equivalence"], tmp_path)


STEPS = [(equivalence, "equivalence"), (costs, "balancing_costs")]


@pytest.mark.parametrize(("module", "name"), STEPS)
@pytest.mark.parametrize("without", [None, "single"])
def test_a_study_without_the_experiment_or_without_independent_networks_has_an_empty_table(
    tmp_path, module, name, without
):
    others = [n for n in NAMES if n != without]
    one = experiment("balancing" if without else "main", others)
    path = metrics(tmp_path / "metrics.parquet", _value, [one])
    table = run(module.step, spec(one), {"metrics": path, "runs": path}, [name], tmp_path)[name]
    assert table.empty
    assert list(table.columns) == list(module.COLUMNS)


def _runs(path, experiment_, drop=()):
    """Every run takes 1000 steps of 100 microseconds, slaw three times as long; a search has 49 of them."""
    rows = [
        {"method": m, "level": str(level), "split_seed": 0, "seed": seed, "steps": 1000 * (3 if m == "single" else 1)}
        | {"trainings": {"search": 49, "single": 3}.get(m, 1)}
        for m in experiment_["methods"]
        for level in experiment_["levels"]
        for seed in experiment_["seeds"]
        if (m, seed) not in drop
    ]
    table = pd.DataFrame(rows)
    seconds = 0.1 * table["method"].map({"slaw": 3.0, "search": 49.0, "single": 3.0}).fillna(1.0)
    # One run on a busy machine: a median does not mind.
    write_parquet(path, table.assign(seconds=seconds * np.where(table["seed"] == 5, 40, 1)))
    return path


def test_costs_are_medians_relative_to_the_plain_baseline(tmp_path):
    one = experiment("balancing", NAMES, levels=[100, "all"])
    inputs = {"metrics": metrics(tmp_path / "metrics.parquet", _value, [one])}
    inputs["runs"] = _runs(tmp_path / "runs.parquet", one)
    table = run(costs.step, spec(one), inputs, ["balancing_costs"], tmp_path)["balancing_costs"]
    assert set(table["level"]) == {"all"}
    rows = table.set_index("method")
    assert rows["microseconds_per_step"].to_dict() == pytest.approx(
        {"single": 100, "plain": 100, "search": 100, "scaled": 100, "smoothed": 100, "slaw": 300}
    )
    assert rows["relative_seconds"].to_dict() == pytest.approx(
        {"single": 3, "plain": 1, "search": 49, "scaled": 1, "smoothed": 1, "slaw": 3}
    )
    assert rows.loc["slaw", "relative_step"] == pytest.approx(3)
    assert rows["trainings"].to_dict() == {"single": 3, "plain": 1, "search": 49, "scaled": 1, "smoothed": 1, "slaw": 1}
    assert set(rows["baseline"]) == {"plain"}
    assert rows["family"].to_dict() == {
        **dict.fromkeys(NAMES, ""),
        **dict.fromkeys(("scaled", "smoothed", "slaw"), "normalised sum"),
    }


def test_a_gain_has_the_interval_of_its_mean_and_that_of_independent_networks_is_zero(tmp_path):
    one = experiment("balancing", NAMES)
    inputs = {"metrics": metrics(tmp_path / "metrics.parquet", _value, [one])}
    inputs["runs"] = _runs(tmp_path / "runs.parquet", one)
    rows = run(costs.step, spec(one), inputs, ["balancing_costs"], tmp_path)["balancing_costs"].set_index("method")
    gains = [10 + 0.01 * seed for seed in SEEDS]
    interval = stats.ttest_1samp(gains, 0).confidence_interval(0.95)
    found = rows.loc["search", ["delta", "ci_low", "ci_high"]].to_list()
    assert found == pytest.approx([np.mean(gains), interval.low, interval.high])
    assert rows.loc["single", "delta"] == 0
    assert rows.loc["single", ["ci_low", "ci_high"]].isna().all()


def test_a_run_without_its_cost_stops_the_build(tmp_path):
    one = experiment("balancing", NAMES)
    inputs = {"metrics": metrics(tmp_path / "metrics.parquet", _value, [one])}
    inputs["runs"] = _runs(tmp_path / "runs.parquet", one, drop=[("slaw", 2)])
    with pytest.raises(UserError, match="slaw/level-all/split-0/seed-2"):
        run(costs.step, spec(one), inputs, ["balancing_costs"], tmp_path)
