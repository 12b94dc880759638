"""What controls tell of causes: projection of gradients, batches, another split; in sentences that tests choose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from alloymtl.paper.latex import Tex, listing
from alloymtl.paper.wording.findings import OUTCOMES, Findings, Test

PROJECTION = "pcgrad_controls"
PARTS = {
    "mean": "a mean in the place of the sum",
    "raw": "projection without weights by size",
    "equal": "equal weights alone",
}
FELL = {
    "better": "better on",
    "worse": "worse on",
    "not shown": "no difference shown on",
    "identical": "the same on",
}
SPLITS = {"better": "better", "worse": "worse", "not shown": "no difference shown", "identical": "identical"}


class OnControls(Findings):
    """Sentences on controls."""

    def projection(self) -> Tex:
        """What of gradient projection helps, as far as its controls tell."""
        roles, baseline = self.facts["projection"], self._baseline()
        if baseline is None or "full" not in roles:
            return self.outcome(PROJECTION)
        base, name = self.prose.method(baseline), self.prose.method(roles["full"])
        gained = self._gained("full")
        said = [f"{name} against {base}: {self.outcome(PROJECTION, baseline, roles['full'])}"]
        if not gained:
            said.append(
                f"{name} is not shown to gain over {base} on any task: there is no gain that conflict has to explain."
            )
        if off := self._of("off"):
            said.append(self._without(list(off.values()), base))
        said += self._random(gained, name)
        said += self._parts(base)
        return Tex(" ".join(said))

    def _without(self, off: list[Test], base: Tex) -> str:
        """What the code of gradient projection does where it projects nothing."""
        if all(t["verdict"] == "identical" for t in off):
            return f"The same code without projection gives the results of {base}, as it should."
        if moved := [t for t in off if t["verdict"] in ("better", "worse")]:
            return f"The same code without projection already differs from {base}: {self.named(moved)}."
        return f"The same code without projection shows no difference from {base}."

    def _baseline(self) -> str | None:
        pairs = self.prose.study.experiments[PROJECTION].comparisons
        return pairs[0][0] if pairs else None

    def _of(self, role: str) -> dict[str, Test]:
        """Tests of a control against the common baseline, by task."""
        method = self.facts["projection"].get(role, "")
        return {t["task"]: t for t in self.tests(PROJECTION, baseline=self._baseline() or "", method=method)}

    def _gained(self, role: str) -> list[str]:
        return [task for task, test in self._of(role).items() if test["verdict"] == "better"]

    def _direct(self) -> dict[str, Test]:
        """Tests of projection against projections by the toss of a coin, by task."""
        roles = self.facts["projection"]
        found = self.tests(PROJECTION, baseline=roles.get("random_sign", ""), method=roles.get("full", ""))
        return {t["task"]: t for t in found}

    def _random(self, gained: list[str], name: Tex) -> list[str]:
        """Whether projections by the toss of a coin do what those of conflicting gradients do."""
        random, direct = self._of("random_sign"), self._direct()
        if not random:
            return []
        if not gained:
            return [f"Projections by the toss of a coin: {self._short(random.values())}."]
        said = []
        if also := [task for task in gained if random[task]["verdict"] == "better"]:
            said.append(f"Projections by the toss of a coin gain on {self.prose.tasks(also)} as well.")
        told = [task for task in gained if task in direct and direct[task]["verdict"] == "better"]
        if told:
            where = self.prose.tasks(told)
            said.append(
                f"{name} is better than projections by the toss of a coin on {where}: there it matters what is "
                "projected."
            )
        if rest := [task for task in gained if task in direct and task not in told]:
            said.append(
                f"On {self.prose.tasks(rest)} {name} is not shown to be better than projections by the toss of a coin, "
                "so that its gain is not shown to come from conflict."
            )
        return said

    def _parts(self, base: Tex) -> list[str]:
        """How the other controls fare against the baseline, those that show nothing together."""
        of = {role: list(self._of(role).values()) for role in PARTS if self._of(role)}
        silent = [r for r, tests in of.items() if all(t["verdict"] in ("not shown", "identical") for t in tests)]
        said = []
        if silent:
            said.append(f"No difference from {base} is shown either for {listing(Tex(PARTS[r]) for r in silent)}.")
        said += [f"Against {base}, {PARTS[r]}: {self._short(tests)}." for r, tests in of.items() if r not in silent]
        roles = self.facts["projection"]
        if plain := self.tests(PROJECTION, baseline=roles.get("equal", ""), method=roles.get("raw", "")):
            said.append(f"Without weights by size, projection against none: {self._short(plain)}.")
        return said

    def projection_in_short(self) -> Tex:
        """Whether the gain of gradient projection, if there is one, comes from conflict."""
        baseline = self._baseline()
        if baseline is None:
            return Tex("")
        name, gained = self.prose.method(self.facts["projection"]["full"]), self._gained("full")
        if not gained:
            return Tex(f"{name} is not shown to gain anything over {self.prose.method(baseline)} here.")
        start = f"{name} gains on {self.prose.tasks(gained)}"
        if same := [task for task in gained if task in self._gained("off")]:
            return Tex(f"{start}, but on {self.prose.tasks(same)} the same code gains without any projection.")
        direct = self._direct()
        if told := [task for task in gained if task in direct and direct[task]["verdict"] == "better"]:
            return Tex(f"{start}, and more than random projections on {self.prose.tasks(told)}.")
        if direct:
            doubt = "but is not shown to do better there than random projections"
            return Tex(f"{start}, {doubt}, so that its gain is not shown to come from conflict.")
        return Tex(f"{start}.")

    def short(self, experiment: str, baseline: str, method: str) -> Tex:
        """How the tests of one pair fell, task by task, without a full stop."""
        return self._short(self.tests(experiment, baseline=baseline, method=method))

    def _short(self, tests: Iterable[Test]) -> Tex:
        found = list(tests)
        if len(found) > 1 and all(t["verdict"] == "not shown" for t in found):
            return Tex("no difference is shown on any task")
        of = {verdict: [t["task"] for t in found if t["verdict"] == verdict] for verdict in OUTCOMES}
        return Tex("; ".join(f"{FELL[v]} {self.prose.tasks(names)}" for v, names in of.items() if names))

    def presence(self) -> Tex:
        """How probable it is that a batch holds each task that it may lack."""
        scarce = self.facts["scarce"]
        return listing(
            Tex(f"{self.prose.task(t)} with a probability of {self.val('task', t, 'present')}") for t in scarce
        )

    def on_both(self, grouped: Findings, method: str) -> Tex:
        """Scores of a method on the other split, each beside that on the study's own."""
        tasks = [t.name for t in self.prose.study.tasks if t.name in grouped.facts["ranking"]["main"]]
        return listing(
            Tex(
                f"{self.prose.leading(t)} ${grouped.score(t, method)}$ on {self.prose.task(t)} "
                f"(${self.score(t, method)}$ under {self.prose.division()})"
            )
            for t in tasks
        )

    def splits(self) -> Tex:
        """Whether the verdicts of the main comparison are the same under the other split."""
        changed = [f for f in self.facts["splits"] if f["verdict"] != f["grouped"]]
        if not changed:
            return Tex("Every verdict of the main comparison is the same under both splits.")
        cases = "; ".join(self._changed(f) for f in changed)
        last = (
            "Some verdicts are turned around, so that advice depends on what is to be predicted."
            if any({f["verdict"], f["grouped"]} == {"better", "worse"} for f in changed)
            else "None is turned around: a difference that is shown under one split alone is no contradiction."
        )
        return Tex(f"Verdicts that are not the same under both splits: {cases}. {last}")

    def _changed(self, fact: Mapping[str, str]) -> str:
        pair = f"{self.prose.method(fact['method'])} against {self.prose.method(fact['baseline'])}"
        verdicts = f"{SPLITS[fact['verdict']]} before, {SPLITS[fact['grouped']]} now"
        return f"{pair} on {self.prose.task(fact['task'])}: {verdicts}"
