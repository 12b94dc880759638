"""Do norms of gradients go with imbalance? Correlations held to scipy, the cluster bootstrap to its coverage."""

from __future__ import annotations

import logging
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from alloymtl.errors import UserError
from alloymtl.evaluation.balancing import norms
from alloymtl.evaluation.balancing.correlation import averaged, clustered, correlation
from alloymtl.files import write_parquet
from balancing_world import METHODS, RUN, SEEDS, TASKS, experiment, metrics, run, spec

OF_SCIPY = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}
NUMBERS = st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=3, max_size=20)


@pytest.mark.parametrize("kind", OF_SCIPY)
@given(NUMBERS)
def test_correlations_are_those_of_scipy_ties_included(kind, points):
    x, y = np.array(points, dtype=float).T
    found = correlation(x, y, kind)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(OF_SCIPY[kind](x, y).statistic, abs=1e-12)


@pytest.mark.parametrize("kind", OF_SCIPY)
def test_rounding_is_no_variation(kind):
    y = np.arange(6.0)
    assert np.isnan(correlation(1 + 1e-15 * y, y, kind))


def _clustered(rng, clusters, points):
    """Points of clusters that share a shift of both numbers, and a relation within."""
    x = 0.7 * rng.normal(size=(clusters, 1)) + rng.normal(size=(clusters, points))
    return x, 0.5 * x + 0.7 * rng.normal(size=(clusters, 1)) + rng.normal(size=(clusters, points))


@pytest.mark.parametrize("kind", OF_SCIPY)
def test_points_that_are_copies_within_their_clusters_make_nothing_more_certain(kind):
    x, y = _clustered(np.random.default_rng(5), 6, 3)
    once = clustered(x, y, kind, 0.05)
    copied = clustered(np.repeat(x, 4, axis=1), np.repeat(y, 4, axis=1), kind, 0.05)
    assert (copied.value, copied.ci_low, copied.ci_high) == pytest.approx((once.value, once.ci_low, once.ci_high))
    assert (once.points, copied.points, copied.clusters) == (18, 72, 6)


def test_intervals_of_five_clusters_cover_what_they_say():
    rng = np.random.default_rng(11)
    truth = float(correlation(*(v.ravel() for v in _clustered(rng, 200_000, 3)), "pearson"))
    found = [clustered(*_clustered(rng, 5, 3), "pearson", 0.05) for _ in range(250)]
    covered = np.mean([c.ci_low <= truth <= c.ci_high for c in found])
    # Four standard errors of a share of 250 draws; the plain percentile interval covers 86 %.
    assert 0.95 - 4 * np.sqrt(0.95 * 0.05 / 250) < covered


def test_too_few_clusters_have_a_correlation_and_no_interval():
    x, y = _clustered(np.random.default_rng(2), 6, 3)
    for clusters, alpha, given_ in ((2, 0.05, False), (4, 0.05, False), (5, 0.05, True), (5, 0.01, False)):
        found = clustered(x[:clusters], y[:clusters], "pearson", alpha)
        assert found.value == pytest.approx(stats.pearsonr(x[:clusters].ravel(), y[:clusters].ravel()).statistic)
        assert np.isfinite([found.ci_low, found.ci_high]).all() == given_
        assert np.isnan([found.ci_low, found.ci_high]).all() != given_


def test_a_draw_without_a_correlation_leaves_no_interval():
    # Three of five clusters do not vary, and some draws hold no other.
    x = np.array([*[[0.0, 0.0]] * 3, *[[0.0, 1.0]] * 2])
    found = clustered(x, x, "pearson", 0.05)
    assert found.value == pytest.approx(1)
    assert np.isnan([found.ci_low, found.ci_high]).all()


def test_correlations_are_averaged_on_fishers_scale():
    values = np.array([[0.9, 0.1], [0.5, 0.5], [0.0, -0.2], [0.3, 0.3], [0.6, 0.2]])
    found = averaged(values, 77, 0.05)
    assert found.value == pytest.approx(np.tanh(np.arctanh(values).mean()))
    assert found.ci_low < found.value < found.ci_high
    assert (found.points, found.clusters) == (77, 5)
    assert np.isnan(averaged(np.where(values == 0, np.nan, values), 77, 0.05).value)


# The step, on a study whose truth is known: the weaker a task's gradient, the less it gains.

LEVELS = (100, "all")
JOINT = ["plain", "scaled"]
EPOCHS = 12
NORMS = experiment("imbalance_norms", JOINT, LEVELS, keep=["gradients", "histories"])
BALANCING = experiment("balancing", ["single", *JOINT], LEVELS, keep=["histories"])


def _share(level, seed):
    """Half the logarithm of the ratio of both norms: larger with more labels, a little different for each seed."""
    return 0.5 + 0.3 * LEVELS.index({"all": "all"}.get(level, 100)) + 0.02 * seed


def _value(name, level, seed, task):
    """Each task gains ten per cent for each unit of its share, which is that of the first task or minus it."""
    gain = 0 if name == "single" else 10 * _share(level, seed) * (1 if task == "strength" else -1)
    return 2.0 * (1 - gain / 100) if task == "strength" else 0.5 * (1 + gain / 100)


def _gradients(scale=1.0):
    """Norms whose shares drift by the epoch around those of the run; scaling makes both equal."""
    rows = []
    for m, level, seed, epoch in product(JOINT, map(str, LEVELS), SEEDS, range(1, EPOCHS + 1)):
        drift = 0.01 * (epoch - (EPOCHS + 1) / 2)
        for task, sign in zip(TASKS, (1, -1), strict=True):
            norm = scale * (1 + 0.1 * seed) * np.exp(sign * (_share(level, seed) + drift))
            square = norm**2 * (1 + 0.3 * (-1) ** epoch)
            place = {"method": m, "level": level, "split_seed": 0, "seed": seed, "epoch": epoch}
            place |= {"first": task, "second": task, "n": 7}
            scaled = norm if m == "plain" else scale
            measures = {"norm": norm, "norm_scaled": scaled, "product_halves": square}
            rows += [{**place, "measure": measure, "value": value} for measure, value in measures.items()]
    return pd.DataFrame(rows)


def _histories(rng):
    """Validation losses: the lead of the first task grows with its share, that of the second does not."""
    rows = []
    for m, level, seed in product(["single", *JOINT], map(str, LEVELS), SEEDS):
        for epoch, task in product(range(1, EPOCHS + 1), TASKS):
            loss = 1 + 1 / epoch if m == "single" else np.exp(-0.1 * epoch + 0.01 * rng.normal())
            rows.append({"method": m, "level": level, "split_seed": 0, "seed": seed, "epoch": epoch, "task": task})
            rows[-1] |= {"partition": "validation", "loss": loss}
            rows.append({**rows[-1], "partition": "train", "loss": -1.0})
    return pd.DataFrame(rows)


def made(folder, gradients=None, histories=None, experiments=(BALANCING, NORMS), **evaluation):
    inputs = {"metrics": metrics(folder / "metrics.parquet", _value, experiments)}
    inputs |= {name: folder / f"{name}.parquet" for name in ("gradients", "histories")}
    write_parquet(inputs["gradients"], _gradients() if gradients is None else gradients)
    write_parquet(inputs["histories"], _histories(np.random.default_rng(4)) if histories is None else histories)
    return run(norms.step, spec(*experiments, **evaluation), inputs, ["norms", "norm_points"], folder)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return made(tmp_path_factory.mktemp("norms"))


def of(table, **where):
    for column, value in where.items():
        table = table[table[column] == value]
    return table


@pytest.mark.parametrize("measure", ["norm", "norm_scaled", "norm_corrected"])
def test_norms_that_decide_the_gain_correlate_with_it_completely(tables, measure):
    for over in ("tasks", "tasks and levels"):
        rows = of(tables["norms"], method="plain", measure=measure, over=over)
        assert rows["value"].to_list() == pytest.approx([1.0] * len(rows))
        assert set(rows["n_points"]) == {10 if over == "tasks" else 20}
    assert set(tables["norms"]["n_clusters"]) == {len(SEEDS)}


def test_over_levels_each_task_stands_by_itself(tables):
    rows = of(tables["norms"], method="plain", measure="norm", over="levels", coefficient="pearson")
    assert rows.set_index("task")["value"].to_dict() == pytest.approx({"strength": 1.0, "glass": 1.0})
    assert set(rows["n_points"]) == {len(SEEDS) * len(LEVELS)}


def test_once_norms_are_equal_they_correlate_with_nothing(tables):
    rows = of(tables["norms"], method="scaled", measure="norm_scaled")
    assert rows["value"].isna().all()
    assert of(rows, over="tasks")["ratio"].to_list() == pytest.approx([1.0] * 4)


def test_the_ratio_is_of_the_largest_norm_over_the_smallest(tables):
    rows = of(tables["norms"], method="plain", measure="norm", over="tasks", level="all")
    shares = [_share("all", seed) for seed in SEEDS]
    assert rows["ratio"].to_list() == pytest.approx([np.exp(2 * np.mean(shares))] * 2)


def test_points_are_relative_to_the_geometric_mean_whatever_the_scale(tables, tmp_path):
    points = of(tables["norm_points"], method="plain", measure="norm", level="all", task="strength")
    assert points.set_index("unit")["share"].to_dict() == pytest.approx({s: _share("all", s) for s in SEEDS})
    assert points["delta"].to_list() == pytest.approx([10 * _share("all", seed) for seed in SEEDS])
    larger = made(tmp_path, gradients=_gradients(scale=1000.0))["norm_points"]
    pd.testing.assert_frame_equal(larger, tables["norm_points"])


def test_norms_corrected_for_noise_are_roots_of_sums_some_terms_of_which_may_be_negative(tables, tmp_path):
    gradients = _gradients()
    rows = (gradients["measure"] == "product_halves") & (gradients["epoch"] <= 2)
    gradients.loc[rows & (gradients["epoch"] == 1), "value"] *= -1
    share = of(made(tmp_path, gradients=gradients)["norm_points"], measure="norm_corrected", task="strength")["share"]
    signs = {1: -1}
    epochs = np.arange(1, EPOCHS + 1)
    weights = np.array([signs.get(e, 1) * (1 + 0.3 * (-1.0) ** e) for e in epochs])
    drift = 0.01 * (epochs - (EPOCHS + 1) / 2)
    ratio = (weights * np.exp(2 * drift)).sum() / (weights * np.exp(-2 * drift)).sum()
    expected = [_share(level, seed) + np.log(ratio) / 4 for _, level, seed in product(JOINT, LEVELS, SEEDS)]
    assert sorted(share) == pytest.approx(sorted(expected))


def test_a_run_in_which_noise_swamps_a_gradient_is_said_and_leaves_no_correlation(tmp_path, caplog):
    gradients = _gradients()
    swamped = (gradients["measure"] == "product_halves") & (gradients["first"] == "glass") & (gradients["seed"] == 2)
    gradients.loc[swamped, "value"] *= -1
    with caplog.at_level(logging.WARNING, logger="alloymtl"):
        found = made(tmp_path, gradients=gradients)["norms"]
    assert "noise swamps the gradient of a task in 1 of 5 runs" in caplog.text
    assert of(found, measure="norm_corrected")["value"].isna().all()
    assert of(found, measure="norm", method="plain", over="tasks")["value"].notna().all()


def test_a_common_trend_correlates_over_epochs_and_not_in_their_changes(tables):
    rows = of(tables["norms"], method="plain", measure="norm", coefficient="pearson", level="all")
    by_task = of(rows, over="epochs").set_index("task")["value"]
    assert by_task["strength"] > 0.99
    assert by_task["glass"] < -0.99
    # A drift that is the same at each epoch does not vary at all, which is no correlation of one or minus one.
    assert of(rows, over="changes between epochs")["value"].isna().all()


def test_over_epochs_runs_are_correlated_one_by_one(tmp_path):
    rng = np.random.default_rng(8)
    gradients = _gradients()
    met = gradients["measure"] == "norm"
    gradients.loc[met, "value"] *= np.exp(0.2 * rng.normal(size=met.sum()))
    histories = _histories(rng)
    found = made(tmp_path, gradients, histories)["norms"]
    place = {"method": "plain", "level": "all"}
    wide = of(gradients[met], **place).pivot(index=["seed", "epoch"], columns="first", values="value")
    share = np.log(wide["strength"] / wide["glass"]) / 2
    losses = of(histories, partition="validation", task="strength", level="all")
    lowest = of(losses, method="single").groupby("seed")["loss"].min()
    own = of(losses, method="plain").set_index(["seed", "epoch"])["loss"]
    lead = np.log(lowest.reindex(own.index.get_level_values("seed")).to_numpy() / own)
    for over, change in (("epochs", lambda s: s), ("changes between epochs", lambda s: s.diff().dropna())):
        z = [np.arctanh(stats.pearsonr(change(share[seed]), change(lead[seed])).statistic) for seed in SEEDS]
        row = of(found, **place, measure="norm", over=over, task="strength", coefficient="pearson")
        assert row["value"].item() == pytest.approx(np.tanh(np.mean(z)))


def test_of_several_splits_each_is_one_cluster(tmp_path):
    two = [{**e, "split_seeds": [0, 1], "seeds": [1, 2]} for e in (BALANCING, NORMS)]

    def twice(table):
        table = table[table["seed"].isin([1, 2])]
        return pd.concat([table, table.assign(split_seed=1)])

    inputs = {"metrics": metrics(tmp_path / "metrics.parquet", _value, two)}
    write_parquet(inputs["metrics"], twice(pd.read_parquet(inputs["metrics"])))
    for name, table in (("gradients", _gradients()), ("histories", _histories(np.random.default_rng(4)))):
        inputs[name] = tmp_path / f"{name}.parquet"
        write_parquet(inputs[name], twice(table))
    found = run(norms.step, spec(*two), inputs, ["norms", "norm_points"], tmp_path)
    assert set(found["norms"]["n_clusters"]) == {2}
    points = of(found["norm_points"], method="plain", measure="norm", level="all", task="strength")
    assert points["unit"].to_list() == [0, 1]
    assert points["share"].to_list() == pytest.approx([np.mean([_share("all", s) for s in (1, 2)])] * 2)


@pytest.mark.parametrize("experiments", [(BALANCING,), (NORMS,), (experiment("balancing", JOINT, LEVELS), NORMS)])
def test_without_norms_or_independent_networks_both_tables_are_empty(tmp_path, experiments):
    found = made(tmp_path, experiments=experiments)
    assert all(table.empty for table in found.values())
    assert list(found["norms"].columns) == list(norms.COLUMNS)
    assert list(found["norm_points"].columns) == list(norms.POINT_COLUMNS)


@pytest.mark.parametrize(("key", "value"), [("levels", ["all"]), ("seeds", [1, 2])])
def test_independent_networks_that_lack_a_level_or_a_seed_are_named(tmp_path, key, value):
    with pytest.raises(UserError, match=rf"experiments\.imbalance_norms\.{key}: experiments\.balancing"):
        made(tmp_path, experiments=({**BALANCING, key: value}, NORMS))


DAMAGES = {
    "gradients": (lambda t: t[(t["seed"] != 3) | (t["measure"] != "norm")], "seed-3: there is no epoch with norm"),
    "histories": (lambda t: t[(t["method"] != "single") | (t["seed"] != 2)], "seed-2: there are no validation losses"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_run_that_lacks_what_it_should_have_kept_stops_the_build(tmp_path, name):
    change, said = DAMAGES[name]
    tables = {"gradients": _gradients(), "histories": _histories(np.random.default_rng(4))}
    with pytest.raises(UserError, match=said):
        made(tmp_path, **{**tables, name: change(tables[name])})


def test_a_loss_that_has_no_logarithm_is_said(tmp_path):
    histories = _histories(np.random.default_rng(4))
    histories.loc[(histories["partition"] == "validation") & (histories["epoch"] == 3), "loss"] = 0.0
    with pytest.raises(UserError, match="not positive"):
        made(tmp_path, histories=histories)


def test_rows_name_what_they_are_of_once(tables):
    key = ["method", "measure", "over", "level", "task", "coefficient"]
    assert not tables["norms"].duplicated(key).any()
    assert set(RUN[:2]) <= set(tables["norm_points"].columns)
    assert set(tables["norms"]["method"]) == set(JOINT) < set(METHODS)
