"""Grouping of tasks: scipy and scikit-learn as oracles, all relabellings, and simulation where there is no group."""

from __future__ import annotations

import math
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform
from sklearn import metrics as sk

from alloymtl.evaluation.affinity import grouping
from alloymtl.evaluation.affinity.grouping import (
    CANNOT_TELL,
    GROUPS,
    MISSING,
    NO_GROUPS,
    best_cut,
    count_partitions,
    cut,
    partitions,
    random_partitions,
    scores,
    silhouettes,
    stability,
    tied,
    tree,
)

NAMES = list("abcdefghijkl")


def symmetric(entries):
    """A matrix from the entries of its upper triangle, row by row."""
    g = squareform(np.asarray(entries, dtype=float))
    np.fill_diagonal(g, 1)
    return g


def noise(n, rng, mean=0.0, sd=0.2):
    return symmetric(rng.normal(mean, sd, n * (n - 1) // 2))


def planted(groups, names, rng, within=0.5, sd=0.1):
    """Similarity ``within`` in each group and 0 between groups, with noise."""
    of = {name: number for number, group in enumerate(groups) for name in group}
    pairs = combinations(names, 2)
    return symmetric([within * (of[a] == of[b]) + rng.normal(0, sd) for a, b in pairs])


def as_sets(groups):
    return {frozenset(group) for group in groups}


def labels_of(groups, names):
    return [next(n for n, group in enumerate(groups) if name in group) for name in names]


def matrices(levels=None, most=7):
    """Names in some order and a matrix; with ``levels``, its entries are among few values, so that joins tie."""
    entry = st.sampled_from(levels) if levels else st.floats(-1.2, 1.2)
    return st.integers(4, most).flatmap(
        lambda n: st.lists(entry, min_size=n * (n - 1) // 2, max_size=n * (n - 1) // 2).map(symmetric)
    )


# Trees and cuts.


@given(matrices())
def test_cuts_and_silhouettes_are_those_of_scipy_and_scikit_learn(g):
    names = NAMES[: len(g)]
    found = tree(g, names)
    distance = np.clip(1 - g, 0, None)
    np.fill_diagonal(distance, 0)
    linkage = hierarchy.linkage(squareform(distance), "average")
    of_k = silhouettes(found)
    assert list(of_k) == list(range(len(g) - 1, 1, -1))
    for k, value in of_k.items():
        labels = labels_of(cut(found, k), names)
        assert value == pytest.approx(sk.silhouette_score(distance, labels, metric="precomputed"), abs=1e-9)
        if not tied(found, k):
            theirs = hierarchy.fcluster(linkage, k, "maxclust")
            assert sk.adjusted_rand_score(theirs, labels) == 1


def test_a_dendrogram_draws_the_leaves_in_the_stated_order_with_the_earlier_task_first():
    g = planted([["a", "d"], ["b", "c", "e"]], NAMES[:5], np.random.default_rng(0))
    found = tree(g, NAMES[:5])
    assert hierarchy.is_valid_linkage(found.linkage)
    drawn = hierarchy.dendrogram(found.linkage, no_plot=True, labels=list(found.tasks))["ivl"]
    assert tuple(drawn) == found.leaves
    assert found.leaves[:2] == ("a", "d")
    assert cut(found, 1) == [NAMES[:5]]
    assert cut(found, 2) == [["a", "d"], ["b", "c", "e"]]
    assert cut(found, 5) == [[name] for name in NAMES[:5]]


@pytest.mark.parametrize("levels", [None, [0.0, 0.5, 1.0]])
def test_the_order_in_which_tasks_are_given_decides_nothing(levels):
    @given(matrices(levels, most=6), st.randoms(use_true_random=False))
    def holds(g, random):
        order = list(range(len(g)))
        random.shuffle(order)
        names = NAMES[: len(g)]
        moved, moved_names = g[np.ix_(order, order)], [names[i] for i in order]
        one, other = tree(g, names), tree(moved, moved_names)
        for k in range(1, len(g) + 1):
            assert as_sets(cut(one, k)) == as_sets(cut(other, k))
            assert tied(one, k) == tied(other, k)
        a, b = (best_cut(m, n, 0.05, 9, np.random.default_rng(0)) for m, n in ((g, names), (moved, moved_names)))
        assert (a.verdict, a.k, a.p_value) == (b.verdict, b.k, b.p_value)

    holds()


def test_a_cut_that_another_could_replace_is_called_tied():
    chain = tree(symmetric([0.7, 0.1, 0.7]), ["a", "b", "c"])  # a-b and b-c are as near
    assert cut(chain, 2) == [["a", "b"], ["c"]]
    assert tied(chain, 2)
    assert not tied(chain, 1)
    assert not tied(chain, 3)
    two = tree(symmetric([0.7, 0.1, 0.1, 0.1, 0.1, 0.7]), list("abcd"))  # a-b and c-d are, and both are joined
    assert not tied(two, 2)
    assert tied(two, 3)


def test_a_cosine_above_one_has_distance_zero_and_is_named_and_one_below_minus_one_stays_apart():
    found = tree(symmetric([1.3, -1.4, 0.2]), ["a", "b", "c"])
    assert found.clipped == (("a", "b"),)
    np.testing.assert_allclose(found.distance, [[0, 0, 2.4], [0, 0, 0.8], [2.4, 0.8, 0]])


def test_a_pair_without_a_value_leaves_no_clustering_and_is_named():
    g = symmetric([0.1, np.nan, 0.3, 0.2, 0.4, 0.6])
    found = tree(g, list("abcd"))
    assert found.missing == (("a", "c"),)
    assert found.linkage.shape == (0, 4)
    with pytest.raises(ValueError, match="a and c have no value"):
        cut(found, 2)
    verdict = best_cut(g, list("abcd"), 0.05, 9, np.random.default_rng(0))
    assert (verdict.verdict, verdict.groups, verdict.missing) == (MISSING, [], (("a", "c"),))
    assert math.isnan(verdict.p_value)


@pytest.mark.parametrize(
    ("g", "names"),
    [
        ([[1, 0.5], [0.4, 1]], ["a", "b"]),
        ([[1, 0.5], [0.5, 1]], ["a", "a"]),
        ([[1, 0.5], [0.5, 1]], ["a", "b", "c"]),
        ([[1, np.inf], [np.inf, 1]], ["a", "b"]),
        ([[1, np.nan], [0.5, 1]], ["a", "b"]),
        ([[1]], ["a"]),
    ],
)
def test_what_is_no_matrix_of_similarities_is_refused(g, names):
    with pytest.raises(ValueError, match=r"it takes|symmetric"):
        tree(g, names)


# How many groups.


@pytest.mark.parametrize(
    "groups",
    [
        [["a", "f", "c"], ["b", "d", "e"]],
        [["a", "e"], ["b", "f"], ["c", "d"]],
        [["h", "a", "c"], ["b", "d", "g"], ["e", "f"]],
    ],
)
def test_planted_groups_are_recovered(groups):
    rng = np.random.default_rng(1)
    names = sorted(name for group in groups for name in group)
    found = best_cut(planted(groups, names, rng, sd=0.05), names, 0.05, 199, rng)
    assert found.verdict == GROUPS
    assert found.k == len(groups)
    assert as_sets(found.groups) == as_sets(groups)
    score = scores(found.groups, groups, 0, rng)["ari"]
    assert score.value == 1
    assert score.p_value == pytest.approx(1 / count_partitions([len(group) for group in groups]))


def test_independent_tasks_are_grouped_no_more_often_than_stated():
    rng = np.random.default_rng(2)
    found = [best_cut(noise(6, rng), NAMES[:6], 0.05, 99, rng) for _ in range(200)]
    assert {f.verdict for f in found} == {GROUPS, NO_GROUPS}
    p = np.array([f.p_value for f in found])
    for level in (0.04, 0.1, 0.25, 0.5, 0.75):  # the p-value of an exact test reaches each of its values so often
        assert stats.binomtest(int((p <= level).sum()), len(p), level).pvalue > 0.005
    assert sum(f.verdict == GROUPS for f in found) == (p < 0.05).sum()


def test_tasks_that_all_agree_are_one_group_as_far_as_can_be_told():
    rng = np.random.default_rng(3)
    found = best_cut(noise(8, rng, mean=0.8, sd=0.05), NAMES[:8], 0.05, 199, rng)
    assert found.verdict == NO_GROUPS
    assert found.similarity == pytest.approx(0.8, abs=0.05)
    assert found.silhouette == max(found.silhouettes.values())


@pytest.mark.parametrize(
    "entries",
    [
        [0.3],
        [0.9, 0.0, 0.1],  # however three pairs are arranged, the tree is the same but for names
        [0.9, 0.01, 0.02, 0.03, 0.04, 0.7],  # two clear pairs of four tasks: a third of what chance makes of them
        [0.25] * 15,
    ],
)
def test_too_few_tasks_or_entries_that_do_not_differ_cannot_tell(entries):
    g = symmetric(entries)
    found = best_cut(g, NAMES[: len(g)], 0.05, 199, np.random.default_rng(0))
    assert found.verdict == CANNOT_TELL


def test_the_p_value_of_four_tasks_is_that_of_all_arrangements():
    entries = np.array([0.9, 0.3, 0.2, 0.1, 0.0, 0.7])
    names = NAMES[:4]
    best = [max(silhouettes(tree(symmetric(e), names)).values()) for e in permutations(entries)]
    exact = np.mean(np.array(best) >= max(silhouettes(tree(symmetric(entries), names)).values()) - 1e-9)
    found = best_cut(symmetric(entries), names, 0.05, 4000, np.random.default_rng(4))
    assert 0 < exact < 1
    assert found.p_value == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 4000))
    assert found.smallest_p == pytest.approx(np.mean(np.array(best) >= max(best) - 1e-9), abs=0.015)


# Scores against a known grouping.

PUBLISHED_KNOWN = [["a", "b"], ["c", "d"], ["e", "f"], *([name] for name in "ghijkl")]
PUBLISHED_FOUND = [["a", "b"], ["c", "d"], ["e", "g"], ["f"], *([name] for name in "hijkl")]


def test_the_published_mutual_information_of_nine_groups_of_twelve_tasks_is_hardly_above_chance():
    """arXiv:2604.07848 prints NMI .946 and ARI .651, which is two of three pairs, without the chance level."""
    found = scores(PUBLISHED_FOUND, PUBLISHED_KNOWN, 0, np.random.default_rng(0))
    assert found["nmi"].value == pytest.approx(0.946, abs=5e-4)
    assert found["ari"].value == pytest.approx(0.651, abs=5e-4)
    assert found["nmi"].chance == pytest.approx(0.845, abs=5e-4)
    assert found["ami"].chance == pytest.approx(0, abs=1e-9)  # adjusted for this very chance
    assert found["ari"].chance == pytest.approx(0, abs=1e-9)
    assert found["ami"].partitions == 13_860
    # Partitions with two of the pairs or all three: of the other eight tasks, any pair is the third.
    assert found["ari"].p_value == pytest.approx((3 * (math.comb(8, 2) - 1) + 1) / 13_860)


@pytest.mark.parametrize(
    ("found", "known"),
    [
        ([["a", "b"], ["c", "d", "e"], ["f"]], [["a", "b", "c"], ["d", "e", "f"]]),
        ([["a", "d"], ["b", "e"], ["c", "f"]], [["a", "d"], ["b", "f", "c", "e"]]),
        ([["a", "b", "c", "d", "e"], ["f"]], [["a"], ["b", "c", "d"], ["e", "f"]]),
    ],
)
def test_exact_p_values_and_chance_levels_are_those_of_all_relabellings(found, known):
    truth, labels = labels_of(known, NAMES[:6]), labels_of(found, NAMES[:6])
    oracle = {
        "ari": sk.adjusted_rand_score,
        "ami": sk.adjusted_mutual_info_score,
        "nmi": sk.normalized_mutual_info_score,
    }
    result = scores(found, known, 0, np.random.default_rng(0))
    for name, score in oracle.items():
        every = np.array([score(truth, other) for other in set(permutations(labels))])
        mine = result[name]
        assert mine.exhaustive
        assert mine.value == pytest.approx(score(truth, labels))
        assert mine.chance == pytest.approx(every.mean(), abs=1e-12)
        assert mine.p_value == pytest.approx(np.mean(every >= mine.value - 1e-9))


def test_drawn_partitions_come_near_to_all_of_them(monkeypatch):
    found, known = [["a", "b", "g"], ["c", "d", "e", "f", "h"]], [["a", "b"], ["c", "d", "e"], ["f", "g", "h"]]
    exact = scores(found, known, 0, np.random.default_rng(0))
    monkeypatch.setattr(grouping, "ENUMERATED", 0)
    drawn = scores(found, known, 2000, np.random.default_rng(5))
    for name, score in exact.items():
        assert (score.exhaustive, score.partitions) == (True, 56)
        assert (drawn[name].exhaustive, drawn[name].partitions) == (False, 2000)
        assert 0.05 < score.p_value < 0.95
        assert drawn[name].p_value == pytest.approx(score.p_value, abs=4 * math.sqrt(0.25 / 2000))
        assert drawn[name].chance == pytest.approx(score.chance, abs=0.02)
    with pytest.raises(ValueError, match="it takes a draw"):
        scores(found, known, 0, np.random.default_rng(5))


def test_scores_need_the_same_tasks_each_once():
    rng = np.random.default_rng(0)
    for found, known in (([["a"]], [["b"]]), ([["a", "b"]], [["a"]]), ([["a", "a"]], [["a"]]), ([["a"], []], [["a"]])):
        with pytest.raises(ValueError, match="grouping"):
            scores(found, known, 9, rng)


# Partitions.


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4).filter(lambda sizes: sum(sizes) <= 7))
def test_partitions_are_all_there_each_once(sizes):
    n = sum(sizes)
    labels = [number for number, size in enumerate(sizes) for _ in range(size)]
    brute = {
        frozenset(as_sets([[NAMES[i] for i in range(n) if order[i] == g] for g in range(len(sizes))]))
        for order in set(permutations(labels))
    }
    found = list(partitions(NAMES[:n], sizes))
    assert {frozenset(as_sets(groups)) for groups in found} == brute
    assert len(found) == len(brute) == count_partitions(sizes)
    multinomial = stats.multinomial.pmf(sizes, n, [1 / len(sizes)] * len(sizes)) * len(sizes) ** n
    repeats = math.prod(math.factorial(sizes.count(s)) for s in set(sizes))
    assert count_partitions(sizes) == pytest.approx(multinomial / repeats)


@pytest.mark.parametrize("enumerated", [20_000, 0])
def test_random_partitions_differ_and_come_again_with_the_same_generator(monkeypatch, enumerated):
    monkeypatch.setattr(grouping, "ENUMERATED", enumerated)
    barred = [["a", "b"], ["c", "d"], ["e"]]
    of_others = [["a", "b", "c"], ["d", "e"]]
    drawn = [
        random_partitions(NAMES[:5], [1, 2, 2], 14, np.random.default_rng(6), [barred, of_others]) for _ in range(2)
    ]
    assert drawn[0] == drawn[1]
    assert len({frozenset(as_sets(groups)) for groups in drawn[0]}) == 14
    assert as_sets(barred) not in [as_sets(groups) for groups in drawn[0]]
    assert all(sorted(map(len, groups)) == [1, 2, 2] for groups in drawn[0])
    with pytest.raises(ValueError, match="there are 14 such partitions, not 15"):
        random_partitions(NAMES[:5], [1, 2, 2], 15, np.random.default_rng(6), [barred])


@pytest.mark.parametrize("enumerated", [20_000, 0])
def test_every_partition_is_as_likely(monkeypatch, enumerated):
    monkeypatch.setattr(grouping, "ENUMERATED", enumerated)
    rng = np.random.default_rng(7)
    seen = [frozenset(as_sets(random_partitions(NAMES[:5], [2, 2, 1], 1, rng)[0])) for _ in range(1500)]
    counts = [seen.count(partition) for partition in set(seen)]
    assert len(counts) == 15
    assert stats.chisquare(counts).pvalue > 0.001


def test_sizes_that_do_not_fit_the_tasks_are_refused():
    for sizes in ([2, 2], [], [0, 3], [4, -1]):
        with pytest.raises(ValueError, match="sizes"):
            partitions(["a", "b", "c"], sizes)


# Stability over runs.


def test_shares_count_the_runs_in_which_tasks_are_together_and_name_those_that_have_no_clustering():
    names = list("abcd")
    rng = np.random.default_rng(8)
    of_runs = [[["a", "b"], ["c", "d"]]] * 2 + [[["a", "c"], ["b", "d"]]]
    runs = [planted(groups, names, rng, within=0.8, sd=0.01) for groups in of_runs]
    broken = runs[0].copy()
    broken[0, 3] = broken[3, 0] = np.nan
    found = stability([*runs[:2], broken, runs[2]], names, 2)
    third = 1 / 3
    expected = [[1, 2 * third, third, 0], [2 * third, 1, 0, third], [third, 0, 1, 2 * third], [0, third, 2 * third, 1]]
    np.testing.assert_allclose(found.share, expected)
    assert (found.runs, found.left_out, found.tied) == (3, (2,), 0)
    assert cut(found.tree, 2) == [["a", "b"], ["c", "d"]]
    assert not tied(found.tree, 2)


def test_runs_that_disagree_evenly_leave_a_consensus_that_is_tied():
    names = list("abcd")
    rng = np.random.default_rng(9)
    of_runs = [[["a", "b"], ["c", "d"]], [["a", "c"], ["b", "d"]]]
    found = stability([planted(groups, names, rng, within=0.8, sd=0.01) for groups in of_runs], names, 2)
    assert tied(found.tree, 2)


def test_without_any_clustering_there_is_no_share():
    found = stability([symmetric([np.nan] * 3)], ["a", "b", "c"], 2)
    assert (found.runs, found.left_out) == (0, (0,))
    assert found.tree.missing == (("a", "b"), ("a", "c"), ("b", "c"))
