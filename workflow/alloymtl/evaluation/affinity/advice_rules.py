"""What the evidence on a study supports: one line for each statement, none of them beyond its interval.

A direction (tasks agree, joint training gains, a balancer is better) is stated only where Holm's method over all
statements of its kind leaves it; the interval beside it then excludes 0. All else is ``cannot tell``, with the interval
to show how much that leaves open.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from alloymtl.evaluation.affinity import grouping
from alloymtl.evaluation.affinity.agreements import FEWEST_TASKS
from alloymtl.evaluation.affinity.alike import Alike
from alloymtl.evaluation.affinity.kinds import FEWEST
from alloymtl.evaluation.affinity.resampled import Estimate, resampled_t, signs
from alloymtl.evaluation.balancing.correlation import PEARSON, correlation
from alloymtl.evaluation.balancing.delta import overall

Pair = tuple[str, str]
Groups = Sequence[Sequence[str]]

BOTTOM_LINE, TRAINING, SIZES, OVERLAP, INPUTS, AFFINITY, JOINT, GROUPS, BALANCER = TOPICS = (
    "bottom line", "training", "sizes", "overlap", "inputs", "affinity", "joint", "groups", "balancer",
)  # fmt: skip

CANNOT_TELL, UNDEFINED, IDENTICAL = "cannot tell", "undefined", "identical"
CANNOT_TELL_HERE = "cannot tell from this overlap"
UNFINISHED = "unfinished"
GAINS, LOSES, AGREE, CONFLICT = "gains", "loses", "agree", "conflict"
INDEPENDENT, TOGETHER = "independent", "joint"
ALL = "all tasks"

PUBLISHED_KEPT = 0.297
PUBLISHED_OVERLAP = PUBLISHED_KEPT / (2 - PUBLISHED_KEPT)
"""Jaccard index of the share of labels kept, from which on arXiv:2604.07848 finds that gradients tell of relations."""
CORRECTED, MINIBATCH = "corrected", "minibatch"
WORDS = {CORRECTED: "noise-corrected", MINIBATCH: "of mini-batches"}
LAST = 0.1
"""Share of the epochs, the last ones: a network that was best in them had not finished learning."""
HALVINGS = 1000
"""Of so many splits that can be halved in more ways, so many are drawn."""
DRAWS = 1999


@dataclass(frozen=True)
class Line:
    """One statement and the number that it rests on.

    ``low`` and ``high`` are NaN where the number has no interval. ``n`` counts what the number was taken over, and
    ``rests_on`` says what that is. ``verdict`` is one of the words above, empty where nothing is decided.
    """

    topic: str
    subject: str
    verdict: str
    statement: str
    number: float
    unit: str
    low: float
    high: float
    n: int
    rests_on: str


@dataclass(frozen=True)
class Runs:
    """Runs behind the advice, and how many of them were best in the last epochs (``LAST``) that they may take."""

    all: int
    unfinished: int


@dataclass(frozen=True)
class Shared:
    """Alloys that carry the labels of both tasks, the Jaccard index of their training labels, label correlation."""

    alloys: int
    jaccard: float
    correlation: float


@dataclass(frozen=True)
class Agreed:
    """Correlation over pairs of the tasks' cosines with their label correlations, and its test by relabelled tasks."""

    mean: float
    low: float
    high: float
    p_value: float
    n: int


@dataclass(frozen=True)
class Evidence:
    """All that advice is based on.

    Attributes:
        tasks: names.
        alpha: level of every family of tests.
        ratio: test labels over training labels.
        labels: training labels of each task, mean over splits.
        runs: how they were trained.
        shared: what two tasks have in common, by pair.
        inputs: how alike their alloys are, of pairs with fewer than ``FEWEST`` in common.
        cosines: by estimator, splits x pairs; NaN where a run has none.
        agreed: None where it cannot be asked.
        joint: changes in percent of all tasks together against every task alone, splits x tasks (``delta.linearised``).
        balancers: those of each balancer, by title, against all together and against every task alone.
        groupings: those of each grouping that was trained, likewise, with its groups.
    """

    tasks: Sequence[str]
    alpha: float
    ratio: float
    labels: Mapping[str, float]
    runs: Runs
    shared: Mapping[Pair, Shared]
    inputs: Mapping[Pair, Alike]
    cosines: Mapping[str, pd.DataFrame]
    agreed: Agreed | None
    joint: pd.DataFrame
    balancers: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]
    groupings: Mapping[str, tuple[pd.DataFrame, pd.DataFrame, Groups]] = field(default_factory=dict)

    def estimate(self, values: pd.Series | NDArray[np.float64]) -> Estimate:
        """See ``resampled_t``."""
        return resampled_t(values, self.ratio, self.alpha)

    @property
    def hopeless(self) -> list[str]:
        """Tasks of which a percentage means nothing: alone, they are not told from a network that predicts nothing."""
        return [task for task in self.tasks if self.joint[task].isna().any()]

    def on_average(self, changes: pd.DataFrame) -> Estimate:
        """Delta m over the tasks of which a percentage means something; without a value where there are none."""
        left = changes.drop(columns=self.hopeless)
        return self.estimate(overall(left) if len(left.columns) else np.empty(0))

    @property
    def splits(self) -> int:
        """How many there are."""
        return len(self.joint)


@dataclass(frozen=True)
class Advice:
    """All lines, the bottom line first, and the groups of tasks that gradients show: none where they show none."""

    lines: Sequence[Line]
    groups: Groups


def advice(evidence: Evidence, rng: np.random.Generator) -> Advice:
    """What the evidence supports, by topic.

    Args:
        evidence: see there.
        rng: draws for tests.
    """
    groups, found = _groups(evidence, rng)
    joint, balancers = list(_joint(evidence)), list(_balancers(evidence))
    groups += _trained_groups(evidence)
    parts = [
        _training(evidence),
        _sizes(evidence),
        _overlap(evidence),
        _inputs(evidence),
        _affinity(evidence, rng),
        joint,
        groups,
        balancers,
    ]
    return Advice([_bottom_line(evidence, joint, groups, found), *(line for part in parts for line in part)], found)


def _training(evidence: Evidence) -> Iterator[Line]:
    runs, late = evidence.runs, evidence.runs.unfinished
    said = f"of {runs.all} runs were best in the last tenth of the epochs that they may take (training.max_epochs)"
    if late:
        said += ": there networks still learned, and with more epochs all of this may change"
    verdict, nan = UNFINISHED if late else "", math.nan
    yield Line(TRAINING, "runs", verdict, said, late, "runs", nan, nan, runs.all, "best epoch of runs")


def _sizes(evidence: Evidence) -> Iterator[Line]:
    nan, rests = math.nan, f"mean over {evidence.splits} splits"
    for task in evidence.tasks:
        size = evidence.labels[task]
        yield Line(SIZES, task, "", "labels to train on", size, "labels", nan, nan, evidence.splits, rests)
    by_size = sorted(evidence.tasks, key=lambda task: -evidence.labels[task])
    largest, smallest = by_size[0], by_size[-1]
    times = evidence.labels[largest] / evidence.labels[smallest]
    yield Line(
        SIZES, ALL, "", f"{largest} over {smallest}, the largest over the smallest", times, "times", nan, nan,
        evidence.splits, rests,
    )  # fmt: skip


def _overlap(evidence: Evidence) -> Iterator[Line]:
    nan = math.nan
    for pair, shared in evidence.shared.items():
        few = shared.alloys < FEWEST
        said = f"alloys carry both labels{f', too few for a label correlation ({FEWEST})' if few else ''}"
        yield Line(
            OVERLAP, named(pair), "too few" if few else "", said, shared.alloys, "alloys", nan, nan, shared.alloys,
            "count over all partitions",
        )  # fmt: skip
        below = shared.jaccard < PUBLISHED_OVERLAP
        said = f"Jaccard index of their training labels{f', below {PUBLISHED_OVERLAP:.2f}' if below else ''}"
        yield Line(
            OVERLAP, named(pair), "low" if below else "", said, shared.jaccard, "Jaccard", nan, nan, evidence.splits,
            f"mean over {evidence.splits} splits",
        )  # fmt: skip
        if math.isfinite(shared.correlation):
            low, high = _fisher(shared.correlation, shared.alloys, evidence.alpha)
            yield Line(
                OVERLAP, named(pair), "", "correlation of their labels", shared.correlation, "r", low, high,
                shared.alloys, "Pearson's r over alloys with both labels, interval by Fisher's z",
            )  # fmt: skip
    low = sum(shared.jaccard < PUBLISHED_OVERLAP for shared in evidence.shared.values())
    said = f"of {len(evidence.shared)} pairs are below {PUBLISHED_OVERLAP:.2f}"
    if low:
        said += (
            ", where gradients tell of relations only as far as the tasks' alloys are alike (arXiv:2604.07848 says: "
            "not at all)"
        )
    yield Line(
        OVERLAP, ALL, "low" if low else "", said, low, "pairs", nan, nan, len(evidence.shared), "Jaccard indices"
    )


def _inputs(evidence: Evidence) -> Iterator[Line]:
    for pair, alike in evidence.inputs.items():
        differ = alike.p_value < evidence.alpha
        said = (
            f"of alloys are of systems that the other task has too; {alike.chance:.2f} by chance (p "
            f"{p_text(alike.p_value)}): alloys {'differ' if differ else 'are not told apart'}"
        )
        yield Line(
            INPUTS, named(pair), "differ" if differ else CANNOT_TELL, said, alike.share, "share", math.nan, math.nan,
            alike.draws, "share of the task with the lower one; p of alloys dealt to both at random",
        )  # fmt: skip


def _affinity(evidence: Evidence, rng: np.random.Generator) -> Iterator[Line]:
    for estimator, word in WORDS.items():
        estimates = {pair: evidence.estimate(evidence.cosines[estimator][pair]) for pair in evidence.shared}
        shown = signs(estimates, evidence.alpha)
        for pair, e in estimates.items():
            verdict = {1: AGREE, -1: CONFLICT, 0: CANNOT_TELL}[shown[pair]]
            what = {AGREE: "gradients agree", CONFLICT: "gradients conflict"}.get(verdict, "cannot tell" + _why(e))
            if e.n < evidence.splits:
                what += f" (noise leaves no value in {evidence.splits - e.n} of {evidence.splits} splits)"
            yield _estimated(AFFINITY, named(pair), verdict, f"{word}: {what}", e, "cosine", "cosines, one a split")
    yield _reliability(evidence, rng)
    yield _agreement(evidence)


def _reliability(evidence: Evidence, rng: np.random.Generator) -> Line:
    """How well the mean cosines of one half of the splits agree with those of the other, over pairs of tasks."""
    estimator = used(evidence)
    whole = evidence.cosines[estimator].dropna()
    said = f"reliability over pairs, {WORDS[estimator]}: "
    none = Line(AFFINITY, ALL, CANNOT_TELL, "", math.nan, "r", math.nan, math.nan, len(whole), "halves of the splits")
    if len(evidence.tasks) < FEWEST_TASKS:
        what = f"cannot be told with fewer than {FEWEST_TASKS} tasks; each pair's interval stands above"
        return _with(none, said + what)
    if len(whole) < 4:
        return _with(none, f"{said}cannot be told from {len(whole)} splits in which every pair has a value")
    r = halves(whole.to_numpy(), rng)
    if not len(r):
        return _with(none, f"{said}cannot be told, pairs do not differ")
    what = (
        f"{said}two halves of the splits agree so well, between the least and the best of {len(r)} ways to halve them"
    )
    return Line(
        AFFINITY, ALL, "", what, float(r.mean()), "r", float(r.min()), float(r.max()), len(whole),
        "Pearson's r over pairs of tasks; low and high are of ways to halve the splits",
    )  # fmt: skip


def halves(cosines: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Correlation over pairs between the mean cosines of two halves of the splits, for each way to halve them.

    Args:
        cosines: splits x pairs.
        rng: draws ways to halve them where there are more than ``HALVINGS``.

    Returns:
        Only the correlations that are defined.
    """
    n = len(cosines)
    half = n // 2
    if math.comb(n, half) <= 2 * HALVINGS:
        ways = [list(one) for one in combinations(range(n), half) if n % 2 or 0 in one]
    else:
        ways = [list(rng.permutation(n)[:half]) for _ in range(HALVINGS)]
    rest = [[i for i in range(n) if i not in set(way)] for way in ways]
    first, second = (np.stack([cosines[way].mean(axis=0) for way in side]) for side in (ways, rest))
    r = correlation(first, second, PEARSON)
    return r[~np.isnan(r)]


def _agreement(evidence: Evidence) -> Line:
    agreed, rests = evidence.agreed, "Pearson's r over pairs of tasks, p by relabelled tasks"
    if agreed is None or math.isnan(agreed.mean):
        many = sum(math.isfinite(shared.correlation) for shared in evidence.shared.values())
        why = f"fewer than {FEWEST_TASKS} tasks" if len(evidence.tasks) < FEWEST_TASKS else f"{many} pairs have one"
        said = f"agreement of cosines with label correlations, whatever their sign cannot be told: {why}"
        return Line(AFFINITY, ALL, CANNOT_TELL, said, math.nan, "r", math.nan, math.nan, 0, rests)
    shown = agreed.p_value < evidence.alpha and (agreed.low > 0 or agreed.high < 0)
    verdict = CANNOT_TELL if not shown else AGREE if agreed.mean > 0 else CONFLICT
    what = {
        AGREE: "pairs whose labels correlate more have gradients more alike",
        CONFLICT: "pairs whose labels correlate more have gradients less alike",
    }
    found = f"{what.get(verdict, 'cannot tell')} (p {p_text(agreed.p_value)})"
    said = f"agreement of cosines with label correlations, whatever their sign: {found}"
    return Line(AFFINITY, ALL, verdict, said, agreed.mean, "r", agreed.low, agreed.high, agreed.n, rests)


def _joint(evidence: Evidence) -> Iterator[Line]:
    """All together against every task alone: on average, and task by task."""
    e = evidence.on_average(evidence.joint)
    verdict = _gain({ALL: e}, evidence.alpha)[ALL]
    said = {
        GAINS: "joint training gains over every task alone",
        LOSES: "joint training loses against every task alone",
        UNDEFINED: "joint or alone cannot be told: of no task a percentage means anything",
    }.get(verdict, f"joint or alone: cannot tell{_why(e)}")
    if evidence.hopeless and verdict != UNDEFINED:
        said += f"; without {' and '.join(evidence.hopeless)}"
    yield _estimated(JOINT, ALL, verdict, said, e, "%", "Delta m, one a split")
    of_tasks = {task: evidence.estimate(evidence.joint[task]) for task in evidence.tasks}
    for task, verdict in _gain(of_tasks, evidence.alpha).items():
        said = {
            GAINS: "gains by joint training",
            LOSES: "loses by joint training (negative transfer)",
            UNDEFINED: "a percentage means nothing: alone, it is not told from a network that predicts nothing",
        }.get(verdict, f"cannot tell{_why(of_tasks[task])}")
        yield _estimated(JOINT, task, verdict, said, of_tasks[task], "%", "change of its first metric, one a split")


def _groups(evidence: Evidence, rng: np.random.Generator) -> tuple[list[Line], Groups]:
    """What gradients say of groups, and the groups if they show some."""
    n, estimator = len(evidence.tasks), used(evidence)
    rests = f"best silhouette of average linkage on 1 - G ({WORDS[estimator]}), p against {DRAWS} arrangements of G"
    apart = {pair: alike for pair, alike in evidence.inputs.items() if alike.p_value < evidence.alpha}
    if n == 2:
        return [_no_groups("two tasks make no groups", math.nan, "p", 0, rests)], []
    if apart:
        worst = min(apart, key=lambda pair: apart[pair].share)
        said = (
            f"cannot tell groups from this overlap: {len(apart)} of {len(evidence.shared)} pairs have fewer than "
            f"{FEWEST} alloys in common and differ in their chemical systems, for which alone gradients may differ; "
            f"the number is of {named(worst)}"
        )
        share, rests = apart[worst].share, "share of alloys of chemical systems that both have"
        return [_no_groups(said, share, "share", apart[worst].draws, rests, CANNOT_TELL_HERE)], []
    if n < FEWEST_TASKS:
        said = f"cannot tell groups from chance: {n} tasks are too few"
        return [_no_groups(said, math.nan, "p", 0, rests)], []
    best = grouping.best_cut(_matrix(evidence, estimator), list(evidence.tasks), evidence.alpha, DRAWS, rng)
    said = {
        grouping.GROUPS: f"gradients fall into groups: {listed(best.groups)}",
        grouping.NO_GROUPS: f"no groups: gradients fall into none beyond chance (mean cosine {best.similarity:.2f})",
        grouping.CANNOT_TELL: f"cannot tell groups from chance: {n} tasks are too few",
        grouping.MISSING: f"cannot tell groups: {named(best.missing[0]) if best.missing else ''} have no cosine",
    }[best.verdict]
    if best.verdict == grouping.GROUPS:
        fits = [title for title, (*_, groups) in evidence.groupings.items() if _same(groups, best.groups)]
        said += f" (trained as {fits[0]})" if fits else "; they were not trained here, so that what they gain is open"
    verdict = CANNOT_TELL if best.verdict == grouping.MISSING else best.verdict
    line = Line(GROUPS, ALL, verdict, said, best.p_value, "p", math.nan, math.nan, best.draws, rests)
    return [line], best.groups if best.verdict == grouping.GROUPS else []


def _trained_groups(evidence: Evidence) -> list[Line]:
    """What the groupings that were trained gain over every task alone, and over all together."""
    made = []
    for place, against in ((1, "every task alone"), (0, "all tasks together")):
        of = {title: evidence.on_average(found[place]) for title, found in evidence.groupings.items()}
        for title, verdict in _gain(of, evidence.alpha).items():
            said = {GAINS: f"gains over {against}", LOSES: f"loses against {against}"}
            what = said.get(verdict, f"cannot tell from {against}{_why(of[title])}")
            made.append(_estimated(GROUPS, title, verdict, what, of[title], "%", f"Delta m against {against}"))
    return made


def _balancers(evidence: Evidence) -> Iterator[Line]:
    found = {}
    for place, against in ((0, "equal weights"), (1, "every task alone")):
        of = {title: evidence.on_average(changes[place]) for title, changes in evidence.balancers.items()}
        found[place] = of, _gain(of, evidence.alpha)
        for title, verdict in found[place][1].items():
            said = {
                GAINS: f"is better than {against}",
                LOSES: f"is worse than {against}",
                IDENTICAL: f"does what {against} do, in every run",
                UNDEFINED: "a percentage means nothing here",
            }.get(verdict, f"cannot tell from {against}{_why(of[title])}")
            yield _estimated(BALANCER, title, verdict, said, of[title], "%", f"Delta m against {against}")
    best = recommended(evidence)
    if best is None:
        said = "equal weights: no balancer is shown to be better"
        highest = max((e.mean for e in found[0][0].values() if math.isfinite(e.mean)), default=math.nan)
        said += ", and this is the highest change" if math.isfinite(highest) else ""
        nan, rests = math.nan, "highest Delta m of a balancer against equal weights"
        yield Line(BALANCER, ALL, "equal weights", said, highest, "%", nan, nan, evidence.splits, rests)
    else:
        rests = "Delta m against equal weights"
        yield _estimated(
            BALANCER,
            ALL,
            best,
            f"{best}: the highest change of those that are shown to be better",
            found[0][0][best],
            "%",
            rests,
        )


def recommended(evidence: Evidence) -> str | None:
    """The balancer with the highest gain over equal weights among those that are shown to gain; None if none is."""
    of = {title: evidence.on_average(found[0]) for title, found in evidence.balancers.items()}
    shown = [title for title, verdict in _gain(of, evidence.alpha).items() if verdict == GAINS]
    return max(shown, key=lambda title: of[title].mean, default=None)


def _bottom_line(evidence: Evidence, joint: Sequence[Line], groups: Sequence[Line], found: Groups) -> Line:
    """Independent, joint, groups or cannot tell.

    Groups where a grouping that was trained is shown to gain both over every task alone and over all together. Else it
    is as joint training stands against every task alone: with equal weights or, where these are not shown to gain, with
    the balancer that is shown to be better than they are.
    """
    trained = [
        (lines[0], lines[0].subject)
        for title in evidence.groupings
        if (lines := [line for line in groups if line.subject == title]) and all(li.verdict == GAINS for li in lines)
    ]
    balancer, on_average, way = recommended(evidence), joint[0], "joint training"
    said, verdict = _reason(on_average, way)
    if trained:
        on_average, way = max(trained, key=lambda one: one[0].number)
        said = f"{way} ({listed(evidence.groupings[way][2])}) gain over every task alone, and over all together"
        verdict = GROUPS
    elif balancer is not None and on_average.verdict != GAINS:
        way = f"joint training with {balancer}"
        said, verdict = _reason(_against_alone(evidence, balancer), way)
        if on_average.verdict == LOSES:
            said += "; with equal weights it loses"
        on_average = _against_alone(evidence, balancer)
    else:
        said += _exceptions(joint[1:], verdict) + (f"; {balancer} is better still" if balancer else "")
    if found and not evidence.groupings:
        said += "; the groups that gradients show are worth a comparison"
    if evidence.hopeless and on_average.verdict != UNDEFINED:
        names = " and ".join(evidence.hopeless)
        said += f"; {names} left out, not told from a network that predicts nothing when alone"
    if evidence.runs.unfinished:
        said += f"; {evidence.runs.unfinished} of {evidence.runs.all} runs had not finished learning"
    rests = f"Delta m of {way} against every task alone"
    return Line(
        BOTTOM_LINE, ALL, verdict, said, on_average.number, "%", on_average.low, on_average.high, on_average.n, rests
    )


def _against_alone(evidence: Evidence, balancer: str) -> Line:
    of = {title: evidence.on_average(changes[1]) for title, changes in evidence.balancers.items()}
    verdict = _gain(of, evidence.alpha)[balancer]
    return _estimated(BALANCER, balancer, verdict, "", of[balancer], "%", "")


def _reason(on_average: Line, way: str) -> tuple[str, str]:
    """Why joint training is advised or not, and what is."""
    if on_average.verdict == GAINS:
        return f"{way} gains over every task alone", TOGETHER
    if on_average.verdict == LOSES:
        return f"{way} loses against every task alone", INDEPENDENT
    if on_average.verdict == UNDEFINED:
        return "alone, no task is told from a network that predicts nothing", CANNOT_TELL
    if math.isnan(on_average.low):
        return "there are too few splits for an interval", CANNOT_TELL
    if on_average.low > 0 or on_average.high < 0:
        return f"{way} is one of several that were tried, and too little is shown of it for that", CANNOT_TELL
    return f"what {way} changes, on average over tasks, has an interval that holds 0", CANNOT_TELL


def _exceptions(of_tasks: Sequence[Line], verdict: str) -> str:
    """Tasks that joint training is shown to change otherwise than it does on average."""
    gain, lose = ([line.subject for line in of_tasks if line.verdict == v] for v in (GAINS, LOSES))
    parts = []
    if gain and verdict != TOGETHER:
        parts.append(f"{' and '.join(gain)} {'gains' if len(gain) == 1 else 'gain'}")
    if lose and verdict != INDEPENDENT:
        parts.append(f"{' and '.join(lose)} {'loses' if len(lose) == 1 else 'lose'}")
    return f"; but {', and '.join(parts)}" if parts else ""


def used(evidence: Evidence) -> str:
    """The estimator that groups are told from: corrected for noise, if that leaves every pair an interval."""
    whole = {name: bool((table.notna().sum() >= 2).all()) for name, table in evidence.cosines.items()}
    return CORRECTED if whole[CORRECTED] or not whole[MINIBATCH] else MINIBATCH


def named(pair: Pair) -> str:
    """A pair of tasks, in words."""
    return " and ".join(pair)


def listed(groups: Groups) -> str:
    """Groups in words."""
    return " | ".join(", ".join(group) for group in groups)


def p_text(p: float) -> str:
    """A p-value in words of three digits."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _gain(estimates: Mapping[str, Estimate], alpha: float) -> dict[str, str]:
    """What is shown of each of a family of changes, where higher is better."""
    shown = signs(estimates, alpha)
    words = {1: GAINS, -1: LOSES, 0: CANNOT_TELL}
    return {
        key: UNDEFINED if not e.n else IDENTICAL if e.identical else words[shown[key]] for key, e in estimates.items()
    }


def _why(e: Estimate) -> str:
    """Why nothing is shown."""
    if e.identical:
        return ", nothing differs in any run"
    if math.isnan(e.low):
        return ", too few values for an interval"
    if e.low <= 0 <= e.high:
        return ", the interval holds 0"
    return ", Holm's correction for all statements of this kind leaves too little"


def _estimated(topic: str, subject: str, verdict: str, said: str, e: Estimate, unit: str, rests: str) -> Line:
    return Line(topic, subject, verdict, said, e.mean, unit, e.low, e.high, e.n, rests)


def _no_groups(said: str, number: float, unit: str, n: int, rests: str, verdict: str = CANNOT_TELL) -> Line:
    return Line(GROUPS, ALL, verdict, said, number, unit, math.nan, math.nan, n, rests)


def _with(line: Line, statement: str) -> Line:
    return Line(**{**vars(line), "statement": statement})


def _matrix(evidence: Evidence, estimator: str) -> NDArray[np.float64]:
    """Mean cosine of each pair over splits, tasks x tasks."""
    made = np.eye(len(evidence.tasks))
    for (first, second), value in evidence.cosines[estimator].mean().items():
        i, j = evidence.tasks.index(first), evidence.tasks.index(second)
        made[i, j] = made[j, i] = value
    return made


def _same(first: Groups, second: Groups) -> bool:
    """Whether two groupings are one; a group of one task need not be named."""
    one, other = ({frozenset(group) for group in groups if len(group) > 1} for groups in (first, second))
    return one == other


def _fisher(r: float, n: int, alpha: float) -> tuple[float, float]:
    """Interval of a correlation of independent pairs."""
    if abs(r) >= 1:
        return r, r
    z, half = math.atanh(r), float(ndtri(1 - alpha / 2)) / math.sqrt(n - 3)
    return math.tanh(z - half), math.tanh(z + half)
