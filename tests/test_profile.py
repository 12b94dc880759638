"""The profile of a union data set: counts, ranges, histograms, common labels and elements, each by its definition."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alloymtl.data.profile import ALL_TASKS, MOST_BINS, bin_edges, histogram, profile

ELEMENTS = ["Al", "Co", "Ni"]
TASKS = [
    {"name": "hardness", "kind": "regression", "unit": "GPa"},
    {"name": "density", "kind": "regression", "unit": "g/cm3"},
    {"name": "glass", "kind": "classification", "unit": ""},
]
NONE = np.nan


def union(rows):
    """Rows of (alloy, system, fractions, label and number and spread of each task)."""
    table = []
    for alloy, system, fractions, *labels in rows:
        row = {"alloy": alloy, "system": system, **dict(zip((f"c:{e}" for e in ELEMENTS), fractions, strict=True))}
        for task, label in zip(TASKS, labels, strict=True):
            y, n, sd = label or (NONE, 0, NONE)
            row |= {f"y:{task['name']}": y, f"n:{task['name']}": n, f"sd:{task['name']}": sd}
        table.append(row)
    return pd.DataFrame(table)


@pytest.fixture
def tables():
    rows = [
        ("Al10Co90", "AlCo", (0.1, 0.9, 0), (4.0, 3, 1.0), (8.0, 1, NONE), None),
        ("Al30Co70", "AlCo", (0.3, 0.7, 0), (6.0, 1, NONE), None, (1.0, 2, 0.0)),
        ("Co50Ni50", "CoNi", (0, 0.5, 0.5), (10.0, 2, 0.5), None, (0.0, 1, NONE)),
        ("Ni100", "Ni", (0, 0, 1.0), None, (0.0, 2, 1.0), (1.0, 1, NONE)),
    ]
    return profile(union(rows), ELEMENTS, TASKS)


def test_counts_ranges_and_spread_of_each_task(tables):
    found = tables["tasks"].set_index("task")
    hardness = found.loc["hardness"]
    assert hardness[["alloys", "readings", "systems", "repeated"]].tolist() == [3, 6, 2, 2]
    assert hardness[["minimum", "q1", "median", "q3", "maximum"]].tolist() == [4, 5, 6, 8, 10]
    assert hardness["mean"] == pytest.approx(20 / 3)
    assert hardness["sd"] == pytest.approx(np.sqrt(28 / 3))
    assert hardness["spread"] == pytest.approx((1 / 4 + 0.5 / 10) / 2)
    assert np.isnan(found.loc["density", "spread"])  # nothing is relative to a mean of zero
    glass = found.loc["glass"]
    assert glass[["alloys", "readings", "systems", "repeated", "class_0", "class_1"]].tolist() == [3, 4, 3, 1, 1, 2]
    assert glass[["minimum", "median", "maximum", "mean", "sd", "spread"]].isna().all()


def test_common_alloys_of_every_two_tasks(tables):
    found = tables["overlap"].set_index(["task_a", "task_b"])
    labels = {"hardness": {0, 1, 2}, "density": {0, 3}, "glass": {1, 2, 3}}
    assert len(found) == 9
    for (a, b), row in found.iterrows():
        both, either = labels[a] & labels[b], labels[a] | labels[b]
        assert (row["both"], row["either"]) == (len(both), len(either))
        assert row["jaccard"] == len(both) / len(either)


def test_elements_of_each_task_and_of_all(tables):
    found = tables["elements"].set_index(["task", "element"])
    assert found.loc[("hardness", "Al")].tolist() == [2, 2 / 3, pytest.approx(0.2)]
    assert found.loc[("glass", "Ni")].tolist() == [2, 2 / 3, pytest.approx(0.75)]
    assert found.loc[(ALL_TASKS, "Co")].tolist() == [3, 3 / 4, pytest.approx(0.7)]
    assert ALL_TASKS not in {task["name"] for task in TASKS}
    assert found.loc[(ALL_TASKS, "Al"), "alloys"] == 2


def test_histograms_hold_every_alloy(tables):
    counts = tables["histograms"].groupby("task")["alloys"].sum()
    assert counts.to_dict() == {"hardness": 3, "density": 2, "glass": 3}
    glass = tables["histograms"].query("task == 'glass'")
    assert glass[["bin_low", "bin_high", "alloys"]].to_numpy().tolist() == [[-0.5, 0.5, 1], [0.5, 1.5, 2]]


@given(
    values=st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=200),
    tail=st.sampled_from([(), (1e30,), (-1e30, 1e30)]),
)
@settings(max_examples=200, deadline=None)
def test_bins_are_few_and_hold_every_value(values, tail):
    values = np.array([*values, *tail])
    edges = bin_edges(values)
    assert 2 <= len(edges) <= MOST_BINS + 1
    assert edges[0] <= values.min()
    assert values.max() <= edges[-1]
    assert histogram(values, edges, "a")["alloys"].sum() == len(values)


def test_bins_follow_the_rule_of_freedman_and_diaconis():
    values = np.random.default_rng(0).normal(size=1000)
    np.testing.assert_allclose(bin_edges(values), np.histogram_bin_edges(values, "fd"))


def test_kept_measurements_have_the_profile_of_their_means():
    rng = np.random.default_rng(0)
    merged, kept = [], []
    for number in range(40):
        fractions, system = rng.dirichlet(np.ones(3)), ("AlCoNi", "other")[number % 2]
        values = rng.normal(5, 1, number % 4 + 1)
        glass = (float(number % 3 == 0), len(values), 0.0 if len(values) > 1 else NONE)
        name = f"alloy{number:02d}"
        spread = values.std(ddof=1) if len(values) > 1 else NONE
        merged.append((name, system, fractions, (values.mean(), len(values), spread), None, glass))
        for again, value in enumerate(values, 1):
            own = name + (f"#{again}" if again > 1 else "")
            kept.append((own, system, fractions, (value, 1, NONE), None, (glass[0], 1, NONE)))
    tasks = [TASKS[0], TASKS[2]]
    of_merged, of_kept = (profile(union(rows), ELEMENTS, tasks) for rows in (merged, kept))
    assert of_merged["tasks"]["repeated"].tolist() == [30, 30]
    for name, table in of_merged.items():
        pd.testing.assert_frame_equal(of_kept[name], table)


def test_a_list_in_one_row_counts_its_readings():
    """Of the readings 60, 10, 20 in one row and 40, 50 in two, an alloy has the spread of all."""
    hardness = TASKS[:1]
    values = np.array([60.0, 10.0, 20.0])
    one = ("a", "Al", (1, 0, 0), (values.mean(), 3, values.std(ddof=1)), None, None)
    others = [(f"a#{n}", "Al", (1, 0, 0), (v, 1, NONE), None, None) for n, v in ((2, 40.0), (3, 50.0))]
    other = ("b", "Al", (1, 0, 0), (70.0, 1, NONE), None, None)
    for rows, readings in (([one], values), ([one, *others], [*values, 40.0, 50.0])):
        found = profile(union([*rows, other]), ELEMENTS, hardness)["tasks"].iloc[0]
        label = np.mean([row[3][0] for row in rows])
        assert found[["alloys", "readings", "repeated"]].tolist() == [2, len(readings) + 1, 1]
        assert found["spread"] == pytest.approx(np.std(readings, ddof=1) / label)
