"""Phrases about what a study found: scores, evidence of tests, counts of verdicts, intervals and where they lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alloymtl.paper.display import metric_title
from alloymtl.paper.latex import Tex, listing
from alloymtl.paper.wording.prose import Prose

OUTCOMES = {
    "better": "came out better",
    "worse": "came out worse",
    "not shown": "showed no significant difference",
    "identical": "gave identical results",
}
LIES = {
    "above": ("lies above zero", "lie above zero"),
    "below": ("lies below zero", "lie below zero"),
    "around": ("holds zero", "hold zero"),
}
FEW = 4  # tests whose evidence stands in a sentence; more of them are named without it

SHORT = 3  # intervals that a bracket holds

Test = Mapping[str, Any]
Fact = Mapping[str, Any]


class Findings:
    """Phrases about the results of one study.

    Args:
        prose: phrases about its design, whose facts and numbers these use.
    """

    def __init__(self, prose: Prose) -> None:
        self.prose, self.facts, self.val = prose, prose.facts, prose.val

    def tests(self, experiment: str = "main", **wanted: str) -> list[Test]:
        """Tests of an experiment on each task's first metric that agree with all that is given."""
        found = self.facts["tests"].get(experiment, [])
        return [t for t in found if all(t[k] == v for k, v in wanted.items())]

    def score(self, task: str, method: str, experiment: str = "main") -> Tex:
        """Mean and SD of a task's first metric, for use in mathematics."""
        metrics = {t.name: self.prose.study.metrics(t)[0] for t in self.prose.study.tasks}
        key = ("score", experiment, method, task, metrics[task])
        return Tex(rf"{self.val(*key, 'mean')}\pm{self.val(*key, 'sd')}")

    def reported(self, task: str, method: str, experiment: str = "main") -> Tex:
        """The reported mean (and SD) of a task's first metric, as the end of a bracket; empty where there is none."""
        metrics = {t.name: self.prose.study.metrics(t)[0] for t in self.prose.study.tasks}
        key = ("reported", experiment, method, task, metrics[task])
        if not self.prose.has(*key, "mean"):
            return Tex("")
        spread = rf"\pm{self.val(*key, 'sd')}" if self.prose.has(*key, "sd") else ""
        return Tex(rf"; reported ${self.val(*key, 'mean')}{spread}$")

    def strength(self, test: Test) -> Tex:
        """A test's difference, interval and corrected p-value."""
        key = test["key"]
        return Tex(
            rf"$\Delta={self.val(key, 'difference')}$, interval {self.val(key, 'low')} to {self.val(key, 'high')}, "
            rf"$p{self.val(key, 'p')}$"
        )

    def evidence(self, tests: Iterable[Test]) -> Tex:
        """Tasks of some tests of one pair, where they are few each with difference, interval and corrected p-value."""
        tests = list(tests)
        if len(tests) > FEW:
            return self.prose.tasks(t["task"] for t in tests)
        return listing(Tex(f"{self.prose.task(t['task'])} ({self.strength(t)})") for t in tests)

    def cases(self, tests: Iterable[Test]) -> Tex:
        """Tests by name: ``Standard MTL and Structured MTL on Resistivity and Hardness; PCGrad on Hardness``."""
        of_method: dict[str, list[str]] = {}
        for t in tests:
            of_method.setdefault(t["method"], []).append(t["task"])
        alike: dict[tuple[str, ...], list[str]] = {}
        for method, tasks in of_method.items():
            alike.setdefault(tuple(tasks), []).append(method)
        return Tex("; ".join(f"{self.prose.methods(ms)} on {self.prose.tasks(ts)}" for ts, ms in alike.items()))

    def named(self, tests: Iterable[Test]) -> Tex:
        """Tests by name, with their evidence where they are few."""
        found = list(tests)
        if len(found) > FEW:
            return self.cases(found)
        return Tex("; ".join(f"{self.cases([t])} ({self.strength(t)})" for t in found))

    def tally(self, scope: str, which: Tex) -> Tex:
        """How some tests fell, without a full stop.

        Args:
            scope: which tests are counted, as step ``numbers`` names it.
            which: words that say which tests, to stand after "comparison" or "comparisons".
        """
        counts = self.facts["tally"][scope]
        fell = [verdict for verdict in OUTCOMES if counts[verdict]]
        if counts["all"] == 1:
            return Tex(f"the one comparison {which} {OUTCOMES[fell[0]]}")
        if len(fell) == 1:
            every = "both" if counts["all"] == 2 else f"all {self._count(scope, 'all')}"
            return Tex(f"{every} comparisons {which} {OUTCOMES[fell[0]]}")
        each = listing(Tex(f"{self._count(scope, v)} {OUTCOMES[v]}") for v in fell)
        return Tex(f"of the {self._count(scope, 'all')} comparisons {which}, {each}")

    def _count(self, scope: str, verdict: str) -> Tex:
        return self.val(f"tally.{scope}+{verdict.replace(' ', '_')}")

    def outcome(self, experiment: str, baseline: str | None = None, method: str | None = None) -> Tex:
        """Sentences on how the tests of an experiment fell: what is better, what is worse, how much stays open.

        Args:
            experiment: its tests.
            baseline: those against this method alone.
            method: of these, those of this method alone.
        """
        wanted = {k: v for k, v in {"baseline": baseline, "method": method}.items() if v is not None}
        found = self.tests(experiment, **wanted)
        if method is not None and len(found) > 1:
            return self._pair(".".join([experiment, *wanted.values()]), found)
        scope = ".".join([experiment, *wanted.values()])
        said = [
            f"{verdict.capitalize()} than {self.prose.method(rival)}: {self.named(mine)}."
            for verdict in ("better", "worse")
            for rival in dict.fromkeys(t["baseline"] for t in found)
            if (mine := [t for t in found if (t["baseline"], t["verdict"]) == (rival, verdict)])
        ]
        if silent := [t for t in found if t["verdict"] == "not shown"]:
            said.append(self._silent(scope, silent, alone=len(silent) == len(found)))
        for rival in dict.fromkeys(t["baseline"] for t in found):
            if same := [t for t in found if (t["baseline"], t["verdict"]) == (rival, "identical")]:
                said.append(f"The same results as {self.prose.method(rival)}: {self.cases(same)}.")
        return Tex(" ".join(said))

    def _silent(self, scope: str, tests: list[Test], alone: bool) -> str:
        """A sentence on the tests that show nothing; ``alone`` says that there are no others."""
        if len(tests) == 1:
            start = "No difference is shown" if alone else "In the other test no difference is shown"
            return f"{start}: {self.named(tests)}."
        n = self._count(scope, "not shown")
        return (
            f"None of the {n} tests shows a difference." if alone else f"In the other {n} tests no difference is shown."
        )

    def _pair(self, scope: str, tests: list[Test]) -> Tex:
        """Sentences on one pair of methods, task by task."""
        method = self.prose.method(tests[0]["method"])
        of = {verdict: [t for t in tests if t["verdict"] == verdict] for verdict in OUTCOMES}
        said = []
        if of["worse"]:
            said.append(f"{method} is worse on {self.evidence(of['worse'])}.")
        if of["better"]:
            said.append(f"{'It' if said else method} is better on {self.evidence(of['better'])}.")
        if of["not shown"]:
            rival = self.prose.method(tests[0]["baseline"])
            if said or len(of["not shown"]) <= FEW:
                start = "No difference is shown on" if said else f"No difference from {rival} is shown on any task:"
                said.append(f"{start} {self.evidence(of['not shown'])}.")
            else:
                said.append(
                    f"No difference from {rival} is shown on any of the {self._count(scope, 'not shown')} tasks."
                )
        if of["identical"]:
            said.append(f"Both give the same results on {self.prose.tasks(t['task'] for t in of['identical'])}.")
        return Tex(" ".join(said))

    def pools(self, tests: Iterable[Test]) -> bool:
        """Whether some tests set joint networks against independent ones, so that they speak of transfer."""
        methods = self.prose.study.methods
        return len(self.prose.study.tasks) > 1 and all(
            methods[t["baseline"]].architecture == "independent" != methods[t["method"]].architecture for t in tests
        )

    def further(self, verdict: str) -> Tex:
        """Tests against the first baseline on other metrics than the leading ones that fell one way."""
        of: dict[str, dict[str, list[Tex]]] = {}
        for t in self.facts["further"]:
            if t["verdict"] == verdict:
                of.setdefault(t["method"], {}).setdefault(t["task"], []).append(metric_title(t["metric"]))
        return Tex(
            "; ".join(
                f"{self.prose.method(method)} in "
                + listing(Tex(f"{listing(metrics)} of {self.prose.task(task)}") for task, metrics in tasks.items())
                for method, tasks in of.items()
            )
        )

    def span(self, key: str) -> Tex:
        """Both ends of an interval."""
        return Tex(f"{self.val(key, 'low')} to {self.val(key, 'high')}")

    def of_sign(self, found: Iterable[Test], sign: str) -> list[Test]:
        """Intervals that lie ``above`` zero, ``below`` it or ``around`` it."""
        return [f for f in found if f["sign"] == sign]

    def signs(self, scope: str, found: list[Test], what: str) -> Tex:
        """How many intervals lie where, without a full stop.

        Args:
            scope: the intervals, as step ``numbers`` names their counts.
            found: the intervals.
            what: what they are, in the plural.
        """
        n = {sign: len(self.of_sign(found, sign)) for sign in LIES}
        there = [sign for sign in n if n[sign]]
        if len(there) == 1 and n[there[0]] > 1:
            every = "both" if n[there[0]] == 2 else f"all {self.val(f'{scope}+all')}"
            return Tex(f"{every} {what} {LIES[there[0]][1]}")
        each = listing(Tex(f"{self.val(f'{scope}+{s}')} {LIES[s][n[s] > 1]}") for s in there)
        return Tex(f"of the {self.val(f'{scope}+all')} {what}, {each}")
