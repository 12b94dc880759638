"""Phrases about a study's design that templates join into sentences: tasks, methods, their options and settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alloymtl.evaluation.balancing.roles import family
from alloymtl.paper.display import SPLITS, metric_title, unit
from alloymtl.paper.latex import Tex, escape, listing
from alloymtl.paper.spec import MethodView, PaperStudy
from alloymtl.run import FOLDERS

PAUSES = ",;"
MANY = 6  # methods that a bracket names
PLAIN = {
    "architecture": "hard",
    "loss": "mse",
    "smoothing": "none",
    "balancer": "none",
    "sampler": "uniform",
    "optimiser": "adam",
}


class Prose:
    """Phrases about one study.

    Args:
        study: the study.
        content: what step ``numbers`` wrote as JSON: ``numbers`` and ``facts``.
        prefix: what stands before the names of the study's numbers; ``facts`` are the study's own.
    """

    def __init__(self, study: PaperStudy, content: Mapping[str, Any], prefix: str = "") -> None:
        self.study, self.numbers, self.facts = study, content["numbers"], content["facts"]
        self.prefix = prefix
        self._tasks = {task.name: task for task in study.tasks}

    def val(self, *key: object) -> Tex:
        """The number of that name, its parts joined by dots; LaTeX stops if there is none."""
        return Tex(rf"\val{{{self._name(key)}}}")

    def has(self, *key: object) -> bool:
        """Whether there is a number of that name."""
        return self._name(key) in self.numbers

    def _name(self, key: Iterable[object]) -> str:
        return self.prefix + ".".join(str(part) for part in key)

    def task(self, name: str) -> Tex:
        """A task's title."""
        return escape(self._tasks[name].title)

    def method(self, name: str) -> Tex:
        """A method's title, in quotes where it would break a sentence."""
        title = escape(self.study.methods[name].title)
        return Tex(f"``{title}''") if any(mark in title for mark in PAUSES) else title

    def metric(self, name: str) -> Tex:
        """A metric's name."""
        return metric_title(name)

    def leading(self, task: str) -> Tex:
        """Name of a task's first metric."""
        return metric_title(self.study.metrics(self._tasks[task])[0])

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

    def users(self, kind: str, *names: str) -> list[MethodView]:
        """Methods of the study that have one of some parts, those of the main comparison first.

        Networks that each see one task have no use for a balancer: they do not count as users of one.
        """
        first = self.study.main_methods
        every = [*first, *(m for m in self.study.methods.values() if m.name not in self.study.main.methods)]
        every = [m for m in every if kind != "balancer" or m.architecture not in ("independent", "transfer")]
        return [m for m in every if m.parts[kind].name in names]

    def distinct(self, users: Iterable[MethodView]) -> list[MethodView]:
        """Methods without those that differ from another in their batches alone; one with plain batches stays."""
        kept: list[MethodView] = []
        for method in sorted(users, key=lambda m: m.parts["sampler"].name != PLAIN["sampler"]):
            if not any(_same_but_batches(method, other) for other in kept):
                kept.append(method)
        return kept

    def families(self) -> dict[str, list[str]]:
        """Methods of several balancers that state the same family, by its name."""
        found: dict[str, list[MethodView]] = {}
        for balancer in self.parts("balancer"):
            if name := family(balancer):
                found.setdefault(name, []).extend(self.distinct(self.users("balancer", balancer)))
        several = {name: methods for name, methods in found.items() if len({m.balancer for m in methods}) > 1}
        return {name: [m.name for m in methods] for name, methods in several.items()}

    def who(self, users: Iterable[MethodView]) -> Tex:
        """Users of a part by title: those of the main comparison, or else the first few that are distinct."""
        users = list(users)
        first = [m for m in users if m.name in self.study.main.methods]
        names = [m.name for m in first or self.distinct(users)]
        return self.methods(names) if len(names) <= MANY else Tex(f"{self.methods(names[:MANY])} among others")

    def parts(self, kind: str) -> list[str]:
        """Names of all parts of a kind that methods of the study use, those of the main comparison first."""
        every = [*self.study.main_methods, *self.study.methods.values()]
        return list(dict.fromkeys(m.parts[kind].name for m in every if m in self.users(kind, m.parts[kind].name)))

    def hidden(self, method: str) -> Tex:
        """Widths of a method's hidden layers, joined by dashes."""
        widths = self.study.methods[method].training["hidden"]
        return Tex("--".join(self.val("training", method, "hidden", n) for n in range(len(widths))))

    def seeds(self, which: str) -> Tex:
        """The seeds (``seed``) or split seeds (``split_seed``) of the main comparison."""
        numbers = self.study.main.seeds if which == "seed" else self.study.main.split_seeds
        return listing(self.val(which, n) for n in range(len(numbers)))

    def division(self, article: str = "the") -> Tex:
        """The study's kind of split as the object of a sentence."""
        return Tex(f"{article} {SPLITS[self.study.split['kind']]}")

    def near(self, split: str, what: str = "share") -> Tex:
        """Share of each task's test alloys with a near-duplicate in training under a kind of split.

        ``what`` may be ``own``: a duplicate that is labelled for the task itself.
        """
        return listing(Tex(f"{self.val('leakage', split, name, what)} ({self.task(name)})") for name in self._tasks)

    def splits(self, kinds: Iterable[str]) -> list[tuple[str, Tex]]:
        """Kinds of split other than the study's own, each with its name as the subject of a sentence."""
        return [(kind, Tex(f"a {SPLITS[kind]}")) for kind in kinds if kind != self.study.split["kind"]]

    def splits_made(self, kind: str) -> Tex:
        """With how many of the study's split seeds another kind of split was possible, as the end of a sentence.

        Empty where it was with all of them.
        """
        if kind not in self.facts["some_splits"]:
            return Tex("")
        every = self.val("study.splits")
        if self.numbers[self._name(("leakage", kind, "splits"))]["value"] == 1:
            return Tex(f" with the only one of the {every} split seeds that allows it")
        return Tex(f" with the {self.val('leakage', kind, 'splits')} of the {every} split seeds that allow it")

    def overlaps(self) -> Tex:
        """Pairs of tasks that share alloys, with their counts."""
        return listing(
            Tex(f"{self.val('overlap', a, b)} ({self.task(a)} and {self.task(b)})") for a, b in self.facts["overlaps"]
        )

    def level(self, level: object) -> Tex:
        """A level as the object of a sentence."""
        return Tex("all labels") if str(level) == "all" else self.val("level", level)

    def levels(self, experiment: str = "main") -> Tex:
        """The levels of an experiment."""
        return listing(self.level(level) for level in self.study.experiments[experiment].levels)

    def transformed(self) -> Tex:
        """Which labels are transformed first, as the end of a sentence; empty where none is."""
        names = [task.name for task in self.study.tasks if task.transform != "none"]
        return Tex(f", those of {self.tasks(names)} after taking logarithms") if names else Tex("")

    def options(self, kind: str, method: MethodView, other: MethodView) -> Tex:
        """Options of a part in which a method differs from another one with the same part; empty where in none."""
        ours, theirs = method.parts[kind].options, other.parts[kind].options
        return listing(self._option(kind, method, name) for name, value in ours.items() if value != theirs.get(name))

    def _option(self, kind: str, method: MethodView, name: str) -> Tex:
        value = method.parts[kind].options[name]
        titled = escape(name.replace("_", " "))
        if self.has("method", method.name, kind, name):
            return Tex(f"{titled} {self.val('method', method.name, kind, name)}")
        words = {True: "yes", False: "no"}.get(value, str(value).replace("_", " "))
        return Tex(f"{titled} {escape(words)}")

    def variants(self, kind: str, users: Iterable[MethodView], first: MethodView) -> Tex:
        """Methods whose options of a part differ from those of the first user, each with what differs."""
        found = ((m, self.options(kind, m, first)) for m in self.distinct(users))
        return Tex("; ".join(f"{self.method(m.name)}: {options}" for m, options in found if options))

    def departures(self, method: MethodView) -> Tex:
        """Training settings in which a method differs from the first one."""
        return listing(
            Tex(f"{escape(key.replace('_', ' '))} {self._setting(method, key)}")
            for key in self.facts["training_differs"][method.name]
        )

    def departing(self) -> Tex:
        """Methods whose training settings depart from the first one's, each with what differs."""
        of: dict[Tex, list[str]] = {}
        for name, settings in self.facts["training_differs"].items():
            if settings:
                of.setdefault(self.departures(self.study.methods[name]), []).append(name)
        return Tex("; ".join(f"{settings} ({self.methods(names)})" for settings, names in of.items()))

    def arms(self, users: Iterable[MethodView]) -> Tex:
        """What each arm of a transfer does with its backbone."""
        words = {
            (True, True): "keeps the backbone of that network as it is",
            (True, False): "trains the backbone of that network on",
            (False, True): "keeps a backbone of random weights as it is",
            (False, False): "trains a new backbone",
        }
        options = {m.name: m.parts["architecture"].options for m in users}
        said = (f"{self.method(n)} {words[bool(o['pretrained']), bool(o['frozen'])]}" for n, o in options.items())
        return Tex("; ".join(said))

    def _setting(self, method: MethodView, key: str) -> Tex:
        if isinstance(method.training[key], list):
            return self.hidden(method.name)
        if self.has("training", method.name, key):
            return self.val("training", method.name, key)
        return escape(str(method.training[key]).replace("_", " "))

    def recipe(self, method: MethodView) -> Tex:
        """What a method is made of: its architecture, and every part, option and setting that is not the plain one."""
        first = {}
        for other in self.study.methods.values():
            for kind in FOLDERS:
                first.setdefault((kind, other.parts[kind].name), other)
        pieces = []
        for kind in FOLDERS:
            part = method.parts[kind]
            options = self.options(kind, method, first[kind, part.name])
            if kind == "architecture" or part.name != PLAIN[kind]:
                text = rf"{kind} \texttt{{{escape(part.name)}}}"
                pieces.append(Tex(f"{text} ({options})" if options else text))
        if self.facts["training_differs"][method.name]:
            pieces.append(self.departures(method))
        return Tex("; ".join(pieces))

    def penalised(self) -> list[str]:
        """Methods whose learned relations a penalty draws towards zero."""
        parts = {name: self.study.methods[name].parts["architecture"] for name in self.facts["related"]}
        return [name for name, part in parts.items() if part.options.get("lambda_sparse", 0) > 0]


def _same_but_batches(method: MethodView, other: MethodView) -> bool:
    """Whether two methods have the same parts and settings but for the sampler."""
    same = all(part == other.parts[kind] for kind, part in method.parts.items() if kind != "sampler")
    return same and method.training == other.training
