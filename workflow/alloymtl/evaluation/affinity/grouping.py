"""Which tasks belong together: average linkage on 1 - G, how many groups there are if any, and how good a grouping is.

A grouping is a list of groups, each a list of task names. Groups that functions here return have their tasks in the
order in which the tasks were given, and stand in the order of their first tasks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

Groups = list[list[str]]
Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]
Pair = tuple[str, str]

ROUNDING = 1e-9
"""Distances and scores that differ by less are equal but for rounding."""
ENUMERATED = 20_000
"""Partitions are all gone through where there are no more than that: always with up to ten tasks."""

FEWEST_TASKS = 5
"""For a statement that there are no groups: four tasks have 30 arrangements of their pairs, three have one."""

GROUPS, NO_GROUPS, CANNOT_TELL, MISSING = "groups", "no groups", "cannot tell", "missing"
"""What can be said of a matrix; see ``best_cut``."""


@dataclass(frozen=True)
class Tree:
    """Average linkage of tasks.

    ``linkage`` has scipy's format, shape (T - 1, 4): the two branches joined (leaves are numbered in the order of
    ``tasks``), their distance, the number of tasks below. The branch that holds the earlier task stands first, so that
    scipy's ``dendrogram`` draws the leaves in the order of ``leaves``. ``distance`` is what was clustered, T x T;
    ``clipped`` names the pairs whose distance was negative and set to zero.

    ``missing`` names the pairs without a value. Where there is one, there is no clustering: ``linkage`` has no row and
    ``leaves`` no name.
    """

    tasks: tuple[str, ...]
    distance: Matrix
    linkage: Matrix
    leaves: tuple[str, ...]
    clipped: tuple[Pair, ...]
    missing: tuple[Pair, ...]


@dataclass(frozen=True)
class BestCut:
    """The cut with the best silhouette, and what can be said of it: ``verdict``, see ``best_cut``.

    ``groups``, ``k`` and ``silhouette`` are of the best cut whatever the verdict; ``silhouettes`` has all cuts by k.
    ``smallest_p`` is the smallest p-value that these entries of the matrix could have given in any arrangement, as far
    as the draws show it. ``similarity`` is the mean entry, which tells tasks that all agree from tasks that do not.
    Without a cut to choose (verdict ``missing``, or two tasks) there are no groups, k is 0, and other numbers are NaN.
    """

    verdict: str
    groups: Groups
    k: int
    silhouette: float
    silhouettes: Mapping[int, float]
    p_value: float
    smallest_p: float
    draws: int
    similarity: float
    missing: tuple[Pair, ...]


@dataclass(frozen=True)
class Score:
    """How far two groupings agree, beside what groups of the same sizes reach by chance.

    ``chance`` is the mean of the score over ``partitions`` random partitions, or over all there are where
    ``exhaustive``; ``p_value`` is one-sided.
    """

    value: float
    chance: float
    p_value: float
    partitions: int
    exhaustive: bool


@dataclass(frozen=True)
class Stability:
    """How often tasks fall into one group, over runs.

    ``share`` (T x T) is the share of ``runs`` runs in which two tasks are in one of k groups. ``left_out`` gives the
    places of the runs that have no clustering, since a pair lacks its value; they are not counted. ``tied`` counts the
    runs whose cut is not the only one (``tied``). ``tree`` is the average linkage on 1 - share: cut it for a consensus.
    """

    share: Matrix
    runs: int
    left_out: tuple[int, ...]
    tied: int
    tree: Tree


def tree(similarity: ArrayLike, tasks: Sequence[str]) -> Tree:
    """Cluster tasks by average linkage on the distance 1 - G (UPGMA; arXiv:2604.07848 groups tasks so).

    A noise-corrected cosine can exceed 1; its distance is clipped at zero, and the pair is named. One below -1 stays a
    distance above 2. Of joins at the same distance, that of the tasks first by name comes first: the order in which
    tasks are given decides nothing but the order of the leaves.

    Args:
        similarity: G, shape (T, T), symmetric; its diagonal is not looked at. NaN: no value.
        tasks: names, T of them, two or more.

    Raises:
        ValueError: shapes that do not fit, a repeated name, a matrix that is not symmetric, an infinite entry.
    """
    g, names = _checked(similarity, tasks)
    upper = list(combinations(range(len(names)), 2))
    missing = tuple((names[i], names[j]) for i, j in upper if np.isnan(g[i, j]))
    clipped = tuple((names[i], names[j]) for i, j in upper if g[i, j] > 1)
    distance = _distance(g)
    if missing:
        return Tree(names, distance, np.empty((0, 4)), (), clipped, missing)
    order = _by_name(names)
    linkage = _linkage(distance[np.ix_(order, order)])
    leaf = linkage[:, :2] < len(names)
    linkage[:, :2][leaf] = order[linkage[:, :2][leaf].astype(np.int64)]
    linkage = _oriented(linkage)
    leaves = tuple(names[i] for i in hierarchy.leaves_list(linkage))
    return Tree(names, distance, linkage, leaves, clipped, missing)


def cut(tree: Tree, k: int) -> Groups:
    """The k groups that are left when the last k - 1 joins of a tree are undone.

    Raises:
        ValueError: k is not between 1 and the number of tasks, or the tree has no clustering.
    """
    return _named(_labels(tree, k), tree.tasks)


def tied(tree: Tree, k: int) -> bool:
    """Whether another cut into k groups has as good a claim.

    So it is where two branches that were no further apart than those joined instead ended up in different groups.

    Raises:
        ValueError: as ``cut``.
    """
    labels = _labels(tree, k)
    branches = [np.array([task]) for task in range(len(tree.tasks))]
    alive = set(range(len(branches)))
    for first, second, height, _ in tree.linkage[: len(tree.tasks) - k]:
        for a, b in combinations(sorted(alive), 2):
            near = tree.distance[np.ix_(branches[a], branches[b])].mean() <= height + ROUNDING
            if near and labels[branches[a][0]] != labels[branches[b][0]]:
                return True
        alive -= {int(first), int(second)}
        alive.add(len(branches))
        branches.append(np.concatenate([branches[int(first)], branches[int(second)]]))
    return False


def silhouettes(tree: Tree) -> dict[int, float]:
    """Mean silhouette of the cut into k groups, for k from 2 to T - 1 (Rousseeuw, J. Comput. Appl. Math. 20, 1987).

    Of each task (b - a) / max(a, b), with a its mean distance to the others of its group and b that to the nearest
    other group; 0 for a task on its own, and where a = b = 0. Equal to scikit-learn's on precomputed distances, which
    takes too long for the thousands that ``best_cut`` needs.

    Raises:
        ValueError: the tree has no clustering.
    """
    _clustered(tree)
    return _silhouettes(tree.distance, tree.linkage)


def best_cut(
    similarity: ArrayLike, tasks: Sequence[str], alpha: float, draws: int, rng: np.random.Generator
) -> BestCut:
    """Choose the number of groups by the best mean silhouette, and test whether there are groups at all.

    A silhouette does not change when task names are permuted. The null hypothesis is therefore another: the entries of
    G are exchangeable among pairs, as noise about one common value is. Each draw puts the same entries elsewhere,
    clusters them, and takes the best silhouette over k, so that the choice of k is paid for. p is the share of draws
    that do at least as well, the observed one counted in (Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 9, 2010).

    Cosines of independent gradients that live in few dimensions are not quite exchangeable: simulated for eight tasks
    in 5 to 20 dimensions, groups are found in up to 9 % of cases at alpha = 0.05.

    The verdict is ``groups`` where p < alpha; ``no groups`` where the best silhouette is no better than chance, be it
    that all tasks agree or that none do (``similarity`` tells which); ``cannot tell`` instead of it where no
    arrangement of these entries could have given p < alpha, or where there are fewer than ``FEWEST_TASKS`` tasks;
    ``missing`` where a pair has no value.

    Args:
        similarity: as ``tree``.
        tasks: as ``tree``.
        alpha: chance of finding groups where the entries are exchangeable.
        draws: random arrangements.
        rng: draws them. The result does not depend on the order of the tasks.

    Raises:
        ValueError: as ``tree``; no draw; alpha outside (0, 1).
    """
    if draws < 1 or not 0 < alpha < 1:
        raise ValueError(f"it takes a draw or more and an alpha between 0 and 1, not {draws} and {alpha}")
    found = tree(similarity, tasks)
    order = _by_name(found.tasks)
    entries = np.asarray(similarity, dtype=float)[np.ix_(order, order)][np.triu_indices(len(order), 1)]
    mean = float(entries.mean())
    if found.missing:
        return BestCut(MISSING, [], 0, math.nan, {}, math.nan, math.nan, 0, mean, found.missing)
    of_k = silhouettes(found)
    if not of_k:
        return BestCut(CANNOT_TELL, [], 0, math.nan, {}, math.nan, math.nan, 0, mean, ())
    k = _best(of_k)
    distances = np.maximum(1 - entries, 0)
    drawn = np.array([_best_of(rng.permutation(distances)) for _ in range(draws)])
    p_value, smallest = (
        float(1 + (drawn >= bar - ROUNDING).sum()) / (1 + draws) for bar in (of_k[k], max(of_k[k], drawn.max()))
    )
    able = smallest < alpha and len(order) >= FEWEST_TASKS
    verdict = GROUPS if p_value < alpha else NO_GROUPS if able else CANNOT_TELL
    return BestCut(verdict, cut(found, k), k, of_k[k], of_k, p_value, smallest, draws, mean, ())


def scores(found: Groups, known: Groups, draws: int, rng: np.random.Generator) -> dict[str, Score]:
    """How well a grouping recovers a known one: adjusted Rand index, adjusted and plain mutual information.

    ``ari`` (Hubert and Arabie, J. Classif. 2, 193, 1985) and ``ami`` (Vinh et al., JMLR 11, 2837, 2010) are 1 where the
    groupings are the same and 0 on average by chance. ``nmi`` is here to be shown beside its chance level, which comes
    near 1 with many small groups. Means over the two entropies are arithmetic.

    Chance is a random partition of the tasks into groups of the sizes that ``found`` has; where there are no more than
    ``ENUMERATED`` of these, all are gone through and the p-value is exact.

    Args:
        found: the grouping to be judged.
        known: the true one, of the same tasks.
        draws: random partitions where they are not enumerated.
        rng: draws them.

    Returns:
        By name of the score.

    Raises:
        ValueError: the groupings are not of the same tasks, a task stands twice, or there is no draw to be made.
    """
    tasks = _tasks(known)
    if sorted(_tasks(found)) != sorted(tasks):
        raise ValueError("two groupings can be compared where they are of the same tasks")
    truth, labels = _as_labels(known, tasks), _as_labels(found, tasks)
    sizes = [len(group) for group in found]
    n = count_partitions(sizes)
    exhaustive = n <= ENUMERATED
    if not exhaustive and draws < 1:
        raise ValueError(f"there are {n} partitions, too many to go through: it takes a draw or more")
    others = _partitions(len(tasks), sizes) if exhaustive else (rng.permutation(labels) for _ in range(draws))
    times: Counter[bytes] = Counter()
    example: dict[bytes, Labels] = {}
    for other in others:
        # Few of the partitions differ in what the scores depend on.
        key = _meetings(other, truth)
        times[key] += 1
        example.setdefault(key, other)
    weights = np.array([times[key] for key in example])
    return {
        name: _against(score(truth, labels), np.array([score(truth, o) for o in example.values()]), weights, exhaustive)
        for name, score in _measures().items()
    }


def count_partitions(sizes: Sequence[int]) -> int:
    """In how many ways tasks can be put into groups of these sizes: n! / (product of s! and of m!).

    Here n is the sum of the sizes s, and m counts the groups of one size, which have no order.

    Raises:
        ValueError: a size is below one, or there is none.
    """
    if not sizes or min(sizes) < 1:
        raise ValueError(f"groups need sizes of one or more, not {list(sizes)}")
    same = Counter(sizes).values()
    return math.factorial(sum(sizes)) // math.prod(math.factorial(v) for v in (*sizes, *same))


def partitions(tasks: Sequence[str], sizes: Sequence[int]) -> Iterator[Groups]:
    """Every partition of tasks into groups of given sizes, each once, in a fixed order.

    Raises:
        ValueError: the sizes do not sum to the number of tasks, or a name is repeated.
    """
    names = _fitting(tasks, sizes)
    return (_named(labels, names) for labels in _partitions(len(names), sizes))


def random_partitions(
    tasks: Sequence[str], sizes: Sequence[int], n: int, rng: np.random.Generator, without: Sequence[Groups] = ()
) -> list[Groups]:
    """Different random partitions of tasks into groups of given sizes: controls for a grouping.

    Args:
        tasks: names.
        sizes: of the groups, in any order; they sum to the number of tasks.
        n: how many partitions.
        rng: draws them; each is as likely as any other.
        without: groupings that are not to be among them, such as the one to be judged.

    Raises:
        ValueError: as ``partitions``, or there are fewer than n of them; says how many.
    """
    names = _fitting(tasks, sizes)
    shape = (sorted(sizes), sorted(names))
    barred = {_frozen(g) for g in without if (sorted(map(len, g)), sorted(_tasks(g))) == shape}
    there = count_partitions(sizes) - len(barred)
    if n > there:
        raise ValueError(f"there are {there} such partitions, not {n}")
    if there <= ENUMERATED:
        every = [groups for groups in partitions(names, sizes) if _frozen(groups) not in barred]
        return [every[i] for i in rng.choice(len(every), size=n, replace=False)]
    labels = np.repeat(np.arange(len(sizes)), sizes)
    made: list[Groups] = []
    while len(made) < n:
        groups = _named(rng.permutation(labels), names)
        if _frozen(groups) not in barred:
            barred.add(_frozen(groups))
            made.append(groups)
    return made


def stability(similarities: Sequence[ArrayLike], tasks: Sequence[str], k: int) -> Stability:
    """How often each two tasks share one of k groups, over runs, and the consensus of the runs' groupings.

    The consensus is average linkage on 1 - share (evidence accumulation: Fred and Jain, IEEE Trans. Pattern Anal. Mach.
    Intell. 27, 835, 2005); ``cut`` it into k groups. Shares are often equal: ask ``tied`` of the tree.

    Args:
        similarities: G of each run, as ``tree``.
        tasks: as ``tree``.
        k: number of groups.

    Raises:
        ValueError: as ``tree`` and ``cut``; no run.
    """
    trees = [tree(similarity, tasks) for similarity in similarities]
    if not trees:
        raise ValueError("stability over runs takes a run or more")
    whole = [t for t in trees if not t.missing]
    labels = np.array([_labels(t, k) for t in whole]).reshape(len(whole), len(tasks))
    together = labels[:, :, None] == labels[:, None, :]
    share = together.mean(axis=0) if whole else np.full((len(tasks), len(tasks)), np.nan)
    left_out = tuple(number for number, t in enumerate(trees) if t.missing)
    return Stability(share, len(whole), left_out, sum(tied(t, k) for t in whole), tree(share, tasks))


def _checked(similarity: ArrayLike, tasks: Sequence[str]) -> tuple[Matrix, tuple[str, ...]]:
    g, names = np.asarray(similarity, dtype=float), tuple(tasks)
    if len(names) < 2 or len(set(names)) < len(names) or g.shape != (len(names), len(names)):
        raise ValueError(f"it takes two tasks or more of different names and their matrix, not {names} and {g.shape}")
    apart = g[~np.eye(len(names), dtype=bool)]
    if np.isinf(apart).any() or not np.allclose(g, g.T, rtol=0, atol=ROUNDING, equal_nan=True):
        raise ValueError("a matrix of similarities is symmetric, without infinite entries")
    return g, names


def _by_name(names: Sequence[str]) -> Labels:
    return np.array(sorted(range(len(names)), key=lambda i: names[i]))


def _distance(g: Matrix) -> Matrix:
    distance = np.maximum(1 - g, 0)
    np.fill_diagonal(distance, 0)
    return distance


def _linkage(distance: Matrix) -> Matrix:
    return hierarchy.linkage(squareform(distance, checks=False), method="average")


def _oriented(linkage: Matrix) -> Matrix:
    """The same joins, the branch with the earlier leaf first."""
    n = len(linkage) + 1
    earliest = list(range(n))
    for row in linkage:
        row[:2] = sorted(row[:2], key=lambda branch: earliest[int(branch)])
        earliest.append(earliest[int(row[0])])
    return linkage


def _clustered(tree: Tree) -> None:
    if tree.missing:
        raise ValueError(f"no clustering: {' and '.join(tree.missing[0])} have no value")


def _labels(tree: Tree, k: int) -> Labels:
    _clustered(tree)
    if not 1 <= k <= len(tree.tasks):
        raise ValueError(f"{len(tree.tasks)} tasks make from 1 to {len(tree.tasks)} groups, not {k}")
    return next(islice(_cuts(tree.linkage), len(tree.tasks) - k, None))


def _cuts(linkage: Matrix) -> Iterator[Labels]:
    """Group of each task in the cut into T groups, T - 1, and so on to one; groups have the numbers of branches."""
    n = len(linkage) + 1
    labels = np.arange(n)
    yield labels
    for number, (first, second) in enumerate(linkage[:, :2]):
        labels = np.where((labels == first) | (labels == second), n + number, labels)
        yield labels


def _silhouettes(distance: Matrix, linkage: Matrix) -> dict[int, float]:
    n = len(distance)
    proper = islice(enumerate(_cuts(linkage)), 1, n - 1)
    return {n - joins: _silhouette(distance, labels) for joins, labels in proper}


def _silhouette(distance: Matrix, labels: Labels) -> float:
    of_group = labels[:, None] == np.unique(labels)
    sizes = of_group.sum(axis=0)
    means = distance @ of_group / sizes
    own = (sizes * of_group).sum(axis=1)
    a = (means * of_group).sum(axis=1) * own / np.maximum(own - 1, 1)
    b = np.where(of_group, np.inf, means).min(axis=1)
    larger = np.maximum(a, b)
    return float(np.where((own > 1) & (larger > 0), (b - a) / np.where(larger > 0, larger, 1), 0).mean())


def _best(of_k: Mapping[int, float]) -> int:
    """The k of the best silhouette; of equal ones the smallest."""
    best = max(of_k.values())
    return min(k for k, value in of_k.items() if value >= best - ROUNDING)


def _best_of(distances: Matrix) -> float:
    linkage = hierarchy.linkage(distances, method="average")
    return max(_silhouettes(squareform(distances), linkage).values())


def _measures() -> dict[str, Callable[[Labels, Labels], float]]:
    # Imported here because it takes longer than all of this module's other work.
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, normalized_mutual_info_score

    return {
        "ari": adjusted_rand_score,
        "ami": adjusted_mutual_info_score,
        "nmi": normalized_mutual_info_score,
    }


def _meetings(labels: Labels, truth: Labels) -> bytes:
    """How many tasks two groups share, for all that share some: with sizes given, the scores depend on nothing else."""
    return np.sort(np.unique(labels * len(truth) + truth, return_counts=True)[1]).tobytes()


def _against(value: float, others: Matrix, weights: Labels, exhaustive: bool) -> Score:
    total, reached = int(weights.sum()), int(weights[others >= value - ROUNDING].sum())
    # A drawn sample need not hold the observed partition, which its null hypothesis counts among the possible ones.
    p_value = reached / total if exhaustive else (1 + reached) / (1 + total)
    return Score(float(value), float(others @ weights / total), p_value, total, exhaustive)


def _partitions(n: int, sizes: Sequence[int]) -> Iterator[Labels]:
    """Group number of each task, for every partition: the first task without a group chooses size and companions."""
    labels = np.empty(n, dtype=np.int64)

    def fill(free: list[int], left: Counter[int], number: int) -> Iterator[Labels]:
        if not free:
            yield labels.copy()
            return
        for size in sorted(s for s, times in left.items() if times):
            for companions in combinations(free[1:], size - 1):
                members = {free[0], *companions}
                labels[list(members)] = number
                rest = [task for task in free if task not in members]
                yield from fill(rest, left - Counter([size]), number + 1)

    return fill(list(range(n)), Counter(sizes), 0)


def _fitting(tasks: Sequence[str], sizes: Sequence[int]) -> tuple[str, ...]:
    names = tuple(tasks)
    count_partitions(sizes)
    if len(set(names)) < len(names) or sum(sizes) != len(names):
        raise ValueError(f"groups of the sizes {list(sizes)} do not hold {len(names)} tasks of different names")
    return names


def _named(labels: Labels, names: Sequence[str]) -> Groups:
    of_group: dict[int, list[str]] = {}
    for label, name in zip(labels.tolist(), names, strict=True):
        of_group.setdefault(label, []).append(name)
    return list(of_group.values())


def _tasks(groups: Groups) -> list[str]:
    names = [name for group in groups for name in group]
    if not names or len(set(names)) < len(names) or not all(groups):
        raise ValueError(f"a grouping holds each task once and no empty group, unlike {groups}")
    return names


def _as_labels(groups: Groups, tasks: Sequence[str]) -> Labels:
    number = {name: n for n, group in enumerate(groups) for name in group}
    return np.array([number[name] for name in tasks])


def _frozen(groups: Groups) -> frozenset[frozenset[str]]:
    return frozenset(frozenset(group) for group in groups)
