"""Leakage: distances to training alloys, counted exactly, for the split that is used and for the others."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloymtl.data import leakage
from alloymtl.data.leakage import ANY_TASK, NEAR_DUPLICATE, REACH, SAME_TASK, THRESHOLDS, Neighbours, column, compare
from alloymtl.data.split import KINDS, split

SETTINGS = {"kind": "stratified", "validation": 0.15, "test": 0.15, "strata": 10, "clusters": 8}
TASKS = {"a": "regression", "b": "regression"}
ELEMENTS = ["Al", "Co", "Ni"]


def features(at_percent, labels, systems=None):
    """Alloys from rows of at.% (Al, Co; the rest is Ni) and the tasks that each has a label of."""
    al, co = np.array(at_percent, dtype=float).T / 100
    fractions = dict(zip((f"x:{e}" for e in ELEMENTS), (al, co, 1 - al - co), strict=True))
    names = [f"alloy{number:03d}" for number in range(len(al))]
    y = {f"y:{t}": [float(n) if t in own else np.nan for n, own in enumerate(labels)] for t in TASKS}
    return pd.DataFrame({"alloy": names, "system": systems or ["AlCoNi"] * len(al), **fractions, **y})


def as_split(frame, partitions):
    rows = [
        (alloy, task, partition)
        for task in TASKS
        for alloy, label, partition in zip(frame.alloy, frame[f"y:{task}"], partitions, strict=True)
        if not np.isnan(label)
    ]
    return pd.DataFrame(rows, columns=["alloy", "task", "partition"])


def used(table, **where):
    (row,) = table[table["used"] & (table[list(where)] == pd.Series(where)).all(axis=1)].to_dict("records")
    return row


@given(data=st.data(), known=st.integers(1, 60), asked=st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_distance_is_the_least_largest_difference_of_any_element(data, known, asked):
    cell = st.integers(0, 500)  # on a grid of 0.1 at.%, so that distances tie and meet the thresholds exactly
    points = np.array(data.draw(st.lists(st.tuples(cell, cell), min_size=known + asked, max_size=known + asked)))
    points = np.column_stack([points, 1000 - points.sum(1)])
    training, questions = points[:known], points[known:]
    expected = np.abs(questions[:, None] - training[None]).max(2).min(1) / 10
    neighbours = Neighbours(points / 1000, np.arange(len(points)) < known)
    rows = np.arange(known, len(points))
    np.testing.assert_array_equal(neighbours.exact(rows), expected)
    np.testing.assert_array_equal(neighbours.near(rows), np.where(expected <= REACH, expected, np.inf))
    assert neighbours.median(rows) == (np.median(expected), len(rows))


def test_a_median_of_far_alloys_is_that_of_a_sample_of_even_steps(monkeypatch):
    """Alloys 3, 4 ... 29 at.% from the only training alloy."""
    al = np.arange(3, 30) / 100
    fractions = np.array([[0, 1], *np.column_stack([al, 1 - al])])
    asked = np.arange(1, len(fractions))
    monkeypatch.setattr(leakage, "SAMPLE", 9)
    monkeypatch.setattr(leakage, "PAIRS", 9)
    neighbours = Neighbours(fractions, np.arange(len(fractions)) == 0)
    assert neighbours.median(asked) == (15, 9)  # of 3, 6 ... 27; of all of them it is 16
    assert neighbours.median(asked[:9]) == (7, 9)


@pytest.fixture
def planted():
    """Training alloys of task a far from each other, one of task b, and test alloys at known distances from them."""
    training = [(10, 10), (30, 10), (10, 40), (50, 30)]
    tested = [(10.05, 10), (30, 10.4), (10, 41), (50, 31.5), (53, 30), (70, 20)]
    validation = [(80, 10), (81, 10)]
    other = [(70.2, 20), (20, 70), (5, 90), (5, 92), (4, 95), (6, 94)]
    labels = ["a"] * 12 + ["b"] * 6
    systems = ["AlCoNi"] * 10 + ["AlNi"] * 2 + ["AlCoNi"] * 6
    frame = features(training + tested + validation + other, labels, systems)
    parts = ["train"] * 4 + ["test"] * 6 + ["validation"] * 2 + ["train"] * 2 + ["test"] * 2 + ["validation"] * 2
    return frame, as_split(frame, parts)


def test_planted_neighbours_are_counted_at_each_distance(planted):
    frame, own = planted
    table = compare(frame, TASKS, SETTINGS, {7: own})
    expected = {SAME_TASK: (1, 2, 3, 4), ANY_TASK: (1, 3, 4, 5)}
    for training, counts in expected.items():
        row = used(table, task="a", partition="test", training=training)
        assert tuple(row[column("within", t)] for t in THRESHOLDS) == counts
        assert tuple(row[column("share", t)] for t in THRESHOLDS) == tuple(n / 6 for n in counts)
        assert (row["alloys"], row["system_share"]) == (6, 1)
    assert used(table, task="a", partition="test", training=SAME_TASK)["median"] == pytest.approx((1 + 1.5) / 2)
    validation = used(table, task="a", partition="validation", training=SAME_TASK)
    assert (validation["system_share"], validation["training_alloys"]) == (0, 4)
    assert column("share", NEAR_DUPLICATE) in table


def test_several_measurements_of_an_alloy_count_once(planted):
    frame, own = planted
    again = frame.iloc[[0, 4, 4, 6]].assign(alloy=["alloy000#2", "alloy004#2", "alloy004#3", "alloy006#2"])
    rows = pd.concat([frame, again]).sort_values("alloy", ignore_index=True)
    parts = own.drop_duplicates("alloy").set_index("alloy")["partition"]
    kept = as_split(rows, rows["alloy"].str.partition("#")[0].map(parts))
    pd.testing.assert_frame_equal(compare(rows, TASKS, SETTINGS, {7: kept}), compare(frame, TASKS, SETTINGS, {7: own}))


def library(alloys=300, seed=0):
    """Dense series of three systems, as a combinatorial deposition makes them."""
    rng = np.random.default_rng(seed)
    points = rng.dirichlet(np.ones(3), alloys)[:, :2] * 100
    systems = rng.integers(0, 20, alloys).astype(str).tolist()
    return features(points, rng.choice(["a", "b", "ab"], alloys), systems)


def test_a_grouped_split_shares_no_system_and_all_kinds_stand_side_by_side():
    frame = library()
    tables = {}
    for kind in KINDS:
        settings = {**SETTINGS, "kind": kind}
        own = {seed: split(frame, TASKS, settings, seed) for seed in (1, 2)}
        tables[kind] = compare(frame, TASKS, settings, own)
    for kind, table in tables.items():
        assert table["possible"].all()
        assert table.loc[table["used"], "split"].unique().tolist() == [kind]
        # Which kind is in use changes what is marked, and nothing else.
        pd.testing.assert_frame_equal(table.drop(columns="used"), tables["grouped"].drop(columns="used"))
    by_kind = table.set_index("split")
    assert (by_kind.loc["grouped", "system_share"] == 0).all()
    assert (by_kind.loc["stratified", "system_share"] == 1).all()
    duplicates = table.groupby("split")[column("share", NEAR_DUPLICATE)].mean()
    assert duplicates["clustered"] < duplicates["stratified"] / 2
    # Whatever one task has taught, all tasks have.
    seen = table.pivot(columns="training", index=["split", "split_seed", "task", "partition"], values="within_1")
    assert (seen[ANY_TASK] >= seen[SAME_TASK]).all()


def test_a_kind_that_cannot_be_made_is_said_with_its_reason():
    frame = library(60).assign(system="AlCoNi")
    settings = {**SETTINGS, "clusters": 100}
    table = compare(frame, TASKS, settings, {7: split(frame, TASKS, settings, 7)})
    failed = table[~table["possible"]]
    assert failed["split"].tolist() == ["grouped", "clustered"]
    assert failed["reason"].iloc[0].startswith("split seed 7, task ")
    assert failed["reason"].iloc[1] == "split.clusters: 100 clusters cannot be made of 60 compositions."
    assert failed.drop(columns=["split", "used", "split_seed", "possible", "reason"]).isna().all(axis=None)
    assert len(table) == 2 + 2 * 2 * 2
