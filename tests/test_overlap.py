"""Labels in common: at every level exactly the overlap that is asked for, and no more."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloymtl.data import overlap
from alloymtl.errors import UserError
from alloymtl.training.dataset import at_level

PARTS = ("train", "train", "train", "validation", "test")


def a_table(alloys, tasks):
    lines = [(f"a{i:04d}", f"t{t}", PARTS[i % len(PARTS)], i) for t in range(tasks) for i in range(alloys)]
    return pd.DataFrame(lines, columns=["alloy", "task", "partition", "order"])


def systems(alloys, n=23):
    return pd.Series([f"s{i % n}" for i in range(alloys)], index=[f"a{i:04d}" for i in range(alloys)])


def labelled(table, level):
    training = at_level(table, level).query("partition == 'train'")
    return pd.crosstab(training["alloy"], training["task"]).astype(bool)


@settings(max_examples=30)
@given(
    tasks=st.integers(2, 5),
    rows=st.integers(10, 30),
    share=st.floats(0, 1),
    kind=st.sampled_from(["exact", "apart"]),
    seed=st.integers(0, 99),
)
def test_every_pair_of_tasks_has_the_same_exact_jaccard_index_and_every_task_its_rows(tasks, rows, share, kind, seed):
    level = round(share * rows)
    table = overlap.with_levels(a_table(400, tasks), systems(400), {"kind": kind, "rows": rows}, seed)
    found = labelled(table, level)
    assert (found.sum() == rows).all()
    off = ~np.eye(tasks, dtype=bool)
    assert np.allclose(overlap.jaccard(found.to_numpy())[off], level / (2 * rows - level))
    assert (found.sum(axis=1).isin([1, tasks])).all()


def test_more_overlap_keeps_what_was_common_and_takes_own_alloys_away():
    table = overlap.with_levels(a_table(400, 3), systems(400), {"kind": "exact", "rows": 30}, 7)
    before = labelled(table, 0)
    for level in range(1, 31):
        now = labelled(table, level)
        common, own = now[now.all(axis=1)].index, now[~now.all(axis=1)]
        assert set(before[before.all(axis=1)].index) <= set(common)
        assert before.loc[own.index].equals(own)
        before = now


def test_own_alloys_of_two_tasks_are_of_one_system_only_where_they_are_not_apart():
    shared = {}
    for kind in ("exact", "apart"):
        table = overlap.with_levels(a_table(400, 3), systems(400), {"kind": kind, "rows": 30}, 7)
        own = labelled(table, 0)
        of = [set(systems(400).loc[own.index[own[task]]]) for task in own]
        shared[kind] = len(of[0] & of[1]) + len(of[0] & of[2]) + len(of[1] & of[2])
    assert shared["apart"] == 0 < shared["exact"]


def test_labels_that_are_kept_by_chance_have_the_jaccard_index_of_chance():
    table = overlap.with_levels(a_table(20_000, 2), systems(20_000), {"kind": "kept", "rows": 10}, 1)
    for level in (10, 50, 90):
        found, p = labelled(table, level), level / 100
        assert found.sum().to_numpy() == pytest.approx(12_000 * p, rel=0.05)
        assert overlap.jaccard(found.to_numpy())[0, 1] == pytest.approx(p / (2 - p), rel=0.06)
    assert labelled(table, 100).equals(labelled(table, "all"))


@pytest.mark.parametrize("kind", ["kept", "exact", "apart"])
def test_validation_and_test_keep_all_their_labels(kind):
    whole = a_table(400, 3)
    table = overlap.with_levels(whole, systems(400), {"kind": kind, "rows": 30}, 7)
    for level in (0, 10, 30):
        scored = at_level(table, level).query("partition != 'train'")
        assert len(scored) == (whole["partition"] != "train").sum()


def test_too_few_alloys_are_told_with_what_it_takes():
    with pytest.raises(UserError, match=r"it takes 400 training alloys .* and there are 240"):
        overlap.with_levels(a_table(400, 3), systems(400), {"kind": "exact", "rows": 100}, 7)
    with pytest.raises(UserError, match="chemical systems of one task"):
        overlap.with_levels(a_table(400, 3), systems(400, n=2), {"kind": "apart", "rows": 50}, 7)


def test_a_jaccard_index_is_that_of_sets():
    labels = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], bool)
    found = overlap.jaccard(labels)
    assert found[0, 1] == 2 / 4
    assert found[0, 2] == 0
    assert np.isnan(found[2, 2])
