"""Advice says what the evidence supports: hand-made evidence with a known answer, and a real run of the command."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import checkout
from alloymtl.config import combine, merge, read
from alloymtl.errors import UserError
from alloymtl.evaluation.affinity.advice import roles_of
from alloymtl.evaluation.affinity.advice_rules import (
    AFFINITY,
    AGREE,
    ALL,
    BALANCER,
    BOTTOM_LINE,
    CANNOT_TELL,
    CANNOT_TELL_HERE,
    CONFLICT,
    CORRECTED,
    GAINS,
    GROUPS,
    INDEPENDENT,
    INPUTS,
    JOINT,
    LOSES,
    MINIBATCH,
    OVERLAP,
    SIZES,
    TOGETHER,
    TOPICS,
    UNDEFINED,
    Agreed,
    Evidence,
    Runs,
    Shared,
    advice,
    halves,
)
from alloymtl.evaluation.affinity.advice_text import paste, text, value
from alloymtl.evaluation.affinity.alike import Alike, alike
from alloymtl.evaluation.affinity.resampled import resampled_t, signs
from alloymtl.experiment import Experiment
from alloymtl.progress.advise import SHIPPED, overlay, plan
from alloymtl.study import Study

SPLITS = 8
ALPHA = 0.05
NOISE = np.array([-1.5, -1.0, -0.5, -0.1, 0.1, 0.5, 1.0, 1.5])
"""Of mean zero, so that a mean is what is asked for."""
APART = Alike(share=0.1, chance=0.6, p_value=0.001, draws=999)
SAME = Alike(share=0.6, chance=0.6, p_value=0.5, draws=999)


def changes(**means):
    """Changes in percent with these means, splits x tasks; their noise is small beside 10 and large beside 0.1."""
    return pd.DataFrame({task: mean + NOISE * (1 + n / 10) for n, (task, mean) in enumerate(means.items())})


def cosines(tasks, mean, seed=5):
    """Cosines of all pairs, splits x pairs, around a mean that a function of the pair gives."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({pair: mean(*pair) + 0.02 * rng.normal(size=SPLITS) for pair in combinations(tasks, 2)})


def evidence(joint, mean=lambda a, b: 0.3, shared=None, **others):
    """Evidence on tasks whose joint training brings these changes."""
    tasks = list(joint)
    of_pairs = cosines(tasks, mean)
    full = dict.fromkeys(of_pairs, Shared(alloys=200, jaccard=1.0, correlation=0.5))
    return Evidence(
        tasks=tasks,
        alpha=ALPHA,
        ratio=0.2,
        labels={task: 100.0 * (n + 1) for n, task in enumerate(tasks)},
        runs=others.pop("runs", Runs(40, 0)),
        shared=full if shared is None else shared,
        inputs=others.pop("inputs", {}),
        cosines=others.pop("cosines", {MINIBATCH: of_pairs, CORRECTED: of_pairs}),
        agreed=others.pop("agreed", None),
        joint=joint,
        balancers=others.pop("balancers", {}),
        **others,
    )


def lines(given_evidence, topic=None, subject=None):
    found = advice(given_evidence, np.random.default_rng(0)).lines
    return [line for line in found if topic in (None, line.topic) and subject in (None, line.subject)]


def only(given_evidence, topic, subject):
    (line,) = lines(given_evidence, topic, subject)
    return line


def verdict(given_evidence):
    """The bottom line's."""
    return only(given_evidence, BOTTOM_LINE, ALL).verdict


UP, DOWN, OPEN = changes(a=10, b=11), changes(a=-10, b=-9), changes(a=0.3, b=-0.2)


# -- The interval ----------------------------------------------------------------------------------------------------


def test_the_interval_over_splits_has_the_variance_of_nadeau_and_bengio():
    values = np.array([1.0, 2.0, 4.0, 5.0])
    found = resampled_t(values, 0.3, ALPHA)
    error = math.sqrt(values.var(ddof=1) * (1 / 4 + 0.3))
    assert (found.low, found.high) == pytest.approx(stats.t.interval(1 - ALPHA, 3, loc=3.0, scale=error))
    assert found.p_value == pytest.approx(2 * stats.t.sf(3 / error, 3))


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=12), st.floats(0, 2))
def test_it_is_never_narrower_than_that_of_independent_values_and_agrees_with_its_own_p_value(values, ratio):
    found, plain = resampled_t(values, ratio, ALPHA), resampled_t(values, 0, ALPHA)
    assert found.high - found.low >= plain.high - plain.low
    assert (found.low > 0 or found.high < 0) == (found.p_value < ALPHA)


def test_on_resampled_splits_of_one_set_without_an_effect_the_plain_interval_lies_and_this_one_does_not():
    """Means over test sets of half-normal losses' differences: splits drawn anew from 60 alloys of a null world."""
    rng = np.random.default_rng(2)
    wrong = np.zeros(2)
    for _ in range(400):
        alloys = rng.normal(size=60)
        tests = [alloys[rng.permutation(60)[:20]].mean() for _ in range(SPLITS)]
        wrong += [resampled_t(tests, ratio, ALPHA).p_value < ALPHA for ratio in (0.0, 0.5)]
    plain, corrected = wrong / 400
    assert plain > 3 * ALPHA
    assert corrected < 2 * ALPHA


def test_a_sign_is_shown_by_holms_method_over_the_family_and_not_by_each_interval_alone():
    weak = resampled_t(NOISE + 1.5, 0, ALPHA)
    assert weak.low > 0
    assert signs({"weak": weak}, ALPHA) == {"weak": 1}
    family = {"weak": weak, **{n: resampled_t(NOISE, 0, ALPHA) for n in range(30)}}
    assert signs(family, ALPHA)["weak"] == 0


# -- Chemical systems ------------------------------------------------------------------------------------------------


def test_alloys_dealt_at_random_are_not_told_apart_and_those_of_other_systems_are():
    rng = np.random.default_rng(1)
    systems = rng.choice([f"s{n}" for n in range(300)], size=400).tolist()
    found = [alike(systems[:100], systems[100:], np.random.default_rng(n), draws=199) for n in range(3)]
    assert found[0].chance == pytest.approx(found[0].share, abs=0.15)
    assert found[0].p_value > ALPHA
    ordered = sorted(systems)
    assert alike(ordered[:100], ordered[100:], rng, draws=199).p_value == pytest.approx(1 / 200)


def test_the_share_is_that_of_the_task_whose_alloys_the_other_covers_less():
    found = alike(["x", "x", "y"], ["x", "z", "z", "z"], np.random.default_rng(0), draws=9)
    assert found.share == pytest.approx(1 / 4)


def test_small_tasks_with_few_systems_in_common_by_chance_alone_are_not_told_apart():
    systems = [f"s{n}" for n in range(30)]
    assert alike(systems[:15], systems[15:], np.random.default_rng(0), draws=99).p_value == 1


# -- Joint or alone --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("joint", "on_average", "bottom"),
    [(UP, GAINS, TOGETHER), (DOWN, LOSES, INDEPENDENT), (OPEN, CANNOT_TELL, CANNOT_TELL)],
)
def test_joint_training_is_advised_where_it_gains_and_not_where_it_loses(joint, on_average, bottom):
    asked = evidence(joint)
    assert only(asked, JOINT, ALL).verdict == on_average
    assert verdict(asked) == bottom


def test_negative_transfer_is_named_by_task_also_where_nothing_is_shown_on_average():
    asked = evidence(changes(a=10, b=-10, c=0.1))
    assert [only(asked, JOINT, task).verdict for task in "abc"] == [GAINS, LOSES, CANNOT_TELL]
    bottom = only(asked, BOTTOM_LINE, ALL)
    assert bottom.verdict == CANNOT_TELL
    assert "a gains, and b loses" in bottom.statement


def test_a_task_that_loses_is_named_where_the_average_gains():
    assert "but c loses" in only(evidence(changes(a=30, b=30, c=-10)), BOTTOM_LINE, ALL).statement


def test_a_task_that_is_not_predicted_when_alone_is_left_out_of_the_mean_change_and_named():
    asked = evidence(
        changes(a=10, b=1, c=12).assign(b=math.nan), balancers={"good": (changes(a=5, b=-90, c=5), UP.assign(c=5))}
    )
    assert only(asked, JOINT, "b").verdict == UNDEFINED
    assert only(asked, JOINT, ALL).number == pytest.approx(11)
    assert lines(asked, BALANCER, "good")[0].number == pytest.approx(5)
    bottom = only(asked, BOTTOM_LINE, ALL)
    assert bottom.verdict == TOGETHER
    assert "b left out" in bottom.statement
    none = evidence(math.nan * OPEN, balancers={"one": (math.nan * OPEN, math.nan * OPEN)})
    assert only(none, JOINT, ALL).verdict == UNDEFINED
    assert verdict(none) == CANNOT_TELL


def test_networks_that_still_learned_stand_in_the_bottom_line():
    assert "7 of 40 runs" in only(evidence(UP, runs=Runs(40, 7)), BOTTOM_LINE, ALL).statement
    assert "runs" not in only(evidence(UP), BOTTOM_LINE, ALL).statement


# -- Balancers -------------------------------------------------------------------------------------------------------


def test_a_balancer_is_recommended_only_where_its_gain_over_equal_weights_is_shown():
    asked = evidence(UP, balancers={"good": (UP, UP), "other": (OPEN, UP)})
    assert only(asked, BALANCER, ALL).verdict == "good"
    none = evidence(UP, balancers={"worse": (DOWN, OPEN), "other": (OPEN, UP)})
    assert only(none, BALANCER, ALL).verdict == "equal weights"


def test_a_balancer_that_does_what_equal_weights_do_is_said_to():
    asked = evidence(UP, balancers={"same": (0 * UP, UP)})
    assert lines(asked, BALANCER, "same")[0].verdict == "identical"


def test_joint_training_with_a_balancer_is_advised_where_equal_weights_do_not_gain_and_it_does():
    assert verdict(evidence(DOWN, balancers={"good": (UP, UP)})) == TOGETHER
    assert verdict(evidence(OPEN, balancers={"good": (UP, OPEN)})) == CANNOT_TELL
    assert verdict(evidence(DOWN, balancers={"good": (UP, DOWN)})) == INDEPENDENT
    # Where it is not shown to be better than equal weights it is not chosen for what it gains over tasks alone.
    assert verdict(evidence(OPEN, balancers={"lucky": (OPEN, UP)})) == CANNOT_TELL


# -- Affinity and groups ---------------------------------------------------------------------------------------------

SIX = changes(**dict.fromkeys("abcdef", 0.1))
PLANTED = [["a", "b", "c"], ["d", "e", "f"]]


def planted(first, second):
    return 0.8 if (first in "abc") == (second in "abc") else -0.1


def test_planted_groups_are_found_and_said_not_to_have_been_trained():
    found = advice(evidence(SIX, planted), np.random.default_rng(0))
    assert found.groups == PLANTED
    (line,) = (line for line in found.lines if line.topic == GROUPS)
    assert line.verdict == "groups"
    assert line.number < ALPHA
    assert "not trained here" in line.statement
    assert found.lines[0].verdict == CANNOT_TELL
    assert "worth a comparison" in found.lines[0].statement


def test_tasks_that_all_agree_are_seldom_said_to_fall_into_groups():
    worlds = (cosines("abcdef", lambda a, b: 0.3, seed) for seed in range(8))
    told = [only(evidence(SIX, cosines={MINIBATCH: one, CORRECTED: one}), GROUPS, ALL).verdict for one in worlds]
    assert set(told) <= {"no groups", "groups"}
    assert told.count("groups") <= 3


@pytest.mark.parametrize("tasks", ["ab", "abc"])
def test_few_tasks_cannot_be_grouped(tasks):
    asked = evidence(changes(**dict.fromkeys(tasks, 0.1)))
    assert only(asked, GROUPS, ALL).verdict == CANNOT_TELL


def test_groups_cannot_be_told_where_tasks_share_no_alloys_and_differ_in_their_chemical_systems():
    pairs = list(combinations("abcdef", 2))
    none = dict.fromkeys(pairs, Shared(0, 0.0, math.nan))
    apart = evidence(SIX, planted, none, inputs={pair: APART if pair == pairs[3] else SAME for pair in pairs})
    found = advice(apart, np.random.default_rng(0))
    assert not found.groups
    (line,) = (line for line in found.lines if line.topic == GROUPS)
    assert (line.verdict, line.number) == (CANNOT_TELL_HERE, APART.share)
    assert "a and e" in line.statement
    assert [li.verdict for li in found.lines if li.topic == INPUTS].count("differ") == 1
    three = changes(a=1, b=1, c=1)
    few = dict.fromkeys(combinations("abc", 2), Shared(0, 0.0, math.nan))
    assert only(evidence(three, shared=few, inputs=dict.fromkeys(few, APART)), GROUPS, ALL).verdict == CANNOT_TELL_HERE
    # Alloys of one kind tell without any in common.
    assert advice(evidence(SIX, planted, none, inputs=dict.fromkeys(pairs, SAME)), np.random.default_rng(0)).groups


def test_groups_are_advised_where_they_were_trained_and_gain_over_both():
    better = changes(**dict.fromkeys("abcdef", 10))
    joint = changes(**dict.fromkeys("abcdef", -8))
    assert verdict(evidence(joint, planted, groupings={"Groups": (better, better, PLANTED)})) == "groups"
    assert verdict(evidence(joint, planted, groupings={"Groups": (better, SIX, PLANTED)})) == INDEPENDENT
    assert verdict(evidence(SIX, planted, groupings={"Groups": (SIX, better, PLANTED)})) == CANNOT_TELL
    (line, *_) = lines(evidence(SIX, planted, groupings={"Groups": (SIX, SIX, [*PLANTED[:1], list("fed")])}), GROUPS)
    assert "trained as Groups" in line.statement


def test_a_pair_agrees_or_conflicts_only_where_its_interval_says_so():
    means = {("a", "b"): 0.3, ("a", "c"): -0.3, ("b", "c"): 0.0}
    asked = evidence(changes(a=1, b=1, c=1), lambda *pair: means[pair])
    shown = [line.verdict for line in lines(asked, AFFINITY) if line.unit == "cosine"]
    assert shown == [AGREE, CONFLICT, CANNOT_TELL] * 2


def test_splits_in_which_noise_leaves_no_cosine_are_counted_and_groups_told_from_mini_batches_instead():
    tasks = list("abcdef")
    whole, torn = cosines(tasks, planted), cosines(tasks, planted)
    torn.iloc[1:, 0] = math.nan
    asked = evidence(SIX, cosines={MINIBATCH: whole, CORRECTED: torn})
    line = lines(asked, AFFINITY, "a and b")[0]
    assert (line.n, line.verdict) == (1, CANNOT_TELL)
    assert "7 of 8 splits" in line.statement
    assert "mini-batches" in only(asked, GROUPS, ALL).rests_on
    torn.iloc[:, 0] = math.nan
    none = evidence(SIX, cosines={MINIBATCH: torn, CORRECTED: torn})
    assert only(none, GROUPS, ALL).verdict == CANNOT_TELL


def test_reliability_is_one_where_splits_repeat_and_cannot_be_told_of_three_pairs():
    repeated = np.tile(np.array([0.1, 0.5, 0.2, 0.9, 0.3, 0.0]), (6, 1))
    assert halves(repeated, np.random.default_rng(0)) == pytest.approx(np.ones(10))
    noise = np.random.default_rng(3).normal(size=(8, 2000))
    assert abs(halves(noise, np.random.default_rng(0)).mean()) < 0.1
    asked = evidence(changes(a=1, b=1, c=1))
    assert all(line.verdict == CANNOT_TELL for line in lines(asked, AFFINITY, ALL))


@pytest.mark.parametrize(
    ("agreed", "expected"),
    [
        (Agreed(0.8, 0.6, 1.0, 0.01, SPLITS), AGREE),
        (Agreed(-0.8, -1.0, -0.6, 0.01, SPLITS), CONFLICT),
        (Agreed(0.8, 0.6, 1.0, 0.2, SPLITS), CANNOT_TELL),
        (Agreed(0.2, -0.3, 0.7, 0.01, SPLITS), CANNOT_TELL),
        (Agreed(math.nan, math.nan, math.nan, math.nan, 0), CANNOT_TELL),
        (None, CANNOT_TELL),
    ],
)
def test_gradients_agree_with_label_correlation_where_both_the_interval_and_relabelled_tasks_say_so(agreed, expected):
    assert lines(evidence(SIX, agreed=agreed), AFFINITY, ALL)[-1].verdict == expected


def test_sizes_and_overlap_are_counted():
    shared = {("a", "b"): Shared(19, 0.04, math.nan)}
    asked = evidence(OPEN, shared=shared, inputs={("a", "b"): SAME})
    assert [line.number for line in lines(asked, SIZES)] == [100, 200, 2]
    few, index, low = lines(asked, OVERLAP)
    assert (few.number, few.verdict) == (19, "too few")
    assert (index.number, index.verdict, low.number) == (0.04, "low", 1)
    r = lines(evidence(OPEN), OVERLAP)[2]
    expected = stats.pearsonr(*_correlated(200, 0.5)).confidence_interval()
    assert (r.low, r.high) == pytest.approx(tuple(expected))


def _correlated(n, r):
    """Two samples whose Pearson correlation is exactly r."""
    x, z = np.random.default_rng(0).normal(size=(2, n))
    x = (x - x.mean()) / x.std()
    z = z - z.mean()
    z = z - (z @ x) / n * x
    return x, r * x + math.sqrt(1 - r * r) * z / z.std()


# -- Nothing beyond the interval -------------------------------------------------------------------------------------

DIRECTED = {GAINS: 1, TOGETHER: 1, AGREE: 1, LOSES: -1, INDEPENDENT: -1, CONFLICT: -1}


def _any(draw, tasks):
    mean, spread = draw(st.floats(-5, 5)), draw(st.floats(0, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return pd.DataFrame(mean + spread * rng.normal(size=(SPLITS, len(tasks))), columns=tasks)


@st.composite
def anything(draw):
    tasks = list("abc"[: draw(st.integers(2, 3))])
    made = evidence(
        _any(draw, tasks),
        lambda a, b: 0.0,
        balancers={name: (_any(draw, tasks), _any(draw, tasks)) for name in ("one", "other")},
        groupings={"Groups": (_any(draw, tasks), _any(draw, tasks), [tasks[:2]])} if draw(st.booleans()) else {},
    )
    noise = _any(draw, list(made.shared)) / 10
    noise.columns = pd.MultiIndex.from_tuples(list(made.shared))
    return replace(made, cosines={MINIBATCH: noise, CORRECTED: noise})


@settings(max_examples=100, deadline=None)
@given(anything())
def test_no_direction_is_stated_against_its_own_interval(asked):
    for line in lines(asked):
        said = DIRECTED.get(line.verdict, 1 if line.verdict == "groups" and line.topic == BOTTOM_LINE else 0)
        if said:
            assert (line.low if said > 0 else -line.high) > 0, line
        if line.unit == "%" and line.low <= 0 <= line.high:
            words = line.statement.partition(";")[0]
            assert not any(f"{word} " in words for word in ("gains", "gain", "loses", "better", "worse")), line
    best = only(asked, BALANCER, ALL)
    assert best.verdict == "equal weights" or best.low > 0


# -- What is printed -------------------------------------------------------------------------------------------------


def test_every_statement_of_every_topic_is_printed_with_its_number():
    asked = evidence(SIX, planted, balancers={"Good": (UP, UP)}, runs=Runs(40, 1), inputs={("a", "b"): SAME})
    found = advice(asked, np.random.default_rng(0))
    printed = text(["About."], found.lines, paste(found.groups, ["one", "two"]))
    assert {line.topic for line in found.lines} == set(TOPICS)
    for line in found.lines:
        assert value(line, unit=False) in printed
        assert line.subject in printed
    pasted = yaml.safe_load(printed[printed.index("controls:") :])["controls"]["advice"]
    assert pasted["methods"]["advice_groups"]["architecture_options"]["groups"] == PLANTED
    assert pasted["experiments"]["advice"]["methods"] == ["one", "two", "advice_groups"]


def test_an_end_of_an_interval_that_is_not_zero_does_not_look_like_it():
    line = replace(only(evidence(UP), JOINT, ALL), number=1.0, low=0.004, high=2.0)
    assert value(line) == "+1.000 [+0.004, +2.000] %"
    assert value(replace(line, low=-0.0)) == "+1.0 [0.0, +2.0] %"


# -- Configs ---------------------------------------------------------------------------------------------------------

MADE = {
    "alone": {"architecture": {"name": "grouped", "options": {"groups": []}}, "balancer": {"name": "none"}},
    "apart": {"architecture": {"name": "independent", "options": {}}, "balancer": {"name": "none"}},
    "both": {"architecture": {"name": "hard", "options": {}}, "balancer": {"name": "none"}},
    "pcgrad": {"architecture": {"name": "hard", "options": {}}, "balancer": {"name": "pcgrad"}},
    "groups": {"architecture": {"name": "grouped", "options": {"groups": [["a", "b"]]}}, "balancer": {"name": "none"}},
    "soft": {"architecture": {"name": "soft", "options": {}}, "balancer": {"name": "none"}},
}


def test_methods_play_their_roles_by_what_they_are_made_of():
    def of(*methods):
        return roles_of(Experiment("advice", methods, (), ("all",), (1, 2), (1,)), MADE)

    found = of("pcgrad", "both", "groups", "alone")
    assert (found.alone, found.together, found.balancers, found.groupings) == ("alone", "both", ["pcgrad"], ["groups"])
    for methods, said in (
        (["both"], "alone"),
        (["alone", "apart", "both"], "there are 2"),
        (["soft"], "neither shares"),
    ):
        with pytest.raises(UserError, match=said):
            of(*methods)


TASK = {"kind": "regression", "unit": "GPa"}
BARE = {
    "study": "mine",
    "simulation": {"rows": {"resistivity": 150, "hardness": 100}, "pool": "bulk"},
    "tasks": {"resistivity": {"kind": "regression", "unit": "uohm_cm"}, "hardness": TASK},
}


def write(folder, **sections):
    (folder / "mine.yaml").write_text(yaml.safe_dump({**BARE, **sections}, sort_keys=False))
    return ["mine.yaml"]


def test_a_study_whose_methods_are_those_of_the_advice_keeps_them_and_its_controls(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    methods = {"mtl": {"architecture": "hard"}, "alone": {"architecture": "grouped"}}
    main = {"main": {"methods": ["mtl"], "comparisons": []}}
    controls = {"grouped": {"split": {"kind": "grouped"}}}
    files = write(
        tmp_path, methods=methods, experiments=main, controls=controls, evaluation={"twins": [["mtl", "alone"]]}
    )
    study, _ = plan(files, None)
    assert list(study.methods) == ["mtl", "alone"]
    assert study.controls.keys() == {"grouped", "advice"}
    control = study.controls["advice"]
    assert control.data_root == study.root
    assert all(name.startswith("advice_") for name in control.methods)
    assert len(control.experiments["advice"].split_seeds) >= 6


def test_a_study_of_tasks_alone_is_given_what_a_study_needs_and_its_own_words_come_last(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fewer = {"advice": {"experiments": {"advice": {"split_seeds": [3, 4]}}}}
    study, place = plan(write(tmp_path, controls=fewer, training={"max_epochs": 9}), None)
    assert study.controls["advice"].experiments["advice"].split_seeds == (3, 4)
    assert {m.training["max_epochs"] for m in study.controls["advice"].trained} == {9}
    again = Study.from_config(combine([place, "mine.yaml"], {}))
    assert again.to_paper_dict() == study.to_paper_dict()
    short, _ = plan(["mine.yaml"], 2)
    assert {m.training["max_epochs"] for m in short.controls["advice"].trained} == {2}


def test_a_method_of_the_study_that_the_advice_is_asked_about_stays():
    shipped = read(SHIPPED)
    asked = {"controls": {"advice": {"experiments": {"advice": {"methods": ["own"]}}}}}
    made = overlay({"methods": {"own": {}, "other": {}}, **asked}, shipped, None)
    assert made["controls"]["advice"]["methods"] == {"other": None}
    assert merge(made, asked).keys() == made.keys()


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"tasks": {"hardness": TASK}, "simulation": {"rows": {"hardness": 100}}}, "advice is about several"),
        ({"tasks": {"hardness": {**TASK, "unti": 1}, "b": TASK}}, "did you mean 'unit'"),
        ({"methods": 3}, "mine.yaml: methods"),
        ({"controls": {"advice": {"experiments": {"advice": {"methods": ["advice_alon"]}}}}}, "'advice_alone'"),
        ({"evaluation": {"regression": ["r22"]}}, "no metric 'r22'"),
    ],
)
def test_a_mistake_ends_before_anything_is_trained_in_one_line(sections, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said) as mistake:
        plan(write(tmp_path, **sections), None)
    assert "\n" not in str(mistake.value)


# -- The command -----------------------------------------------------------------------------------------------------


def advise(folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(folder / "workflow")}
    command = [sys.executable, "-m", "alloymtl", "advise", "--configfile", "mine.yaml", "--cores", "2", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_command_trains_and_says_what_the_data_support_and_does_nothing_twice(tmp_path):
    folder = checkout.lay_out(tmp_path)
    tasks = {**BARE["tasks"], "amorphous": {"kind": "classification"}}
    rows = {"resistivity": 150, "hardness": 100, "amorphous": 120}
    splits = {"split_seeds": [1, 2]}
    two = {"advice": {**splits, "methods": ["advice_alone", "advice_together"]}, "affinity": splits}
    write(
        folder,
        simulation={"rows": rows, "pool": "bulk"},
        tasks=tasks,
        training={"max_epochs": 4, "hidden": [8]},
        controls={"advice": {"experiments": two}},
    )
    first = advise(folder)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("Advice on simulated data for 3 tasks: 2 ways to train them on 2 splits")
    assert "4 runs, 0 of them there already" in first.stderr
    again = advise(folder, "--json")
    assert again.returncode == 0, again.stderr
    told = json.loads(again.stdout)
    assert told[0]["topic"] == BOTTOM_LINE
    assert {line["subject"] for line in told if line["topic"] == JOINT} == {ALL, *tasks}
    table = pd.read_csv(folder / "results/mine/controls/advice/advice.csv")
    numbers = [math.nan if line["number"] is None else line["number"] for line in told]
    assert numbers == pytest.approx(table["number"].tolist(), nan_ok=True)
    assert not (folder / "results/mine/runs").exists()
    assert "4 of them there already" in again.stderr
