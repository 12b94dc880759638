"""The partition: exact counts, one partition for each alloy, nested levels."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from alloymtl.data.clusters import composition_clusters, fractions_of
from alloymtl.data.split import KINDS as SPLITS
from alloymtl.data.split import counts, split
from alloymtl.errors import UserError
from alloymtl.run import PARTITIONS
from alloymtl.training.dataset import at_level

SETTINGS = {"kind": "stratified", "validation": 0.15, "test": 0.15, "strata": 10, "clusters": 12}
KINDS = {"a": "regression", "b": "regression", "c": "classification"}


def table(sizes, overlap=0, seed=0, systems=12):
    """Alloys with labels for tasks a, b, c; the first ``overlap`` alloys of b and of c also carry a label of a."""
    rng = np.random.default_rng(seed)
    n = sum(sizes.values())
    frame = pd.DataFrame(
        {"alloy": [f"alloy{i:06d}" for i in range(n)], "system": rng.integers(0, systems, n).astype(str)}
    )
    start = 0
    for task, size in sizes.items():
        y = np.full(n, np.nan)
        rows = np.arange(start, start + size)
        if task != "a":
            frame.loc[rows[:overlap], "y:a"] = rng.normal(size=len(rows[:overlap]))
        y[rows] = rng.permutation(np.arange(size) % 3 == 0) if task == "c" else rng.normal(size=size)
        frame[f"y:{task}"] = y
        start += size
    fractions = np.random.default_rng([seed, 1]).dirichlet(np.ones(4), n)
    return frame.assign(**{f"x:{e}": c for e, c in zip(("Al", "Co", "Ni", "Ti"), fractions.T, strict=True)})


def group_of(frame, kind):
    """What a kind of split keeps together."""
    if kind == "clustered":
        return composition_clusters(fractions_of(frame), SETTINGS["clusters"])
    return frame["system" if kind == "grouped" else "alloy"]


def measured_again(frame, extra, seed):
    """The table with some of its alloys measured several times, the label of each the mean of its rows."""
    rng = np.random.default_rng([seed, 2])
    rows = []
    for alloy, more in zip(frame.to_dict("records"), rng.permutation(extra), strict=True):
        offsets = rng.permutation(np.arange(more + 1) - more / 2)
        for number, offset in enumerate(offsets, 1):
            own = {f"y:{t}": alloy[f"y:{t}"] + offset for t in KINDS if KINDS[t] == "regression"}
            rows.append({**alloy, **own, "alloy": alloy["alloy"] + (f"#{number}" if number > 1 else "")})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [(52388, (36670, 7859, 7859)), (800, (560, 120, 120)), (840, (588, 126, 126))],
)
def test_shares_give_the_counts_of_table_1(labels, expected):
    assert counts(labels, 0.15, 0.15) == expected


def test_disjoint_tasks_get_exact_counts_and_each_class_its_share():
    sizes = {"a": 5000, "b": 800, "c": 840}
    frame = table(sizes)
    result = split(frame, KINDS, SETTINGS, seed=42)
    for task, size in sizes.items():
        found = result[result.task == task].partition.value_counts()
        assert tuple(found[p] for p in PARTITIONS) == counts(size, 0.15, 0.15)
    classes = result[result.task == "c"].merge(frame[["alloy", "y:c"]])
    for partition, part in classes.groupby("partition"):
        assert part["y:c"].sum() == pytest.approx(len(part) / 3, abs=1), partition


def test_regression_labels_are_spread_alike_over_partitions():
    frame = table({"a": 3000, "b": 200, "c": 200})
    part = split(frame, KINDS, SETTINGS, seed=1).query("task == 'a'").merge(frame[["alloy", "y:a"]])
    deciles = pd.qcut(part["y:a"], 10, labels=False)
    shares = pd.crosstab(part.partition, deciles, normalize="index")
    assert (shares - 0.1).abs().to_numpy().max() < 0.01


@given(
    sizes=st.tuples(*[st.integers(40, 160)] * 3),
    overlap=st.integers(0, 40),
    seed=st.integers(0, 2**31),
    kind=st.sampled_from(SPLITS),
)
@settings(max_examples=60, deadline=None)
def test_every_label_is_placed_once_and_an_alloy_never_in_two_partitions(sizes, overlap, seed, kind):
    frame = table(dict(zip("abc", sizes, strict=True)), overlap, seed)
    try:
        result = split(frame, KINDS, {**SETTINGS, "kind": kind}, seed)
    except UserError:
        if kind == "stratified":
            raise
        reject()  # so few groups that some partition cannot have both classes
    for task in KINDS:
        assert set(result[result.task == task].alloy) == set(frame.alloy[frame[f"y:{task}"].notna()])
    assert not result.duplicated(["alloy", "task"]).any()
    assert (result.groupby("alloy").partition.nunique() == 1).all()
    grouped = result.merge(frame[["alloy"]].assign(group=group_of(frame, kind)))
    assert (grouped.groupby("group").partition.nunique() == 1).all()


@given(most=st.integers(1, 4), overlap=st.integers(0, 40), seed=st.integers(0, 2**31), kind=st.sampled_from(SPLITS))
@settings(max_examples=30, deadline=None)
def test_all_measurements_of_an_alloy_lie_where_its_mean_would(most, overlap, seed, kind):
    frame = table({"a": 120, "b": 60, "c": 60}, overlap, seed, systems=30)
    rows = measured_again(frame, np.arange(len(frame)) % (most + 1), seed)
    try:
        of_means = split(frame, KINDS, {**SETTINGS, "kind": kind}, seed)
    except UserError:
        reject()
    result = split(rows, KINDS, {**SETTINGS, "kind": kind}, seed)
    for task in KINDS:
        labelled = rows.alloy[rows[f"y:{task}"].notna()]
        own = result[result.task == task]
        assert own.alloy.tolist() == labelled.tolist()
        assert sorted(own.order) == list(range(len(own)))
    result["alloy"] = result.alloy.str.replace(r"#\d+", "", regex=True)
    columns = ["alloy", "task", "partition"]
    expected, found = (t[columns].drop_duplicates().sort_values(columns).to_numpy() for t in (of_means, result))
    np.testing.assert_array_equal(found, expected)


def test_clusters_are_of_alike_compositions():
    centres = np.random.default_rng(0).permutation(np.eye(6) * 0.8 + 0.2 / 6)
    family = np.random.default_rng(1).integers(0, 6, 600)
    fractions = np.clip(centres[family] + np.random.default_rng(2).normal(0, 0.02, (600, 6)), 0, None)
    found = composition_clusters(fractions / fractions.sum(1, keepdims=True), 6)
    assert len(set(zip(family, found, strict=True))) == len(set(found)) == 6


def test_more_clusters_than_compositions_is_said():
    frame = table({"a": 40, "b": 40, "c": 44})
    with pytest.raises(UserError, match=r"split.clusters: 200 clusters cannot be made of 124 compositions."):
        split(frame, KINDS, {**SETTINGS, "kind": "clustered", "clusters": 200}, 7)


@given(n=st.integers(50, 400), first=st.integers(1, 400), second=st.integers(1, 400), seed=st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_levels_are_nested_exact_and_keep_partitions_and_minority_rows(n, first, second, seed):
    frame = table({"a": n, "b": 40, "c": 44}, seed=seed)
    whole = split(frame, KINDS, SETTINGS, seed)
    small, large = sorted((min(first, n), min(second, n)))
    kept = {level: at_level(whole, level) for level in (small, large)}
    rows = {level: set(part[part.task == "a"].alloy) for level, part in kept.items()}
    assert rows[small] <= rows[large]
    assert {level: len(found) for level, found in rows.items()} == {small: small, large: large}
    for part in kept.values():
        merged = part.merge(whole, on=["alloy", "task"], suffixes=("", "_whole"))
        assert (merged.partition == merged.partition_whole).all()
        assert len(part[part.task != "a"]) == 84
    whole_shares = whole[whole.task == "a"].partition.value_counts(normalize=True)
    level_counts = kept[large].query("task == 'a'").partition.value_counts().reindex(PARTITIONS, fill_value=0)
    assert ((level_counts - large * whole_shares).abs() <= 1 + 1e-9).all()


def test_the_split_depends_on_its_seed_alone():
    frame = table({"a": 500, "b": 80, "c": 84})
    again = split(frame, KINDS, SETTINGS, 42)
    pd.testing.assert_frame_equal(split(frame, KINDS, SETTINGS, 42), again)
    assert not split(frame, KINDS, SETTINGS, 43).partition.equals(again.partition)


def test_too_few_systems_for_a_grouped_split_is_said():
    frame = table({"a": 100, "b": 40, "c": 44}, systems=2)
    with pytest.raises(UserError, match=r"split seed 7, task .: no alloy for (validation|test)"):
        split(frame, KINDS, {**SETTINGS, "kind": "grouped"}, 7)


def test_a_partition_without_one_of_the_classes_is_said():
    frame = table({"a": 100, "b": 40, "c": 44}, systems=9)
    frame["y:c"] = np.where(frame["y:c"].notna(), frame["system"].eq("0").astype(float), np.nan)
    with pytest.raises(UserError, match=r"split seed 7, task c: all labels of \w+ are [01]\."):
        split(frame, KINDS, {**SETTINGS, "kind": "grouped"}, 7)


def test_a_level_beyond_the_data_is_said():
    whole = split(table({"a": 100, "b": 40, "c": 44}), KINDS, SETTINGS, 7)
    with pytest.raises(UserError, match="level 101: task 'a' has only 100 labels"):
        at_level(whole, 101)
