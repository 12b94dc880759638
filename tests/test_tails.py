"""Tails: the same metrics as those of the runs, resampled over test alloys, the same ones for all; and synergy."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from alloymtl.errors import UserError
from alloymtl.evaluation import metrics, synergy, tails
from alloymtl.evaluation.statistics import paired_t
from alloymtl.experiment import Experiment
from alloymtl.files import write_parquet

KEYS = ["method", "level", "split_seed", "seed"]
KINDS = {"density": "regression", "ductile": "classification"}
SD = 7.0
ERRORS = st.lists(st.floats(0, 10), min_size=2, max_size=60).map(np.array)


def of_runs(errors):
    """The four metrics of absolute errors, as a run's own scores are computed."""
    y = np.arange(errors.size, dtype=float)
    found = metrics.regression(y, y + errors, 1.0)
    return [found[name] for name in tails.METRICS]


@settings(deadline=None)
@given(ERRORS)
def test_tail_metrics_are_those_of_the_runs(errors):
    assert tails.tail_metrics(errors)[0] == pytest.approx(of_runs(errors), abs=1e-9)


@settings(deadline=None)
@given(ERRORS, st.integers(0, 1000), st.lists(st.integers(2, 90), min_size=1, max_size=5))
def test_metrics_of_counts_are_those_of_the_rows_that_were_drawn(errors, seed, sizes):
    rng = np.random.default_rng(seed)
    drawn = [rng.integers(0, errors.size, n) for n in (errors.size, *sizes)]
    counts = np.array([np.bincount(row, minlength=errors.size) for row in drawn])
    assert tails.tail_metrics(errors, counts) == pytest.approx(
        np.array([of_runs(errors[row]) for row in drawn]), abs=1e-9
    )


def test_many_alloys_take_the_short_way_to_the_same_numbers():
    """Only the largest errors are looked at; one resample that draws a small error alone needs them all."""
    errors = np.random.default_rng(1).exponential(size=3000)
    counts = np.zeros((2, errors.size), dtype=int)
    counts[0] = 1
    counts[1, errors.argmin()] = errors.size
    found = tails.tail_metrics(errors, counts)
    assert found[0] == pytest.approx(of_runs(errors), abs=1e-9)
    assert found[1] == pytest.approx(np.full(4, errors.min()), abs=1e-12)


@pytest.mark.parametrize(
    ("column", "statistic"),
    list(
        enumerate(
            [
                lambda e, axis: e.max(axis=axis),
                lambda e, axis: np.percentile(e, 95, axis=axis),
                lambda e, axis: np.percentile(e, 99, axis=axis),
                lambda e, axis: np.sort(e, axis=axis)[..., -12:].mean(axis=axis),
            ]
        )
    ),
    ids=tails.METRICS,
)
def test_percentile_intervals_are_scipy_s(column, statistic):
    errors = np.abs(np.random.default_rng(5).standard_t(4, size=120))
    _, drawn = tails.bootstrap({"m": errors[None]}, np.arange(120), np.random.default_rng(8), resamples=20000)["m"]
    found = np.percentile(drawn[:, column], [2.5, 97.5])
    rng = np.random.default_rng(9)
    expected = bootstrap((errors,), statistic, n_resamples=20000, method="percentile", rng=rng).confidence_interval
    assert found == pytest.approx(tuple(expected), rel=0.02)


def test_interval_of_the_mean_of_the_largest_tenth_narrows_with_the_root_of_the_alloys():
    widths = []
    for n in (200, 800, 3200):
        errors = (np.arange(n) + 0.5) / n
        _, drawn = tails.bootstrap({"m": errors[None]}, np.arange(n), np.random.default_rng(0), resamples=1000)["m"]
        widths.append(np.ptp(np.percentile(drawn[:, 3], [2.5, 97.5])))
    assert widths[0] / widths[1] == pytest.approx(2, rel=0.15)
    assert widths[1] / widths[2] == pytest.approx(2, rel=0.15)


def test_rows_that_repeat_an_alloy_add_no_evidence():
    errors, rng = np.abs(np.random.default_rng(5).standard_t(4, size=120)), np.random.default_rng
    alloys = np.tile(np.arange(120), 3)
    once = tails.bootstrap({"m": errors[None]}, np.arange(120), rng(8), resamples=500)["m"][1]
    thrice = tails.bootstrap({"m": errors[None, alloys]}, alloys, rng(8), resamples=500)["m"][1]
    assert thrice[:, [0, 3]] == pytest.approx(once[:, [0, 3]])  # percentiles lie between other ranks


# --- the step --------------------------------------------------------------------------------------------------------


def experiment(name, methods, pairs, keep=("predictions",), seeds=(1, 2, 3), split_seeds=(0,), levels=("all",)):
    own = {"methods": methods, "comparisons": pairs, "keep": keep, "seeds": seeds, "split_seeds": split_seeds}
    return {"name": name, **{k: [*v] for k, v in {**own, "levels": levels}.items()}}


MAIN = experiment("main", ["alone", "hard"], [["alone", "hard"]], keep=())
SOFT = experiment("soft", ["hard", "soft"], [["hard", "soft"]])
OTHER = experiment("other", ["hard", "wide"], [["hard", "wide"]], keep=())
SCALE = {"alone": 1.0, "hard": 2.0, "soft": 1.0, "wide": 1.0}


def spec(*experiments, **more):
    tasks = [{"name": n, "kind": k} for n, k in KINDS.items()]
    return {"experiments": [*experiments], "tasks": tasks, "evaluation": {"alpha": 0.05}, **more}


def write(folder, study, n=60):
    """Predictions and metrics: the errors of a run are those of its seed and split times ``SCALE`` of its method."""
    rows, scores = [], []
    cells = dict.fromkeys(
        cell
        for e in study["experiments"]
        for cell in product(e["methods"], map(str, e["levels"]), e["split_seeds"], e["seeds"])
    )
    for cell in cells:
        rng = np.random.default_rng([cell[2], cell[3]])
        alloys = np.array([f"split{cell[2]}-{i}" for i in range(n)])
        y, error = rng.normal(100, SD, n), SCALE[cell[0]] * SD * rng.standard_t(4, n)
        order = rng.permutation(n)  # rows may come in any order
        table = {"alloy": alloys, "task": "density", "partition": "test", "target": y, "prediction": y + error}
        rows.append(pd.DataFrame({**dict(zip(KEYS, cell, strict=True)), **table}).iloc[order])
        found = metrics.regression(y, y + error, SD)
        scores += [(*cell, "density", "test", name, value) for name, value in found.items()]
    paths = {name: folder / f"{name}.parquet" for name in ("predictions", "metrics")}
    write_parquet(paths["predictions"], pd.concat(rows))
    columns = [*KEYS, "task", "partition", "metric", "value"]
    write_parquet(paths["metrics"], pd.DataFrame(scores, columns=columns))
    return paths


def run(study, paths, folder):
    tails.step(study, paths, {"tails": folder / "tails.parquet"})
    return pd.read_parquet(folder / "tails.parquet")


def test_values_are_the_means_of_the_runs_own_metrics(tmp_path):
    study = spec(MAIN, SOFT, OTHER)
    paths = write(tmp_path, study)
    table = run(study, paths, tmp_path)
    assert set(table["method"]) == {"alone", "hard", "soft"}  # predictions of `wide` are not kept
    assert not table.duplicated(["method", "level", "task", "metric"]).any()
    means = pd.read_parquet(paths["metrics"]).groupby(["method", "metric"])["value"].mean()
    for row in table.itertuples():
        assert row.value == pytest.approx(means[row.method, row.metric])
        assert row.ci_low <= row.value <= row.ci_high or row.metric == "max_error_z"
        assert (
            row.ci_high <= row.value + 1e-9 or row.metric != "max_error_z"
        )  # beyond the largest error nothing is seen


def test_all_methods_are_resampled_alike_and_against_what_the_study_compares_them_with(tmp_path):
    """Errors twice as large in every alloy are twice as large in every resample: an interval without width."""
    study = spec(MAIN, SOFT)
    table = run(study, write(tmp_path, study), tmp_path).set_index(["method", "metric"])
    for metric in tails.METRICS:
        assert table.loc[("hard", metric), ["experiment", "baseline"]].tolist() == ["main", "alone"]
        assert table.loc[("hard", metric), ["ratio", "ratio_low", "ratio_high"]].tolist() == pytest.approx([2] * 3)
        assert table.loc[("soft", metric), ["experiment", "baseline"]].tolist() == ["soft", "hard"]
        assert table.loc[("soft", metric), ["ratio", "ratio_low", "ratio_high"]].tolist() == pytest.approx([0.5] * 3)
        assert table.loc[("alone", metric), "baseline"] == "alone"
        assert table.loc[("alone", metric), ["difference", "diff_low", "diff_high"]].tolist() == [0, 0, 0]
        hard, alone = (table.loc[(m, metric)] for m in ("hard", "alone"))
        assert hard["difference"] == pytest.approx(hard["value"] - alone["value"])
        assert hard["diff_high"] == pytest.approx(alone["ci_high"])  # 2 x - x


def test_the_same_seed_gives_the_same_intervals_and_another_does_not(tmp_path):
    study = spec(MAIN)
    paths = write(tmp_path, study)
    first, again = run(study, paths, tmp_path), run(study, paths, tmp_path)
    pd.testing.assert_frame_equal(first, again)
    other = run({**study, "seed": 1}, paths, tmp_path)
    assert (first["ci_low"] != other["ci_low"]).any()
    np.testing.assert_array_equal(first["value"], other["value"])


def test_an_alloy_is_drawn_with_all_of_the_measurements_that_were_kept_of_it(tmp_path):
    study = spec(MAIN)
    paths = write(tmp_path, study)
    once = run(study, paths, tmp_path).set_index(["method", "metric"])
    table = pd.read_parquet(paths["predictions"])
    again = [table.assign(alloy=table["alloy"] + mark) for mark in ("", "#2", "#3")]
    write_parquet(paths["predictions"], pd.concat(again))
    thrice = run(study, paths, tmp_path).set_index(["method", "metric"])
    columns = ["ci_low", "ci_high", "diff_low", "diff_high"]
    for metric in ("max_error_z", "worst10_mae_z"):
        np.testing.assert_allclose(
            thrice.loc[("hard", metric), columns].astype(float), once.loc[("hard", metric), columns].astype(float)
        )


def test_splits_are_resampled_each_for_itself(tmp_path):
    """Two splits of other alloys: their mean varies less than one of them alone."""
    one = spec(experiment("main", ["alone"], [], seeds=[1, 2, 3]))
    two = spec(experiment("main", ["alone"], [], seeds=[1, 2, 3], split_seeds=[0, 5, 6, 7]))
    widths = []
    for number, study in enumerate((one, two)):
        folder = tmp_path / str(number)
        table = run(study, write(folder, study), folder).set_index("metric")
        widths.append(table.loc["worst10_mae_z", "ci_high"] - table.loc["worst10_mae_z", "ci_low"])
    assert widths[1] < 0.8 * widths[0]


def test_every_method_is_judged_once_at_each_level():
    experiments = [
        experiment("main", ["alone", "hard"], [["alone", "hard"]], levels=[10, "all"]),
        experiment("soft", ["hard", "soft"], [["hard", "soft"]]),
        experiment("late", ["alone", "hard", "wide"], [["wide", "alone"], ["wide", "hard"]]),
    ]
    found = {
        (method, str(place.level)): (place.experiment.name, baseline)
        for place in tails.places([Experiment.from_dict(e) for e in experiments])
        for method, baseline in place.baselines.items()
    }
    assert found == {
        ("alone", "10"): ("main", "alone"),
        ("hard", "10"): ("main", "alone"),
        ("hard", "all"): ("main", "alone"),
        ("soft", "all"): ("soft", "hard"),
        ("alone", "all"): ("late", "wide"),
        ("wide", "all"): ("late", "wide"),
    }


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda t: t[(t["method"] != "soft") | (t["seed"] != 2)], "soft/level-all/split-0/seed-2.*no predictions"),
        (lambda t: t[(t["method"] != "soft") | (t["alloy"] != "split0-7")], "not those of its split"),
        (
            lambda t: t[(t["method"] != "soft") | (t["seed"] != 2) | (t["alloy"] != "split0-7")],
            "soft.*not those of its",
        ),
        (lambda t: pd.concat([t, t[t["method"] == "soft"].head(1)]), "soft.*stands there twice"),
        (lambda t: t.assign(prediction=t["prediction"].where(t["method"] != "soft")), "soft.*without a number"),
    ],
)
def test_other_alloys_or_missing_predictions_stop_the_build(tmp_path, spoil, told):
    study = spec(MAIN, SOFT)
    paths = write(tmp_path, study)
    write_parquet(paths["predictions"], spoil(pd.read_parquet(paths["predictions"])))
    with pytest.raises(UserError, match=told):
        run(study, paths, tmp_path)


# --- synergy ---------------------------------------------------------------------------------------------------------


def parts(training=None, **named):
    kinds = {"architecture": "hard", "loss": "mse", "smoothing": "none", "balancer": "size", "sampler": "uniform"}
    kinds["optimiser"] = "adam"
    return {**{k: {"name": v, "options": {}} for k, v in {**kinds, **named}.items()}, "training": training or {}}


REMEDIES = {
    "hard": parts(),
    "lds": parts(loss="lds"),
    "pcgrad": parts(balancer="pcgrad"),
    "gradnorm": parts(balancer="gradnorm"),
    "lds_pcgrad": parts(loss="lds", balancer="pcgrad"),
    "patient": parts(training={"patience": 9}),
    "patient_lds": parts(loss="lds", training={"patience": 9}),
    "other_pcgrad": parts(loss="other", balancer="pcgrad"),
}


def test_only_methods_that_join_two_others_have_a_synergy():
    methods = [*REMEDIES]
    found = list(synergy.combined(Experiment.from_dict(experiment("e", methods, [["hard", "lds"]])), REMEDIES))
    assert found == [("hard", "lds", "pcgrad", "lds_pcgrad"), ("hard", "lds", "patient", "patient_lds")]
    assert not list(synergy.combined(Experiment.from_dict(experiment("e", methods, [])), REMEDIES))


def test_synergy_is_what_both_gain_beyond_the_sum(tmp_path):
    methods = ["hard", "lds", "pcgrad", "lds_pcgrad"]
    rng = np.random.default_rng(2)
    seeds = [1, 2, 3, 4]
    values = {(m, t): rng.normal(0.7, 0.05, 4) for m in methods for t in KINDS}
    metric = {"density": "r2", "ductile": "f1"}
    rows = [
        (m, "all", 0, seed, t, "test", metric[t], v)
        for (m, t), several in values.items()
        for seed, v in zip(seeds, several, strict=True)
    ]
    columns = [*KEYS, "task", "partition", "metric", "value"]
    write_parquet(tmp_path / "metrics.parquet", pd.DataFrame(rows, columns=columns))
    study = spec(experiment("mitigation", methods, [["hard", "lds"]], seeds=seeds), methods=REMEDIES)
    study["evaluation"] |= {"regression": ["r2"], "classification": ["f1"]}
    synergy.step(study, {"metrics": tmp_path / "metrics.parquet"}, {"synergy": tmp_path / "synergy.parquet"})
    table = pd.read_parquet(tmp_path / "synergy.parquet")
    assert len(table) == len(KINDS)
    for row in table.itertuples():
        base, one, other, both = (values[m, row.task] for m in methods)
        gain = (both - base) - (one - base) - (other - base)
        expected = paired_t(gain, np.zeros(4), 0.95)
        assert (row.first, row.second, row.both, row.n_pairs) == ("lds", "pcgrad", "lds_pcgrad", 4)
        assert [row.value, row.ci_low, row.ci_high, row.p_value] == pytest.approx(
            [expected.mean_difference, expected.ci_low, expected.ci_high, expected.p_value]
        )


def test_no_combination_gives_an_empty_table(tmp_path):
    write_parquet(
        tmp_path / "metrics.parquet",
        pd.DataFrame(columns=[*KEYS, "task", "partition", "metric", "value"]).astype({"value": float}),
    )
    study = spec(experiment("main", ["hard", "lds"], [["hard", "lds"]]), methods=REMEDIES)
    study["evaluation"] |= {"regression": ["r2"], "classification": ["f1"]}
    synergy.step(study, {"metrics": tmp_path / "metrics.parquet"}, {"synergy": tmp_path / "synergy.parquet"})
    table = pd.read_parquet(tmp_path / "synergy.parquet")
    assert table.empty
    assert list(table) == list(synergy.COLUMNS)
