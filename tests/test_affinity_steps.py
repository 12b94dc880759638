"""Steps ``benefit`` and ``groupings`` on tables whose right answer is known: worked by hand, planted, or by scipy."""

from __future__ import annotations

import math
from itertools import combinations, permutations, product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.cluster import hierarchy

from alloymtl.errors import UserError
from alloymtl.evaluation.affinity import groupings, pairings
from alloymtl.evaluation.affinity.taskonomy import roles
from alloymtl.files import write_parquet
from alloymtl.methods.architectures import pairs

SPLITS, SEEDS = (1, 2, 3, 4), (42, 43)
RUNS = list(product(SPLITS, SEEDS))
FOUR = ("a", "b", "c", "d")
EIGHT = ("n", "o", "p", "q", "r", "s", "t", "u")
PLANTED = [["n", "q", "t"], ["o", "r", "u"], ["p", "s"]]
ALPHA = 0.05


def method(architecture="grouped", **options):
    return {"architecture": {"name": architecture, "options": options}}


METHODS = {
    "single": method(groups=[]),
    "round_1": method("pairs", round=1),
    "round_2": method("pairs", round=2),
    "round_3": method("pairs", round=3),
    "all": method("hard"),
}


def experiment(name, methods, levels=("all",), splits=SPLITS, seeds=SEEDS):
    base = {"name": name, "methods": list(methods), "comparisons": [], "levels": list(levels)}
    return {**base, "split_seeds": list(splits), "seeds": list(seeds)}


def study(tasks, *experiments, methods=METHODS, simulation=None):
    return {
        "tasks": [{"name": task, "kind": "regression"} for task in tasks],
        "methods": methods,
        "experiments": list(experiments),
        "evaluation": {"regression": ["rmse_z", "r2"], "classification": ["f1"], "alpha": ALPHA},
        "simulation": simulation,
    }


def metrics(tasks, experiments, error):
    """Errors on the test rows, ``error(method, level, split_seed, seed, task)``."""
    cells = dict.fromkeys(
        (m, str(level), split, seed)
        for e in experiments
        for m, level, split, seed in product(e["methods"], e["levels"], e["split_seeds"], e["seeds"])
    )
    run = ("method", "level", "split_seed", "seed")
    return pd.DataFrame(
        {**dict(zip(run, cell, strict=True)), "task": task, "partition": "test"}
        | {"metric": "rmse_z", "value": float(error(*cell, task))}
        for cell in cells
        for task in tasks
    )


def affinity(tasks, matrix, levels=("all",), estimator="large", window="last fifth"):
    """One line for each pair and run, ``matrix(level, split_seed, seed)``; a pair of NaN has none."""
    return pd.DataFrame(
        {"method": "all", "level": level, "split_seed": split, "seed": seed, "first": tasks[i], "second": tasks[j]}
        | {"estimator": estimator, "window": window, "value": float(matrix(level, split, seed)[i][j])}
        for level, (split, seed) in product(levels, RUNS)
        for i, j in combinations(range(len(tasks)), 2)
        if not math.isnan(matrix(level, split, seed)[i][j])
    )


def relations(tasks, kinds, levels=("all",)):
    """One line for each pair and kind at each level and split, ``kinds[kind](level, split_seed)``."""
    return pd.DataFrame(
        {"level": level, "split_seed": split, "first": tasks[i], "second": tasks[j], "kind": kind}
        | {"value": float(matrix(level, split)[i][j]), "n": 0}
        for level, split, kind in product(levels, SPLITS, kinds)
        for matrix in [kinds[kind]]
        for i, j in combinations(range(len(tasks)), 2)
    )


def symmetric(entries, n):
    square = np.eye(n)
    square[np.triu_indices(n, 1)] = entries
    return square + square.T - np.eye(n)


def run(step, names, spec, tables, folder):
    folder.mkdir(exist_ok=True)
    inputs = {name: folder / f"in_{name}.parquet" for name in tables}
    for name, table in tables.items():
        write_parquet(inputs[name], table)
    outputs = {name: folder / f"{name}.parquet" for name in names}
    step(spec, inputs, outputs)
    return {name: pd.read_parquet(path) for name, path in outputs.items()}


def paired(spec, tables, folder):
    return run(pairings.step, pairings.TABLES, spec, tables, folder)


NAMES = (*groupings.OF_AFFINITY, "group_gains", "group_contrasts")


def grouped(spec, tables, folder):
    return run(groupings.step, NAMES, spec, tables, folder)


# Step `benefit`. Errors alone are 2 on average; G, gains and overlaps of the pairs of four tasks are set by hand.

UPPER = np.triu_indices(4, 1)
G = symmetric([0.02, 0.07, 0.12, 0.2, 0.3, -0.4], 4)
GAIN = symmetric(
    [-1, 1, 2, 5, -2, -8], 4
)  # per cent; what the earlier task of a pair gains is one more, the later less
JACCARD = symmetric([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 4)
WITHIN = dict(zip(SPLITS, (0.3, -0.1, 0.1, -0.3), strict=True))
PAIRED = experiment("benefit", ["single", "round_1", "round_2", "round_3"], levels=(100, 250))
TOGETHER = experiment("affinity", ["all"], levels=(250,))


def met(name):
    """Pairs of a round."""
    return {"".join(stage.tasks) for stage in pairs.stages(FOUR, np.ones(4), METHODS[name]["architecture"]["options"])}


def partner_of(name, task):
    return next(pair for pair in met(name) if task in pair).replace(task, "")


def error(name, level, split, seed, task):
    before = 2 + (0.2 if seed == 42 else -0.2)
    if name == "single":
        return before
    i, j = FOUR.index(task), FOUR.index(partner_of(name, task))
    gain = GAIN[i, j] + (1 if i < j else -1) + WITHIN[split]
    return before - 2 * gain / 100


def benefit_tables(**changed):
    def noisy(level, split, seed):
        return G + np.where(np.eye(4), 0, 0.01 if seed == 42 else -0.01)

    kinds = {
        "jaccard": lambda level, split: JACCARD + 0.01 * (split - 2.5),
        "labels": lambda level, split: symmetric(np.arange(6) / 10, 4),
        "labels_left": lambda level, split: symmetric(np.arange(6) / 10 + split / 100, 4),
    }
    return {
        "metrics": metrics(FOUR, [PAIRED], error),
        "affinity": affinity(FOUR, noisy, levels=("250",)),
        "task_relations": relations(FOUR, kinds, levels=("250",)),
        **changed,
    }


@pytest.fixture(scope="module")
def benefit(tmp_path_factory):
    return paired(study(FOUR, PAIRED, TOGETHER), benefit_tables(), tmp_path_factory.mktemp("benefit"))


def chosen(table, **values):
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def test_gains_of_each_pair_are_those_that_were_put_in(benefit):
    found = chosen(benefit["pair_gains"], level="250", predictor="large")
    assert list(zip(found["first"], found["second"], strict=True)) == list(combinations(FOUR, 2))
    np.testing.assert_allclose(found["gain"], GAIN[UPPER], atol=1e-12)
    np.testing.assert_allclose(found["gain_first"], GAIN[UPPER] + 1, atol=1e-12)
    np.testing.assert_allclose(found["gain_second"], GAIN[UPPER] - 1, atol=1e-12)
    np.testing.assert_allclose(found["similarity"], G[UPPER])
    np.testing.assert_allclose(found["overlap"], JACCARD[UPPER])
    # Both runs of a split count once.
    assert set(found["n_units"]) == {len(SPLITS)}
    half = stats.sem(list(WITHIN.values())) * stats.t.ppf(1 - ALPHA / 2, len(SPLITS) - 1)
    np.testing.assert_allclose(found["gain"] - found["ci_low"], half)
    np.testing.assert_allclose(found["ci_high"] - found["gain"], half)


def test_the_relation_to_gain_is_that_over_pairs_and_its_test_that_over_all_relabellings(benefit):
    found = chosen(benefit["benefit"], level="250", predictor="large").set_index("statistic")
    for statistic, of in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr)):
        value = of(G[UPPER], GAIN[UPPER])[0]
        others = [of(G[UPPER], GAIN[np.ix_(order, order)][UPPER])[0] for order in permutations(range(4))]
        assert found.loc[statistic, "value"] == pytest.approx(value)
        assert found.loc[statistic, "p_value"] == pytest.approx(np.mean(np.abs(others) >= abs(value) - 1e-9))
    # A shift of all pairs alike is no noise over pairs, so that there is nothing to correct.
    assert found.loc["pearson", "corrected"] == pytest.approx(found.loc["pearson", "value"])
    assert found.loc["spearman", ["corrected", "ci_low", "ci_high"]].isna().all()
    assert set(found["n_pairs"]) == {6}
    assert set(found["left_out"]) == {0}
    np.testing.assert_allclose(found["overlap"], 0.35)


def test_shares_are_counted_at_the_median_and_for_cosines_at_the_published_cuts(benefit):
    found = chosen(benefit["benefit_shares"], level="250", predictor="large")
    assert found["median"].tolist() == [True] * 2 + [False] * 6
    np.testing.assert_allclose(found["cut"], np.repeat([(0.07 + 0.12) / 2, 0.05, 0.10, 0.15], 2))
    assert found["pairs"].tolist() == [3, 3, 4, 2, 3, 3, 2, 4]
    assert found["positive"].tolist() == [2, 1, 3, 0, 2, 1, 1, 2]
    assert chosen(benefit["benefit_shares"], level="250", predictor="labels")["median"].all()


def test_a_level_without_gradients_has_the_relations_that_no_level_changes(benefit):
    for table in benefit.values():
        assert set(chosen(table, level="250")["predictor"]) == {"large", "labels", "labels_left"}
        assert set(chosen(table, level="100")["predictor"]) == {"labels"}
    found = chosen(benefit["pair_gains"], level="100")
    np.testing.assert_allclose(found["gain"], GAIN[UPPER], atol=1e-12)
    assert found["overlap"].isna().all()


def test_pairs_without_gain_or_without_a_cosine_in_some_run_are_left_out_and_counted(tmp_path):
    two = {**PAIRED, "methods": ["single", "round_1", "round_2"], "levels": [250]}
    lone = met("round_3")
    lacking = sorted(met("round_1"))[0]
    cosines = benefit_tables()["affinity"]
    gone = (cosines["first"] + cosines["second"] == lacking) & (cosines["split_seed"] == 2) & (cosines["seed"] == 42)
    found = paired(study(FOUR, two, TOGETHER), benefit_tables(affinity=cosines[~gone]), tmp_path)
    of_pairs = chosen(found["pair_gains"], predictor="large")
    names = of_pairs["first"] + of_pairs["second"]
    assert set(names[of_pairs["gain"].isna()]) == lone == set(names[of_pairs["n_units"] == 0])
    assert set(names[of_pairs["similarity"].isna()]) == {lacking}
    of_relation = chosen(found["benefit"], predictor="large")
    assert set(of_relation["n_pairs"]) == {3}
    assert set(of_relation["left_out"]) == {3}


def test_a_run_without_any_cosine_leaves_nothing_to_relate_and_is_no_mistake(tmp_path):
    cosines = benefit_tables()["affinity"]
    found = paired(
        study(FOUR, PAIRED, TOGETHER), benefit_tables(affinity=cosines[cosines["split_seed"] != 2]), tmp_path
    )
    of_relation = chosen(found["benefit"], predictor="large")
    assert of_relation["value"].isna().all()
    assert set(of_relation["left_out"]) == {6}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"methods": ["round_1", "round_2"]}, "no method trains every task alone"),
        ({"methods": ["single", "all"]}, "no method trains tasks in pairs"),
        ({"methods": ["single", "round_1", "again"]}, "'round_1' and 'again' both train the pair"),
        ({"split_seeds": [1], "seeds": [42]}, "one run has no spread"),
    ],
)
def test_an_experiment_that_can_tell_no_gain_is_refused(changed, said, tmp_path):
    methods = {**METHODS, "again": METHODS["round_1"]}
    with pytest.raises(UserError, match=said):
        paired(study(FOUR, {**PAIRED, **changed}, TOGETHER, methods=methods), benefit_tables(), tmp_path)


def test_pairs_with_other_seeds_than_the_gradients_are_refused(tmp_path):
    spec = study(FOUR, PAIRED, {**TOGETHER, "seeds": [42]})
    with pytest.raises(UserError, match="split seed 1, seed 43 has no gradient affinity"):
        paired(spec, benefit_tables(), tmp_path)


def test_a_study_without_the_experiments_has_empty_tables(tmp_path):
    spec = study(FOUR, experiment("main", ["all"]))
    for table in (
        *paired(spec, benefit_tables(), tmp_path).values(),
        *grouped(spec, benefit_tables(), tmp_path).values(),
    ):
        assert table.empty
        assert len(table.columns)


# Step `groupings`.

OWN = experiment("affinity", ["all"], levels=(0, 250))
SAME = np.array([[any({x, y} <= set(group) for group in PLANTED) for y in EIGHT] for x in EIGHT])


def planted(level, split, seed):
    """Cosines of 0.6 within the planted groups and of 0 between them, with noise: at overlap zero noise alone."""
    rng = np.random.default_rng([int(level), split, seed])
    noise = 0.02 * symmetric(rng.normal(size=28), 8) + 0.05 * symmetric(np.random.default_rng(5).normal(size=28), 8)
    return np.where(SAME & (int(level) > 0), 0.6, 0) + noise


def planted_tables(**changed):
    kinds = {
        "jaccard": lambda level, split: symmetric(np.full(28, int(level) / 250), 8),
        "labels": lambda level, split: np.where(SAME, 0.5, 0.01),
        "labels_magnitude": lambda level, split: np.where(SAME, 0.5, 0.01),
        "labels_left": lambda level, split: (
            np.where(SAME, 0.5, 0.01 * split) if level == "250" else np.full((8, 8), np.nan)
        ),
    }
    return {
        "metrics": pd.DataFrame({"partition": []}),
        "affinity": affinity(EIGHT, planted, levels=("0", "250")),
        "task_relations": relations(EIGHT, kinds, levels=("0", "250")),
        **changed,
    }


TASKONOMY = {
    "moved": method("transfer", pretrained=True, frozen=True),
    "single": method(groups=[]),
    "all": method("hard"),
    "thought_of": method(groups=PLANTED),
    "drawn_1": method(groups=[["n", "o", "p"], ["q", "r", "s"], ["t", "u"]]),
    "drawn_2": method(groups=[["n", "o", "q"], ["p", "r", "s"], ["t", "u"]]),
    "thought_of_again": method(groups=PLANTED[::-1]),
    "halves": method(groups=[["n", "o", "p", "q"], ["r", "s", "t", "u"]]),
    "round_1": method("pairs", round=1),
}
PARTS = ("other", "alone", "together", "proposed", "random", "random", "other", "other", "other")
TRAINED = experiment("taskonomy", TASKONOMY, levels=(250,))
PERCENT = {"single": 0, "all": -3, "thought_of": 4, "drawn_1": 2, "drawn_2": 0, "halves": 5}
"""What each method gains; the proposed groups are 3 points above the random ones on average, and better than both."""
OF_SPLIT = {"thought_of": (0.5, -0.5, 0.3, -0.3), "drawn_1": (0.2, 0.4, -0.4, -0.2), "all": (0.1, -0.1, 0.0, 0.0)}


def percent(name, split):
    return PERCENT.get(name, 1) + OF_SPLIT.get(name, (0, 0, 0, 0))[SPLITS.index(split)]


def error_of_groups(name, level, split, seed, task):
    """Errors alone are 1 in each split; what a task gains differs between tasks, and is ``percent`` over them."""
    before = 1 + (0.1 if seed == 42 else -0.1)
    return before - (percent(name, split) + (1 if EIGHT.index(task) % 2 else -1) * (name != "single")) / 100


@pytest.fixture(scope="module")
def groups(tmp_path_factory):
    spec = study(EIGHT, OWN, TRAINED, methods={**METHODS, **TASKONOMY})
    tables = planted_tables(metrics=metrics(EIGHT, [TRAINED], error_of_groups))
    return grouped(spec, tables, tmp_path_factory.mktemp("groups"))


WRITTEN = "n+q+t | o+r+u | p+s"


def test_planted_groups_are_found_and_recovered_in_every_run(groups):
    for source in ("large", "labels", "labels_left"):
        (found,) = chosen(groups["groupings"], level="250", source=source).to_dict("records")
        assert (found["verdict"], found["k"], found["groups"]) == ("groups", 3, WRITTEN)
        score = chosen(groups["group_scores"], level="250", source=source).set_index("score")
        np.testing.assert_allclose(score["value"], 1)
        # One of the 280 partitions into groups of these sizes.
        np.testing.assert_allclose(score["p_value"], 1 / 280)
        assert score.loc["ari", "chance"] == pytest.approx(0, abs=0.02)
        assert set(score["recovered"]) == {1}
    assert chosen(groups["groupings"], source="large")["n_runs"].tolist() == [len(RUNS)] * 2
    assert chosen(groups["groupings"], source="large")["overlap"].tolist() == [0, 1]
    assert chosen(groups["group_scores"], source="large", level="250")["runs"].tolist() == [len(RUNS)] * 3


def test_exchangeable_cosines_make_no_groups_and_recover_nothing(groups):
    (found,) = chosen(groups["groupings"], level="0", source="large").to_dict("records")
    assert found["verdict"] == "no groups"
    assert found["p_value"] > ALPHA
    assert abs(found["similarity"]) < 0.05
    score = chosen(groups["group_scores"], level="0", source="large").set_index("score")
    assert score.loc["ari", "value"] < 0.5
    assert (score["p_value"] > ALPHA).all()
    # Plain mutual information looks high all the same.
    assert score.loc["nmi", "chance"] > 0.3 > score.loc["ami", "chance"]
    assert (score["recovered"] == 0).all()


def test_a_matrix_with_a_pair_missing_is_said_to_be_so(groups):
    (found,) = chosen(groups["groupings"], level="0", source="labels_left").to_dict("records")
    assert (found["verdict"], found["k"], found["groups"], found["n_runs"]) == ("missing", 0, "", 0)
    assert chosen(groups["linkages"], level="0", source="labels_left").empty
    score = chosen(groups["group_scores"], level="0", source="labels_left")
    assert score["value"].isna().all()
    assert set(score["runs"]) == {0}
    assert set(score["left_out"]) == {len(SPLITS)}


def test_the_lines_of_a_tree_are_scipys_and_its_leaves_those_that_are_drawn(groups):
    found = chosen(groups["linkages"], level="250", source="large")
    linkage = found[["left", "right", "distance", "size"]].to_numpy(dtype=float)
    entries = np.mean([planted("250", *run)[np.triu_indices(8, 1)] for run in RUNS], axis=0)
    theirs = hierarchy.linkage(1 - entries, "average")
    np.testing.assert_allclose(hierarchy.cophenet(linkage), hierarchy.cophenet(theirs))
    drawn = hierarchy.dendrogram(linkage, no_plot=True, labels=list(EIGHT))["ivl"]
    assert set(found["leaves"]) == {" ".join(drawn)}
    assert found["step"].tolist() == list(range(7))


def test_means_and_intervals_are_over_splits_and_tell_how_many_runs_have_a_value(tmp_path):
    cosines = planted_tables()["affinity"]
    gone = (cosines["first"] == "n") & (cosines["second"] == "o") & (cosines["split_seed"] == 1)
    left = cosines[~(gone & (cosines["seed"] == 42))]
    made = grouped(study(EIGHT, OWN), planted_tables(affinity=left), tmp_path)["mean_affinity"]
    lines = chosen(left, level="250", first="n", second="o")
    (found,) = chosen(made, level="250", source="large", first="n", second="o").to_dict("records")
    of_splits = lines.groupby("split_seed")["value"].mean()
    low, high = stats.t.interval(1 - ALPHA, 3, of_splits.mean(), stats.sem(of_splits))
    assert found["value"] == pytest.approx(of_splits.mean())
    assert (found["ci_low"], found["ci_high"]) == (pytest.approx(low), pytest.approx(high))
    assert found["n_runs"] == len(RUNS) - 1
    # A correlation of all labels is one number, whatever the split.
    labels = chosen(made, source="labels")
    assert set(labels["n_runs"]) == {1}
    assert labels["ci_low"].isna().all()


def test_the_simulators_clusters_are_the_known_groups_where_none_are_proposed(tmp_path):
    cluster = {"seebeck": "n", "hardness": "o", "amorphous": "p", "resistivity": "q", "yield_strength": "r"}
    cluster |= {"phase_stability": "s", "thermal_conductivity": "t", "ultimate_strength": "u"}
    names = {letter: task for task, letter in cluster.items()}
    tables = {
        name: table.replace({column: names for column in ("first", "second") if column in table})
        for name, table in planted_tables().items()
    }
    tasks = [names[letter] for letter in EIGHT]
    made = grouped(study(tasks, OWN, simulation={"latent_per": "cluster"}), tables, tmp_path)["group_scores"]
    found = chosen(made, level="250", source="large")
    np.testing.assert_allclose(found["value"], 1)
    assert set(made["known"]) == {"proposed"}


def test_where_nothing_is_proposed_cosines_are_held_to_the_groups_of_all_labels(tmp_path):
    made = grouped(study(EIGHT, OWN, simulation={"latent_per": "all"}), planted_tables(), tmp_path)
    scores, labels = made["group_scores"], chosen(made["groupings"], source="labels_magnitude")
    assert set(scores["known"]) == {"labels"}
    assert "labels_magnitude" not in set(scores["source"])
    of_labels = labels["groups"].iloc[0]
    agree = scores[(scores["score"] == "ari") & (scores["groups"] == of_labels)]
    assert len(agree)
    np.testing.assert_allclose(agree["value"], 1)


def test_the_numbers_of_a_series_do_not_depend_on_what_else_is_there(groups, tmp_path):
    other = affinity(EIGHT, lambda level, split, seed: -planted(level, split, seed), ("0", "250"), "minibatch")
    tables = planted_tables(metrics=metrics(EIGHT, [TRAINED], error_of_groups))
    tables["affinity"] = pd.concat([other, tables["affinity"]])
    made = grouped(study(EIGHT, OWN, TRAINED, methods={**METHODS, **TASKONOMY}), tables, tmp_path)
    for name, table in made.items():
        if "source" in table:
            assert len(chosen(table, source="minibatch"))
            table = table[table["source"] != "minibatch"].reset_index(drop=True)
        pd.testing.assert_frame_equal(table, groups[name], check_exact=True)


def test_what_a_method_is_there_for_is_told_by_the_groups_that_it_trains(groups):
    found = groups["group_gains"]
    assert dict(zip(found["method"], found["role"], strict=True)) == dict(zip(TASKONOMY, PARTS, strict=True))
    assert found.set_index("method").loc["thought_of", "groups"] == WRITTEN
    assert roles({"first": [["a", "b"], ["c"]], "second": [["b"], ["c", "a"]], "third": [["a", "b", "c"]]}) == {
        "first": "proposed",
        "second": "random",
        "third": "together",
    }


def test_groups_gain_what_was_put_in(groups):
    found = groups["group_gains"].set_index("method")
    for name in PERCENT:
        assert found.loc[name, "delta"] == pytest.approx(PERCENT[name], abs=1e-9)
    assert set(found["n_units"]) == {len(SPLITS)}
    assert found.loc["single", ["ci_low", "ci_high", "p_value"]].isna().all()
    assert found.loc["thought_of", "p_value"] == pytest.approx(stats.ttest_1samp([4.5, 3.5, 4.3, 3.7], 0).pvalue)


def test_contrasts_are_paired_by_split_and_the_random_groups_are_averaged_in_each(groups):
    found = groups["group_contrasts"].set_index("contrast")
    of = {name: np.array([percent(name, split) for split in SPLITS]) for name in PERCENT}
    samples = {
        "proposed against alone": of["thought_of"],
        "proposed against together": of["thought_of"] - of["all"],
        "proposed against random": of["thought_of"] - (of["drawn_1"] + of["drawn_2"]) / 2,
        "together against alone": of["all"],
    }
    assert list(found.index) == list(samples)
    assert found.loc["proposed against random", "difference"] == pytest.approx(3)
    for name, sample in samples.items():
        test = stats.ttest_1samp(sample, 0)
        low, high = test.confidence_interval(1 - ALPHA)
        assert found.loc[name, "difference"] == pytest.approx(sample.mean())
        assert found.loc[name, "p_value"] == pytest.approx(test.pvalue)
        assert (found.loc[name, "ci_low"], found.loc[name, "ci_high"]) == (pytest.approx(low), pytest.approx(high))
    ordered = np.sort(found["p_value"])
    np.testing.assert_allclose(np.sort(found["p_holm"]), np.maximum.accumulate(ordered * [4, 3, 2, 1]))
    assert found["better"].tolist() == [0, 0, 2, 0]
    assert found["partitions"].tolist() == [0, 0, 2, 0]


def test_a_task_of_which_a_percentage_means_nothing_leaves_no_delta_and_no_test(tmp_path):
    def nothing(name, level, split, seed, task):
        return error_of_groups(name, level, split, seed, task) if task != "u" else (-1) ** split

    spec = study(EIGHT, OWN, TRAINED, methods={**METHODS, **TASKONOMY})
    made = grouped(spec, planted_tables(metrics=metrics(EIGHT, [TRAINED], nothing)), tmp_path)
    assert made["group_gains"].set_index("method").drop("single")["delta"].isna().all()
    assert made["group_contrasts"][["difference", "p_value", "p_holm"]].isna().all(axis=None)


def test_a_taskonomy_without_single_tasks_is_refused(tmp_path):
    spec = study(EIGHT, OWN, {**TRAINED, "methods": ["all", "thought_of"]}, methods={**METHODS, **TASKONOMY})
    with pytest.raises(UserError, match=r"experiments\.taskonomy.*no method trains every task alone"):
        grouped(spec, planted_tables(metrics=metrics(EIGHT, [TRAINED], error_of_groups)), tmp_path)
