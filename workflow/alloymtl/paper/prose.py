"""Phrases that templates join into sentences: lists of tasks and methods, evidence of a test, counts of verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alloymtl.paper.display import metric_title, unit
from alloymtl.paper.latex import Tex, escape, listing
from alloymtl.paper.spec import MethodView, PaperStudy
from alloymtl.run import Level

OUTCOMES = {
    "better": "came out better",
    "worse": "came out worse",
    "not shown": "showed no significant difference",
    "identical": "gave identical results",
}


class Prose:
    """Phrases about one study.

    Args:
        study: the study.
        content: what step ``numbers`` wrote as JSON: ``numbers`` and ``facts``.
    """

    def __init__(self, study: PaperStudy, content: Mapping[str, Any]) -> None:
        self.study, self.numbers, self.facts = study, content["numbers"], content["facts"]
        self._tasks = {task.name: task for task in study.tasks}

    def val(self, *key: object) -> Tex:
        """The number of that name, its parts joined by dots; LaTeX stops if there is none."""
        return Tex(rf"\val{{{'.'.join(str(part) for part in key)}}}")

    def has(self, *key: object) -> bool:
        """Whether there is a number of that name."""
        return ".".join(str(part) for part in key) in self.numbers

    def task(self, name: str) -> Tex:
        """A task's title."""
        return escape(self._tasks[name].title)

    def method(self, name: str) -> Tex:
        """A method's title."""
        return escape(self.study.methods[name].title)

    def metric(self, name: str) -> Tex:
        """A metric's name."""
        return metric_title(name)

    def metrics(self, kind: str) -> Tex:
        """Names of the metrics that the main comparison shows for a kind of task."""
        return listing(metric_title(name) for name in self.study.evaluation[kind])

    def tasks(self, names: Iterable[str] | None = None) -> Tex:
        """Titles of tasks, of all if none are named."""
        return listing(self.task(n) for n in (self._tasks if names is None else names))

    def methods(self, names: Iterable[str] | None = None) -> Tex:
        """Titles of methods, of the main comparison if none are named."""
        return listing(self.method(n) for n in (self.study.main.methods if names is None else names))

    def described_tasks(self) -> Tex:
        """Titles of all tasks, each with its unit or its classes."""
        return listing(
            Tex(f"{escape(t.title)} ({unit(t) if t.is_regression else escape(f'{t.negative} or {t.positive}')})")
            for t in self.study.tasks
        )

    def tests(self, **wanted: str) -> list[dict[str, Any]]:
        """Tests of the main comparison on each task's first metric that agree with all that is given."""
        return [t for t in self.facts["tests"] if all(t[k] == v for k, v in wanted.items())]

    def score(self, task: str, method: str) -> Tex:
        """Mean and SD of a task's first metric, for use in mathematics."""
        key = ("score", task, self.study.metrics(self._tasks[task])[0], method)
        return Tex(rf"{self.val(*key, 'mean')}\pm{self.val(*key, 'sd')}")

    def evidence(self, tests: Iterable[Mapping[str, Any]]) -> Tex:
        """Tasks of some tests, each with difference, interval and corrected p-value."""
        return listing(
            Tex(
                rf"{self.task(t['task'])} ($\Delta={self.val(t['key'], 'difference')}$, "
                rf"interval {self.val(t['key'], 'low')} to {self.val(t['key'], 'high')}, $p{self.val(t['key'], 'p')}$)"
            )
            for t in tests
        )

    def tally(self, kind: str, which: Tex) -> Tex:
        """How the tests against the first baseline fell, without a full stop.

        Args:
            kind: a kind of task, or ``all``.
            which: words that say which tests, to stand after "comparison" or "comparisons".
        """
        counts = self.facts["tally"][kind]
        fell = [verdict for verdict in OUTCOMES if counts[verdict]]
        if counts["all"] == 1:
            return Tex(f"the one comparison {which} {OUTCOMES[fell[0]]}")
        if len(fell) == 1:
            every = "both" if counts["all"] == 2 else f"all {self.val('tally', kind, 'all')}"
            return Tex(f"{every} comparisons {which} {OUTCOMES[fell[0]]}")
        each = listing(Tex(f"{self.val('tally', kind, v.replace(' ', '_'))} {OUTCOMES[v]}") for v in fell)
        return Tex(f"of the {self.val('tally', kind, 'all')} comparisons {which}, {each}")

    def hidden(self, method: str) -> Tex:
        """Widths of a method's hidden layers, joined by dashes."""
        widths = self.study.methods[method].training["hidden"]
        return Tex("--".join(self.val("training", method, "hidden", n) for n in range(len(widths))))

    def seeds(self, which: str) -> Tex:
        """The seeds (``seed``) or split seeds (``split_seed``) of the main comparison."""
        numbers = self.study.main.seeds if which == "seed" else self.study.main.split_seeds
        return listing(self.val(which, n) for n in range(len(numbers)))

    def reasons(self) -> Tex:
        """Why rows were rejected, each with its count."""
        counted = (f"{escape(reason)}: {self.val('data.reason', n)}" for n, reason in enumerate(self.facts["reasons"]))
        return Tex("; ".join(counted))

    def overlaps(self) -> Tex:
        """Pairs of tasks that share alloys, with their counts."""
        return listing(
            Tex(f"{self.val('overlap', a, b)} ({self.task(a)} and {self.task(b)})") for a, b in self.facts["overlaps"]
        )

    def level(self, level: Level) -> Tex:
        """A level as the object of a sentence."""
        return Tex("all alloys") if level == "all" else self.val("level", self.study.main.levels.index(level))

    def levels(self) -> Tex:
        """The levels of the main comparison."""
        return listing(self.level(level) for level in self.study.main.levels)

    def transformed(self) -> Tex:
        """Which labels are transformed first, as the end of a sentence; empty where none is."""
        names = [task.name for task in self.study.tasks if task.transform != "none"]
        return Tex(f", those of {self.tasks(names)} after taking logarithms") if names else Tex("")

    def further(self, verdict: str) -> Tex:
        """Tests against the first baseline on other metrics than the leading ones that fell one way."""
        return listing(
            Tex(f"{self.method(t['method'])} in {metric_title(t['metric'])} of {self.task(t['task'])}")
            for t in self.facts["further"]
            if t["verdict"] == verdict
        )

    def pools(self, tests: Iterable[Mapping[str, Any]]) -> bool:
        """Whether some tests set joint networks against independent ones, so that they speak of transfer."""
        methods = self.study.methods
        return len(self.study.tasks) > 1 and all(
            methods[t["baseline"]].architecture == "independent" != methods[t["method"]].architecture for t in tests
        )

    def options(self, kind: str, method: MethodView, other: MethodView) -> Tex:
        """Options of a part in which a method differs from another one with the same part; empty where in none."""
        ours, theirs = method.parts[kind].options, other.parts[kind].options
        return listing(
            Tex(f"{escape(name.replace('_', ' '))} {self.val('method', method.name, f'{kind}.{name}')}")
            for name, value in ours.items()
            if value != theirs[name]
        )

    def penalised(self) -> list[str]:
        """Methods whose learned relations a penalty draws towards zero."""
        parts = {name: self.study.methods[name].parts["architecture"] for name in self.facts["related"]}
        return [name for name, part in parts.items() if part.options.get("lambda_sparse", 0) > 0]

    def departures(self, method: MethodView) -> Tex:
        """Training settings in which a method differs from the first one."""
        return listing(
            Tex(f"{escape(key.replace('_', ' '))} {self._setting(method, key)}")
            for key in self.facts["training_differs"][method.name]
        )

    def _setting(self, method: MethodView, key: str) -> Tex:
        if isinstance(method.training[key], list):
            return self.hidden(method.name)
        return (
            self.val("training", method.name, key)
            if self.has("training", method.name, key)
            else escape(method.training[key])
        )

    def cases(self, tests: Iterable[Mapping[str, Any]]) -> Tex:
        """Tests by name: ``Standard MTL on Resistivity and Hardness; Structured MTL on Hardness``."""
        of_method: dict[str, list[str]] = {}
        for t in tests:
            of_method.setdefault(t["method"], []).append(t["task"])
        return Tex("; ".join(f"{self.method(m)} on {self.tasks(names)}" for m, names in of_method.items()))
