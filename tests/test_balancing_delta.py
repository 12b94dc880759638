"""Delta_m, ranks and levels of the experiment on balancing, and how the paper shows them."""

from __future__ import annotations

import json
import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from alloymtl.errors import UserError
from alloymtl.evaluation.balancing import delta_tables
from alloymtl.evaluation.balancing.delta import changes, linearised, overall
from alloymtl.evaluation.balancing.ranks import cliques, critical_difference, ranked
from alloymtl.evaluation.claims.decide import relative_change
from alloymtl.experiment import Experiment
from alloymtl.files import write_parquet
from alloymtl.paper import figures, templates
from alloymtl.paper.material import Material
from alloymtl.paper.numbers import balancing as numbers_balancing
from alloymtl.paper.numbers import design
from alloymtl.paper.numbers.store import Store
from alloymtl.paper.spec import PaperStudy
from alloymtl.paper.tables import delta as table_delta
from alloymtl.paper.wording.conclusions import Conclusions
from alloymtl.paper.wording.prose import Prose
from paper_fixture import method, without

TASKS = {"strength": "regression", "phase": "classification"}
EVALUATION = {"regression": ["rmse", "r2"], "classification": ["f1"], "alpha": 0.05}
SEEDS = (1, 2, 3)


def experiment(methods=("alone", "joint"), levels=("all",), split_seeds=(7,), seeds=SEEDS):
    return Experiment("balancing", tuple(methods), (), tuple(levels), tuple(split_seeds), tuple(seeds))


def values_of(runs, level="all"):
    """Values by run from ``{method: {task: [one for each seed]}}``, at split seed 7."""
    metric = {task: EVALUATION[kind][0] for task, kind in TASKS.items()}
    return {
        (m, level, 7, seed, task, metric[task]): value
        for m, tasks in runs.items()
        for task, values in tasks.items()
        for seed, value in zip(SEEDS, values, strict=True)
    }


# Delta_m.


def test_changes_are_per_cent_of_the_baselines_mean_and_higher_is_better():
    runs = {
        "alone": {"strength": [10.0, 11.0, 9.0], "phase": [0.8, 0.8, 0.8]},
        "joint": {"strength": [9.0, 11.0, 10.0], "phase": [0.6, 0.8, 1.0]},
    }
    found = changes(values_of(runs), experiment(), "joint", "alone", "all", TASKS, EVALUATION)
    assert list(found.index) == list(SEEDS)
    np.testing.assert_allclose(found["strength"], [10, 0, -10])  # an error that falls from 10 to 9 is a gain
    np.testing.assert_allclose(found["phase"], [-25, 0, 25], atol=1e-12)
    np.testing.assert_allclose(overall(found), [-7.5, 0, 7.5], atol=1e-12)


def test_of_several_splits_each_is_one_unit():
    e = experiment(split_seeds=(7, 8), seeds=(1, 2))
    scores = {"alone": {7: (4.0, 6.0), 8: (5.0, 5.0)}, "joint": {7: (4.0, 4.0), 8: (5.0, 7.0)}}
    values = {
        (m, "all", split, seed, "strength", "rmse"): v
        for m, splits in scores.items()
        for split, pair in splits.items()
        for seed, v in zip((1, 2), pair, strict=True)
    }
    found = changes(values, e, "joint", "alone", "all", {"strength": "regression"}, EVALUATION)
    assert found.index.name == "split_seed"
    assert found["strength"].to_dict() == {7: pytest.approx(20), 8: pytest.approx(-20)}


@pytest.mark.parametrize("baseline", [[0.1, -0.1, 0.06], [-0.8, -0.8, -0.8]])
def test_a_percentage_of_what_may_be_zero_is_undefined_and_so_is_the_mean(baseline):
    runs = {
        "alone": {"strength": [10.0, 11.0, 9.0], "phase": baseline},
        "joint": {"strength": [9.0, 11.0, 10.0], "phase": [0.5, 0.6, 0.7]},
    }
    for of in (changes, linearised):
        found = of(values_of(runs), experiment(), "joint", "alone", "all", TASKS, EVALUATION)
        assert found["strength"].notna().all()
        assert found["phase"].isna().all()
        assert overall(found).isna().all()


def test_a_missing_run_is_named():
    values = values_of({"alone": {"strength": [1.0, 2.0, 3.0], "phase": [0.5, 0.6, 0.7]}})
    with pytest.raises(UserError, match="joint/level-all/split-7/seed-1"):
        changes(values, experiment(), "joint", "alone", "all", TASKS, EVALUATION)


score = st.floats(0.5, 1.0)
scores = st.lists(score, min_size=3, max_size=3)


@given(st.fixed_dictionaries({m: st.fixed_dictionaries(dict.fromkeys(TASKS, scores)) for m in ("alone", "joint")}))
def test_errors_are_those_of_the_delta_method(runs):
    arguments = (values_of(runs), experiment(), "joint", "alone", "all", TASKS, {**EVALUATION, "alpha": 0.999})
    plain, found = changes(*arguments), linearised(*arguments)
    np.testing.assert_allclose(found.mean(), plain.mean(), atol=1e-9)

    def mean_change(means):
        m, s = np.array(means[:2]), np.array(means[2:])
        return (np.array([-100, 100]) * (m - s) / s).mean()

    sample = np.array([runs[m][t] for m in ("joint", "alone") for t in TASKS])
    middle, step = sample.mean(axis=1), 1e-6
    gradient = [(mean_change(middle + step * e) - mean_change(middle - step * e)) / (2 * step) for e in np.eye(4)]
    # What of the errors of the means of all seeds cancels, cancels seed by seed; so no small difference of covariances.
    assert stats.sem(overall(found)) == pytest.approx(stats.sem(gradient @ sample), rel=1e-5, abs=1e-6)


def test_one_task_has_the_interval_of_a_relative_change():
    runs = {
        "alone": {"strength": [10.0, 11.0, 9.0], "phase": [0.8, 0.7, 0.9]},
        "joint": {"strength": [9.0, 11.0, 10.0], "phase": [0.4, 0.5, 0.3]},
    }
    found = linearised(values_of(runs), experiment(), "joint", "alone", "all", TASKS, EVALUATION)["phase"]
    expected = relative_change(runs["joint"]["phase"], runs["alone"]["phase"], 0.95)
    low, high = stats.t.interval(0.95, 2, found.mean(), stats.sem(found))
    assert (found.mean(), low, high) == pytest.approx((expected.value, expected.low, expected.high))


# Ranks.

# Demsar, JMLR 7, 2006: AUC of C4.5, with m, with cf and with both (table 6; one row's last two print alike and have the
# ranks 2 and 3), and q values for the Nemenyi test (table 5a).
AUC = [
    [0.763, 0.768, 0.771, 0.798],
    [0.599, 0.591, 0.590, 0.569],
    [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657],
    [0.882, 0.888, 0.886, 0.898],
    [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685],
    [0.583, 0.583, 0.563, 0.625],
    [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000],
    [0.940, 0.962, 0.965, 0.962],
    [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975],
    [0.957, 0.978, 0.946, 0.970],
]
Q = {
    0.05: [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164],
    0.10: [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920],
}


def test_ranks_are_those_of_the_printed_example():
    found = ranked(AUC, 0.05)
    np.testing.assert_allclose(found.mean_ranks, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    assert found.blocks == 14
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    # Printed is the statistic without the correction for ties, 9.28; with it, it is larger by this factor.
    ties = sum(n**3 - n for row in AUC for n in pd.Series(row).value_counts())
    assert found.statistic * (1 - ties / (14 * 4 * 15)) == pytest.approx(9.28, abs=0.005)
    assert found.p_value == pytest.approx(stats.chi2.sf(found.statistic, 3))


@pytest.mark.parametrize("alpha", Q)
def test_critical_differences_are_those_of_the_printed_quantiles(alpha):
    for methods, q in enumerate(Q[alpha], start=2):
        expected = q * np.sqrt(methods * (methods + 1) / (6 * 10))
        assert critical_difference(methods, 10, alpha) == pytest.approx(expected, rel=3e-4)


@pytest.mark.parametrize("table", [[[1.0, 2.0], [2.0, 1.0]], [[1.0, 2.0, 3.0]], [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]])
def test_where_there_is_nothing_to_test_ranks_have_no_p_value(table):
    found = ranked(table, 0.05)
    assert np.isnan([found.statistic, found.p_value]).all()
    assert found.mean_ranks.sum() == pytest.approx(len(table[0]) * (len(table[0]) + 1) / 2)


@given(st.lists(st.integers(2, 40).map(lambda n: n / 2), min_size=2, max_size=12), st.floats(0.1, 12))
def test_groups_join_those_that_do_not_differ_and_no_others(ranks, difference):
    ranks = sorted(ranks)
    groups = cliques(ranks, difference)
    for a, b in combinations(range(len(ranks)), 2):
        joined = any(first <= a and b <= last for first, last in groups)
        assert joined == (ranks[a] + difference >= ranks[b])
    assert not any(a != b and b[0] <= a[0] and a[1] <= b[1] for a, b in combinations(groups, 2))


# The step.

METHODS = {
    "alone": {"title": "Alone", "architecture": "independent"},
    "equal": {"title": "Equal"},
    "norm": {"title": "Norm", "balancer": "gradient_norm"},
    "same": {"title": "Same", "balancer": "uw_o"},
    "equal_s": {"title": "Equal, stratified", "sampler": "stratified"},
    "norm_s": {"title": "Norm, stratified", "balancer": "gradient_norm", "sampler": "stratified"},
}
MEANS = {"alone": 0.80, "equal": 0.60, "norm": 0.75, "same": 0.60, "equal_s": 0.78, "norm_s": 0.79}
LEVELS = (100, "all")


def collected(root, means=MEANS, seeds=SEEDS, name="balancing"):
    """The step's tables of an experiment, and the metrics they are made from; at level 100 all are worse by a tenth."""
    rng = np.random.default_rng(4)
    noise = {(level, t, seed): rng.normal(0, 0.02) for level in LEVELS for t in TASKS for seed in seeds}
    rows = []
    for (m, mean), level, (task, kind), seed in (
        (one, level, task, seed)
        for one in means.items()
        for level in LEVELS
        for task in TASKS.items()
        for seed in seeds
    ):
        metric = EVALUATION[kind][0]
        own = noise[level, task, seed] + (0 if m in ("equal", "same") else rng.normal(0, 0.004))
        good = (mean + own) * (0.9 if level == 100 and m != "alone" else 1)
        value = good if metric == "f1" else 2 - good
        run = {"method": m, "level": str(level), "split_seed": 7, "seed": seed}
        rows.append({**run, "task": task, "partition": "test", "metric": metric, "value": value})
    metrics = pd.DataFrame(rows)
    write_parquet(root / "metrics.parquet", metrics)
    of = {"methods": list(means), "comparisons": [], "levels": list(LEVELS), "split_seeds": [7], "seeds": list(seeds)}
    spec = {
        "tasks": [{"name": name, "kind": kind} for name, kind in TASKS.items()],
        "methods": {m: method(METHODS[m]) for m in means},
        "experiments": [{"name": name, **of}],
        "evaluation": EVALUATION,
    }
    outputs = {name: root / f"{name}.parquet" for name in ("delta", "delta_levels", "ranks")}
    delta_tables.step(spec, {"metrics": root / "metrics.parquet"}, outputs)
    return metrics, {name: pd.read_parquet(path) for name, path in outputs.items()}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return collected(tmp_path_factory.mktemp("balancing"))


def test_every_joint_method_is_set_against_both_baselines(tables):
    delta = tables[1]["delta"]
    pairs = set(delta[["sampler", "against", "method"]].itertuples(index=False, name=None))
    assert pairs == {
        *(("uniform", "alone", m) for m in ("equal", "norm", "same")),
        *(("uniform", "equal", m) for m in ("norm", "same")),
        *(("stratified", "alone", m) for m in ("equal_s", "norm_s")),
        ("stratified", "equal_s", "norm_s"),
        ("stratified", "equal", "equal_s"),  # what the sampler does alone
    }
    assert delta.groupby(["level", "sampler", "against", "method"])["task"].apply(set).map({"", *TASKS}.__eq__).all()


def test_delta_m_is_the_mean_of_its_tasks_and_near_what_was_put_in(tables):
    delta = tables[1]["delta"]
    key = ["level", "sampler", "against", "method"]
    of_all = delta[delta["task"] == ""].set_index(key)["delta"]
    np.testing.assert_allclose(of_all, delta[delta["task"] != ""].groupby(key)["delta"].mean().reindex(of_all.index))
    expected = (100 * (0.75 - 0.80) / 0.80 + 100 * (0.80 - 0.75) / (2 - 0.80) * -1) / 2
    assert of_all["all", "uniform", "alone", "norm"] == pytest.approx(expected, abs=0.6)


def by_hand(p_values, alpha):
    """Holm's procedure as it is told: reject from the smallest on until one does not fall below its share of alpha."""
    rejected = set()
    for place, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p >= alpha / (len(p_values) - place):
            break
        rejected.add(name)
    return rejected


def test_verdicts_are_corrected_over_methods_and_apart_for_delta_m(tables):
    delta = tables[1]["delta"]
    for _, family in delta.groupby(["level", "sampler", "against", delta["task"] == ""]):
        tested = family[family["verdict"] != "identical"].set_index(["method", "task"])
        rejected = by_hand(tested["p_value"].to_dict(), 0.05)
        assert set(tested.index[tested["verdict"].isin(["better", "worse"])]) == rejected
        assert (tested.loc[list(rejected), "delta"] > 0).eq(tested.loc[list(rejected), "verdict"] == "better").all()
    assert {"better", "worse", "not shown", "identical"} >= set(delta["verdict"])
    assert (delta["verdict"] == "worse").any()


def test_one_network_under_two_names_is_identical_and_counts_in_no_family(tables):
    delta = tables[1]["delta"]
    same = delta[(delta["method"] == "same") & (delta["against"] == "equal")]
    assert set(same["verdict"]) == {"identical"}
    assert (same["delta"] == 0).all()
    alone = delta[(delta["against"] == "equal") & (delta["method"] == "norm") & (delta["task"] == "")]
    np.testing.assert_allclose(alone["p_holm"], alone["p_value"])


def test_levels_are_compared_unit_by_unit(tables):
    metrics, found = tables
    values = {
        (r.method, r.level, r.split_seed, r.seed, r.task, r.metric): r.value for r in metrics.itertuples(index=False)
    }
    e = experiment(MEANS, LEVELS)
    for row in found["delta_levels"].itertuples():
        few, many = (
            overall(linearised(values, e, row.method, "alone", level, TASKS, EVALUATION)) for level in (100, "all")
        )
        test = stats.ttest_rel(many, few)
        assert (row.baseline_level, row.level, row.n_pairs) == ("100", "all", 3)
        assert (row.delta, row.p_value) == pytest.approx(((many - few).mean(), test.pvalue))
        assert tuple(test.confidence_interval(0.95)) == pytest.approx((row.ci_low, row.ci_high))
    assert (found["delta_levels"]["delta"] > 5).all()  # all but the independent networks are worse at level 100


def test_ranks_are_over_tasks_and_levels_of_means_over_runs(tables):
    metrics, found = tables
    ranks = found["ranks"]
    wide = metrics.pivot_table(index=["task", "level"], columns="method", values="value")
    wide.loc["strength"] = -wide.loc["strength"].to_numpy()
    for of_sampler, methods in {
        "uniform": ["alone", "equal", "norm", "same"],
        "stratified": ["alone", "equal_s", "norm_s"],
        "": list(MEANS),
    }.items():
        mine = ranks[ranks["sampler"] == of_sampler].set_index("method")
        assert set(mine.index) == set(methods)
        expected = wide[methods].rank(axis=1, ascending=False).mean()
        np.testing.assert_allclose(mine["mean_rank"].loc[methods], expected)
        assert set(mine["blocks"]) == {4}
        statistic, p_value = stats.friedmanchisquare(*(wide[m] for m in methods))
        assert (mine["statistic"].iloc[0], mine["p_value"].iloc[0]) == pytest.approx((statistic, p_value))


def test_a_study_without_the_experiment_has_empty_tables(tmp_path):
    _, found = collected(tmp_path, name="other")
    assert all(table.empty and len(table.columns) > 5 for table in found.values())
    (tmp_path / "b").mkdir()
    _, found = collected(tmp_path / "b", means={m: v for m, v in MEANS.items() if m != "alone"})
    assert all(table.empty for table in found.values())


def test_one_run_stops_with_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"experiments\.balancing\.seeds: one run has no spread"):
        collected(tmp_path, seeds=(1,))


def test_what_has_no_percentage_is_said_and_not_dropped(tmp_path):
    _, found = collected(tmp_path, means={**MEANS, "alone": 0.0})
    delta = found["delta"][found["delta"]["against"] == "alone"]
    assert (delta["verdict"] == "undefined").eq(delta["task"].isin(["phase", ""])).all()
    assert delta.loc[delta["verdict"] == "undefined", ["delta", "p_value", "p_holm"]].isna().all(axis=None)
    assert set(found["delta_levels"]["verdict"]) == {"undefined"}


# The paper.


def material(study):
    return Material(PaperStudy.from_spec(study.spec), study.inputs)


def balancing_of(study):
    return next(e for e in study.spec["experiments"] if e["name"] == "balancing")


def test_table_b1_starts_every_panel_with_both_plain_baselines(whole):
    study, _ = whole
    made = table_delta.make(material(study))
    panels = re.split(r"\\textit\{(?=[A-Z])", made.tex)[1:]
    assert len(panels) == 4  # two levels, two samplers
    for panel in panels:
        lines = [line for line in panel.splitlines() if line.count("&") > 3]
        assert [line.split(" & ")[0] for line in lines[:2]] == ["Equal weights", "Equal weights, stratified"]
    uniform = panels[0]
    assert "SLAW, stratified" not in made.tex  # the panel's title says it
    assert uniform.count(r"SLAW \& more") == 1
    delta = pd.read_parquet(study.inputs["delta"])
    pd.testing.assert_frame_equal(made.data, delta[list(delta_tables.COLUMNS)])


def test_table_b1_marks_families_verdicts_and_what_is_undefined(whole, tmp_path):
    def change(table):
        table = table.assign(verdict="not shown", family="")
        table.loc[table["method"] == "slaw", "family"] = "normalised sum"
        hard = table["method"] == "hard"
        table.loc[hard & (table["task"] == "hardness"), "verdict"] = "worse"
        return table

    tex = table_delta.make(material(without(whole[0], tmp_path, "delta", change))).tex
    assert tex.count(r"\dagger") == 2 + 1  # two levels, and the line that explains the mark
    assert "One family (normalised sum): not independent evidence." in tex
    assert tex.count(r"\downarrow") == 2
    assert "not surely positive" not in tex

    def undefine(table):
        mine = table["task"].isin(["", "hardness"])
        return table.assign(verdict=table["verdict"].where(~mine, "undefined"), delta=table["delta"].where(~mine))

    (tmp_path / "u").mkdir()
    tex = table_delta.make(material(without(whole[0], tmp_path / "u", "delta", undefine))).tex
    assert "not surely positive" in tex
    assert "nan" not in tex


@pytest.mark.parametrize(("tasks", "columns", "intervals"), [(3, 6, 4), (5, 8, 1), (9, 3, 1)])
def test_table_b1_leaves_to_its_csv_what_a_page_has_no_room_for(whole, tmp_path, tasks, columns, intervals):
    study, names = whole[0], [f"t{n}" for n in range(tasks)]

    def rename(table):
        copies = [table[table["task"] == "hardness"].assign(task=name) for name in names]
        return pd.concat([table[table["task"] == ""], *copies], ignore_index=True)

    several = without(study, tmp_path, "delta", rename)
    task = next(t for t in study.spec["tasks"] if t["name"] == "hardness")
    several.spec = {**study.spec, "tasks": [{**task, "name": name} for name in names]}
    made = table_delta.make(material(several))
    row = next(line for line in made.tex.splitlines() if line.startswith("Equal weights &"))
    assert row.count("&") + 1 == columns
    assert row.count(r"\,") == intervals
    assert ("stand in the CSV" in made.tex) == (tasks > 3)
    assert set(made.data["task"]) == {"", *names}


def test_a_missing_row_stops_the_table(whole, tmp_path):
    def drop(table):
        return table[(table["method"] != "slaw") | (table["task"] != "hardness")]

    with pytest.raises(UserError, match=r"method 'slaw'.*task 'hardness'.*0 rows"):
        table_delta.make(material(without(whole[0], tmp_path, "delta", drop)))


def test_figure_b1_follows_every_method_and_stresses_the_plain_baseline(whole):
    study, _ = whole
    with figures.paper_style():
        figure, data = figures.DRAWINGS["figureB1_levels"](material(study))
    delta = pd.read_parquet(study.inputs["delta"])
    expected = delta[(delta["task"] == "") & (delta["against"] == "independent")]
    key = ["method", "level"]
    pd.testing.assert_series_equal(
        data.set_index(key)["delta"].sort_index(), expected.set_index(key)["delta"].sort_index(), check_names=False
    )
    assert set(data.loc[data["series"] == "plain", "method"]) == {"weights_equal", "equal_stratified"}
    uniform = data[data["sampler"] == "uniform"]
    means = uniform[uniform["series"] != "plain"].groupby("method")["delta"].mean()
    assert set(uniform.loc[uniform["series"] == "best", "method"]) == set(means.nlargest(3).index)
    assert set(data["rows"]) == {1000, study.sizes["resistivity"]}
    assert len({ax.get_ylim() for ax in figure.axes}) == 1


def test_figure_b2_holds_the_ranks_and_the_bars_of_their_groups(whole):
    study, _ = whole
    with figures.paper_style():
        figure, data = figures.DRAWINGS["figureB2_ranks"](material(study))
    ranks = pd.read_parquet(study.inputs["ranks"])
    key = ["sampler", "method"]
    pd.testing.assert_series_equal(
        data.set_index(key)["mean_rank"].sort_index(), ranks.set_index(key)["mean_rank"].sort_index()
    )
    for ax, of_sampler in zip(figure.axes, ["uniform", "stratified"], strict=True):
        mine = data[data["sampler"] == of_sampler]
        assert mine["mean_rank"].is_monotonic_increasing
        bars = cliques(mine["mean_rank"], mine["critical_difference"].iloc[0])
        assert sum(line.get_linewidth() == 2 for line in ax.lines) == len(bars)
        texts = " ".join(text.get_text() for text in ax.texts)
        assert all(f"({rank:.1f})" in texts for rank in mine["mean_rank"])


def said(study):
    """The sentences on balancing."""
    stuff, store = material(study), Store()
    design.settings(stuff, store)
    numbers_balancing.gains(stuff, store)
    facts = store.facts["balancing"]
    say = Conclusions(Prose(stuff.study, {"numbers": store.numbers, "facts": store.facts}))
    texts = [say.sampling(), say.stands_out(), say.ranked_together(), say.families()]
    for panel in facts["panels"]:
        texts += [say.balancers(panel), say.ranking(panel), say.data_cures(panel)]
    text = " ".join(texts)
    used = set(re.findall(r"\\val\{([^}]*)\}", text))
    assert used <= set(store.numbers)
    return text, facts, store.numbers


def test_the_text_names_the_best_method_and_counts_verdicts(whole):
    study, _ = whole
    text, facts, numbers = said(study)
    delta = pd.read_parquet(study.inputs["delta"])
    mine = delta[(delta["task"] == "") & (delta["level"] == "all")]
    for panel in facts["panels"]:
        alone = mine[(mine["against"] == "independent") & (mine["sampler"] == panel["sampler"])].set_index("method")
        assert panel["best"] == alone["delta"].idxmax()
        assert numbers[f"balancing.of.{panel['best']}.delta"]["value"] == pytest.approx(alone["delta"].max())
        for verdict, n in alone["verdict"].value_counts().items():
            assert numbers[f"balancing.{panel['sampler']}.alone+{verdict.replace(' ', '_')}"]["value"] == n
        ranks = pd.read_parquet(study.inputs["ranks"]).query(f"sampler == '{panel['sampler']}'").set_index("method")
        near = ranks["mean_rank"] - ranks["mean_rank"].min() <= ranks["critical_difference"]
        assert numbers[f"balancing.{panel['sampler']}.ranks.within"]["value"] == near.sum() - 1
    assert "Under uniform batches, Equal weights reaches" in text


@pytest.mark.parametrize(
    ("verdict", "sentences"),
    [
        (
            "better",
            ["are shown to beat the plain baseline", "gains (", "it is better than Independent", "rise with more"],
        ),
        ("worse", ["No balancer is shown to beat", "loses (", "it is still worse than Independent", "fall with more"]),
        ("not shown", ["No balancer is shown to beat", "is not shown to change", "no difference from Independent is"]),
    ],
)
def test_the_text_says_what_the_verdicts_say(whole, tmp_path, verdict, sentences):
    study = without(whole[0], tmp_path, "delta", lambda table: table.assign(verdict=verdict))
    study = without(study, tmp_path, "delta_levels", lambda table: table.assign(verdict=verdict))
    text, _, _ = said(study)
    for sentence in sentences:
        assert sentence in text


def test_methods_of_one_family_are_said_to_be_no_independent_evidence(whole, tmp_path):
    def change(table):
        mine = table["method"].isin(["slaw", "gradient_norm", "slaw_stratified"])
        return table.assign(family=np.where(mine, "normalised sum", ""))

    text, facts, _ = said(without(whole[0], tmp_path, "delta", change))
    assert set(facts["families"]["normalised sum"]) == {"slaw", "gradient_norm", "slaw_stratified"}
    assert r"Gradient norms and SLAW \& more approximate one direction, the normalised sum" in text


def test_without_a_percentage_the_text_leaves_delta_m_out_and_says_so(whole, tmp_path):
    def undefine(table):
        mine = table["task"].isin(["", "hardness"])
        return table.assign(verdict=table["verdict"].where(~mine, "undefined"), delta=table["delta"].where(~mine))

    study = without(whole[0], tmp_path, "delta", undefine)
    study = without(study, tmp_path, "delta_levels", lambda t: t.assign(verdict="undefined", delta=np.nan))
    text, facts, _ = said(study)
    assert facts["undefined"] == ["hardness"]
    assert "cannot be told in per cent" in text
    assert "reaches" not in text


def test_the_facts_are_none_without_the_experiment(whole):
    study, _ = whole
    spec = json.loads(json.dumps(study.spec))
    spec["experiments"] = [e for e in spec["experiments"] if e["name"] != "balancing"]
    store = Store()
    numbers_balancing.gains(Material(PaperStudy.from_spec(spec), study.inputs), store)
    assert store.facts == {"balancing": None}
    assert not store.numbers
    assert templates.ENTRY  # the templates include the section where this is not None
